//! Finding a segment that was stored before: by an earlier call, or by a process that died before it could tell.

use std::sync::Arc;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{Extensions, GetOptions};
use tsds_traits::{ErrorKind, Result, SegmentSource};

use super::upload::{Job, Outcome};
use crate::checksum::{FileChecksums, FileHasher};
use crate::note::{self, TAIL_BYTES};
use crate::path::segment_path;
use crate::record::FileRecord;
use crate::store::{FromDisk, from_store};
use crate::tier::Shared;

/// The record of the segment's file, if there is one with exactly these rows.
///
/// Nothing in the file is believed. Its note says with which settings it was written; encoding the source once more with
/// these gives the bytes that the file must have. A file with other bytes is no completed put, and is written over.
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
    let (read, tail) = match read_whole(shared, path).await {
        Ok(read) => read,
        // A file whose name may not be durable is written once more.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotDurable) => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(settings) = note::find(&tail).and_then(|note| note.settings(&shared.settings)) else {
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
    Ok(read_whole(shared, path).await?.0)
}

/// The checksums and the last bytes of an object.
async fn read_whole(shared: &Arc<Shared>, path: &Path) -> Result<(FileChecksums, Vec<u8>)> {
    let mut extensions = Extensions::new();
    extensions.insert(FromDisk);
    let options = GetOptions::new().with_extensions(extensions);
    let mut stream = shared.store.get_opts(path, options).await.map_err(from_store)?.into_stream();
    let (mut hasher, mut tail) = (FileHasher::default(), Vec::new());
    while let Some(bytes) = stream.try_next().await.map_err(from_store)? {
        let hashing = move || {
            hasher.update(&bytes);
            tail.extend_from_slice(&bytes);
            tail.drain(..tail.len().saturating_sub(TAIL_BYTES));
            Ok((hasher, tail))
        };
        (hasher, tail) = (*shared.world.executor).blocking(hashing).await?;
    }
    Ok((hasher.finish(), tail))
}
