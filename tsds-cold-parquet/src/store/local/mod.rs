//! [`VfsObjectStore`]: local files as an object store that syncs what it acknowledges.

mod files;
mod listing;
mod upload;

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions,
    RenameTargetMode, Result,
};
use tsds_traits::World;

use super::errors::{STORE, carried, from_store, io_error};
use files::{Files, IfExists, OpenObject};
use upload::{Upload, write_payload};

/// How much of an object one blocking job reads into a stream.
const STREAM_CHUNK: u64 = 1 << 20;

/// An object store on a directory of a [`World`]'s file system.
///
/// What it acknowledges survives a power cut: a new object grows in a file under `_staging/`, is synced, gets its name in
/// one step, and every directory that was touched is synced before the call returns. A reader never sees part of an
/// object. Everything goes through the file system, clock and executor of the world, so that a simulated one can crash,
/// tear and fill up under it.
///
/// - Conditional creation ([`PutMode::Create`], [`CopyMode::Create`], [`RenameTargetMode::Create`]) is atomic among users
///   of one value; one process at a time may use a directory.
/// - Attributes, tags, versions and [`PutMode::Update`] are not supported. Objects have no entity tag, and their
///   modification time is the epoch, since the file system interface tells no times.
/// - Paths under `_staging` are refused, and never listed. Files whose names an object path cannot hold are not listed.
/// - Directories come and go with their objects.
#[derive(Clone, Debug)]
pub struct VfsObjectStore {
    files: Arc<Files>,
}

/// Asks a `head` or `get`, as an extension of its [`GetOptions`], to believe the disk alone: the object is made durable and
/// its cached contents are dropped before the answer. For whoever verifies what was written, or finds an object that
/// another process may have published without living to sync its directory.
#[derive(Clone, Copy, Debug)]
pub struct FromDisk;

impl VfsObjectStore {
    /// A store of the files under `root`, which is created by the first write.
    pub fn new(world: World, root: impl Into<PathBuf>) -> Self {
        Self { files: Arc::new(Files::new(world, root.into())) }
    }

    /// Removes what uploads of dead processes left under `_staging/` if it is at least `age` old by the wall clock, and
    /// returns how many files that were. Uploads of this store are never touched.
    ///
    /// # Errors
    ///
    /// As for I/O.
    pub async fn sweep_staging(&self, age: Duration) -> tsds_traits::Result<u64> {
        let nanos = i64::try_from(age.as_nanos()).unwrap_or(i64::MAX);
        run(&self.files, move |files| files.sweep(nanos)).await.map_err(from_store)
    }

    async fn stage_and_publish(
        &self,
        location: &Path,
        if_exists: IfExists,
        fill: impl FnOnce(&Files, &dyn tsds_traits::VfsFile) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let location = location.clone();
        run(&self.files, move |files| {
            files.file_path(&location)?;
            let staged = files.stage()?;
            if let Err(error) = fill(files, &*staged.file) {
                files.discard(staged);
                return Err(error);
            }
            files.publish(staged, &location, if_exists)
        })
        .await
    }
}

impl fmt::Display for VfsObjectStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{STORE}({})", self.files.root().display())
    }
}

/// Runs `job` on the blocking pool.
async fn run<T: Send + 'static>(
    files: &Arc<Files>,
    job: impl FnOnce(&Files) -> Result<T> + Send + 'static,
) -> Result<T> {
    let own = Arc::clone(files);
    (*files.world.executor).blocking(move || Ok(job(&own))).await.unwrap_or_else(|error| Err(carried(error)))
}

fn unsupported(operation: &str) -> object_store::Error {
    object_store::Error::NotImplemented { operation: operation.into(), implementer: STORE.into() }
}

#[async_trait]
impl ObjectStore for VfsObjectStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if !options.attributes.is_empty() {
            return Err(unsupported("put_opts with attributes"));
        }
        let if_exists = match options.mode {
            PutMode::Overwrite => IfExists::Replace,
            PutMode::Create => IfExists::Fail,
            PutMode::Update(_) => return Err(unsupported("put_opts with PutMode::Update")),
        };
        let here = location.clone();
        self.stage_and_publish(location, if_exists, move |_, file| {
            write_payload(file, &payload, 0).map_err(|error| io_error(&here, error))
        })
        .await?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        if !options.attributes.is_empty() {
            return Err(unsupported("put_multipart_opts with attributes"));
        }
        let here = location.clone();
        let staged = run(&self.files, move |files| {
            files.file_path(&here)?;
            files.stage()
        })
        .await?;
        Ok(Box::new(Upload::new(Arc::clone(&self.files), location.clone(), staged)))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let here = location.clone();
        let from_disk = options.extensions.get::<FromDisk>().is_some();
        let object =
            run(
                &self.files,
                move |files| {
                    if from_disk { files.open_from_disk(&here) } else { files.open(&here) }
                },
            )
            .await?;
        let meta = Files::object_meta(location.clone(), object.len);
        options.check_preconditions(&meta)?;
        let range = match &options.range {
            Some(range) => range
                .as_range(meta.size)
                .map_err(|error| object_store::Error::Generic { store: STORE, source: Box::new(error) })?,
            None => 0..meta.size,
        };
        let wanted = if options.head { 0..0 } else { range.clone() };
        let payload =
            GetResultPayload::Stream(read_stream(Arc::clone(&self.files), location.clone(), object, wanted));
        Ok(GetResult { payload, meta, range, attributes: Default::default() })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let (here, ranges) = (location.clone(), ranges.to_vec());
        run(&self.files, move |files| {
            let object = files.open(&here)?;
            ranges.into_iter().map(|range| object.read(&here, range)).collect()
        })
        .await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let files = Arc::clone(&self.files);
        locations
            .then(move |location| {
                let files = Arc::clone(&files);
                async move {
                    let location = location?;
                    let here = location.clone();
                    run(&files, move |files| files.delete(&here)).await?;
                    Ok(location)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (files, prefix) = (Arc::clone(&self.files), prefix.cloned().unwrap_or_default());
        let listed = async move { run(&files, move |files| files.list(&prefix)).await };
        stream::once(listed)
            .flat_map(|listed| match listed {
                Ok(objects) => stream::iter(objects).map(Ok).boxed(),
                Err(error) => stream::iter([Err(error)]).boxed(),
            })
            .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let prefix = prefix.cloned().unwrap_or_default();
        run(&self.files, move |files| files.list_one_level(&prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let if_exists = match options.mode {
            CopyMode::Overwrite => IfExists::Replace,
            CopyMode::Create => IfExists::Fail,
        };
        let from = from.clone();
        self.stage_and_publish(to, if_exists, move |files, file| copy_object(files, &from, file)).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let if_exists = match options.target_mode {
            RenameTargetMode::Overwrite => IfExists::Replace,
            RenameTargetMode::Create => IfExists::Fail,
        };
        let (from, to) = (from.clone(), to.clone());
        run(&self.files, move |files| files.rename(&from, &to, if_exists)).await
    }
}

fn copy_object(files: &Files, from: &Path, to: &dyn tsds_traits::VfsFile) -> Result<()> {
    let source = files.open(from)?;
    let mut offset = 0;
    while offset < source.len {
        let end = source.len.min(offset.saturating_add(STREAM_CHUNK));
        let bytes = source.read(from, offset..end)?;
        to.write_all_at(&bytes, offset).map_err(|error| io_error(from, error))?;
        offset = end;
    }
    Ok(())
}

/// The bytes of `range`, read piece by piece as they are asked for.
fn read_stream(
    files: Arc<Files>,
    location: Path,
    object: OpenObject,
    range: Range<u64>,
) -> BoxStream<'static, Result<Bytes>> {
    stream::try_unfold(range.start, move |offset| {
        let (files, location, object) = (Arc::clone(&files), location.clone(), object.clone());
        let end = range.end.min(offset.saturating_add(STREAM_CHUNK));
        async move {
            if offset >= end {
                return Ok(None);
            }
            let bytes = run(&files, move |_| object.read(&location, offset..end)).await?;
            Ok(Some((bytes, end)))
        }
    })
    .boxed()
}
