//! Finding a segment that was stored before: by an earlier call, or by a process that died before it could tell.

use std::sync::Arc;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{Extensions, GetOptions};
use tsds_traits::{ErrorKind, Result, SegmentSource};

use super::job::{Job, Outcome};
use crate::checksum::{FileChecksums, FileHasher};
use crate::note;
use crate::path::segment_path;
use crate::record::FileRecord;
use crate::store::{FromDisk, belongs_to, from_store};
use crate::tier::Shared;

/// The record of the segment's file, if there is one with exactly these rows.
///
/// Nothing in the file is believed. Its note says with which settings it was written; encoding the source once more with
/// these gives the bytes that the file must have. A file with other bytes is no completed put, and is written over, unless
/// it says that it is another database's.
///
/// # Errors
///
/// `Conflict` for a file of another database, `Unsupported` for one of another version; as for I/O.
pub(super) async fn find(
    shared: &Arc<Shared>,
    source: &Arc<dyn SegmentSource>,
) -> Result<Option<FileRecord>> {
    for hive in [shared.settings.hive, !shared.settings.hive] {
        let path = segment_path(source.meta(), hive);
        if let Some(record) = find_at(shared, source, &path).await? {
            return Ok(Some(record));
        }
    }
    Ok(None)
}

async fn find_at(
    shared: &Arc<Shared>,
    source: &Arc<dyn SegmentSource>,
    path: &Path,
) -> Result<Option<FileRecord>> {
    let read = match read_checksums(shared, path).await {
        Ok(read) => read,
        // A file whose name may not be durable is written once more.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotDurable) => return Ok(None),
        Err(error) => return Err(error),
    };
    let note = note::read(&*shared.store, path, read.size).await?;
    if let Some(other) = note.as_ref().filter(|note| !note.is_of(shared.database)) {
        return Err(belongs_to(other.database(), shared.database).with("file", path));
    }
    let settings = note.map(|note| note.settings(&shared.settings)).transpose();
    let Some(settings) = settings.map_err(|error| error.with("file", path))?.flatten() else {
        tracing::warn!(%path, "a file that is no completed put is written over");
        return Ok(None);
    };
    let job = Job {
        source,
        database: shared.database,
        settings: &settings,
        path: path.clone(),
        executor: &shared.world.executor,
    };
    match job.run(None).await? {
        Outcome::Encoded(record) if record.checksums == read => Ok(Some(record)),
        _ => {
            tracing::warn!(%path, "a file with other rows or damage is written over");
            Ok(None)
        }
    }
}

/// The checksums of what the store holds at `path`, read from its disk where it has one.
pub(super) async fn read_checksums(shared: &Arc<Shared>, path: &Path) -> Result<FileChecksums> {
    let mut extensions = Extensions::new();
    extensions.insert(FromDisk);
    let options = GetOptions::new().with_extensions(extensions);
    let mut stream = shared.store.get_opts(path, options).await.map_err(from_store)?.into_stream();
    let mut hasher = FileHasher::default();
    while let Some(bytes) = stream.try_next().await.map_err(from_store)? {
        let hashing = move || {
            hasher.update(&bytes);
            Ok(hasher)
        };
        hasher = (*shared.world.executor).blocking(hashing).await?;
    }
    Ok(hasher.finish())
}
