//! One put: encode into a staged upload, publish, read back, and only then say that the segment is stored.

use std::sync::Arc;

use bytes::Bytes;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use tsds_traits::{Error, ErrorKind, Put, Result, SegmentId, SegmentSource, Stored};

use super::existing::{self, read_checksums};
use super::job::{Job, Outcome};
use super::target::Target;
use crate::checksum::FileChecksums;
use crate::path::{check_column_names, segment_path};
use crate::read;
use crate::record::{FileRecord, MAX_RECORD_BYTES};
use crate::tier::Shared;

/// Stores the segment of `source`, or finds it stored.
///
/// # Errors
///
/// As [`tsds_traits::Tier::put`]. The segment is then absent, or complete under its name.
pub(crate) async fn put(shared: &Arc<Shared>, source: &Arc<dyn SegmentSource>) -> Result<Put> {
    let meta = source.meta();
    meta.validate()?;
    check_schema(source)?;
    shared.check_owner().await?;
    if let Some(record) = existing::find(shared, source).await? {
        shared.claim_store().await?;
        return Ok(stored(shared, meta.id, &record).map_or_else(too_large, Put::Stored));
    }
    // A table with a column named like a level was made while there were no such directories.
    let hive = shared.settings.hive && check_column_names(source.schema()).is_ok();
    let path = segment_path(meta, hive);
    match write(shared, source, &path).await? {
        Outcome::Declined(reason) => Ok(Put::Declined(reason)),
        Outcome::Encoded(record) => {
            verify(shared, &record, source).await?;
            Ok(stored(shared, meta.id, &record).map_or_else(too_large, Put::Stored))
        }
    }
}

fn check_schema(source: &Arc<dyn SegmentSource>) -> Result<()> {
    let (meta, schema) = (source.meta(), source.schema());
    if (schema.table(), schema.version()) == (meta.table, meta.schema_version) {
        return Ok(());
    }
    Err(Error::invalid_input("source of a segment has the schema of another table or version")
        .with("segment", meta.id)
        .with("table", schema.table())
        .with("schema_version", schema.version()))
}

fn too_large() -> Put {
    Put::Declined(format!(
        "the file needs more than {MAX_RECORD_BYTES} bytes of checksums in the catalog; cut the segment"
    ))
}

fn stored(shared: &Shared, id: SegmentId, record: &FileRecord) -> Option<Stored> {
    let (bytes, encoded): (u64, Bytes) = (record.checksums.size, record.encode()?);
    shared.inventory.insert(id, record.rows(), bytes);
    Some(Stored { bytes, record: encoded })
}

/// Encodes and publishes. Nothing stays behind of what is not published.
async fn write(shared: &Arc<Shared>, source: &Arc<dyn SegmentSource>, path: &Path) -> Result<Outcome> {
    let mut target = Target::new(&shared.store, path);
    let job = Job {
        source,
        database: shared.database,
        settings: &shared.settings,
        path: path.clone(),
        executor: &shared.world.executor,
    };
    let record = match job.run(Some(&mut target)).await {
        Ok(Outcome::Encoded(record)) => record,
        other => {
            target.abandon().await;
            return other;
        }
    };
    if record.encode().is_none() {
        target.abandon().await;
        let Put::Declined(reason) = too_large() else { return Err(Error::internal("not a reason")) };
        return Ok(Outcome::Declined(reason));
    }
    if let Err(error) = shared.claim_store().await {
        target.abandon().await;
        return Err(error);
    }
    match target.publish().await {
        Ok(()) => Ok(Outcome::Encoded(record)),
        Err(error) => resolve(shared, record, target, error).await,
    }
}

/// A publication that failed may have been carried out: the object tells. If syncing its name failed, it tells that too.
/// What is not there after all must not come later: the upload is given up.
async fn resolve(
    shared: &Arc<Shared>,
    record: FileRecord,
    target: Target<'_>,
    error: Error,
) -> Result<Outcome> {
    match read_checksums(shared, &record.path).await {
        Ok(read) if read == record.checksums => Ok(Outcome::Encoded(record)),
        _ => {
            target.abandon().await;
            Err(error)
        }
    }
}

/// Reads the published file back: every byte by its checksums, and the footer by Parquet. A file that does not read back
/// is removed.
async fn verify(shared: &Arc<Shared>, record: &FileRecord, source: &Arc<dyn SegmentSource>) -> Result<()> {
    let verified = verify_file(shared, record, source).await;
    if let Err(error) = &verified
        && error.kind() == ErrorKind::Corrupt
        && let Err(stays) = shared.store.delete(&record.path).await
    {
        tracing::warn!(error = %stays, path = %record.path, "a file that does not read back could not be removed");
    }
    verified
}

async fn verify_file(
    shared: &Arc<Shared>,
    record: &FileRecord,
    source: &Arc<dyn SegmentSource>,
) -> Result<()> {
    let read: FileChecksums = read_checksums(shared, &record.path).await?;
    if read != record.checksums {
        return Err(Error::corrupt("file reads back with other bytes than were written")
            .with("file", &record.path)
            .with("size", read.size)
            .with("expected", record.checksums.size));
    }
    let file = read::VerifiedFile::new(Arc::clone(&shared.store), Arc::new(record.clone()));
    read::Footer::load(&file, source.schema(), read::Detail::Footer, &shared.world.executor).await?;
    Ok(())
}
