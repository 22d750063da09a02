//! The segment files of one database.

mod open_files;
mod rebuild;
mod recent;

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use async_trait::async_trait;
use tsds_traits::{
    Codec, CodecLookup, DatabaseId, Error, ErrorKind, Result, SegmentFiles, SegmentId, SegmentMeta,
    SegmentSource, TableSchema, World,
};

use crate::read::SegmentFile;
use crate::write::{SegmentWriteOptions, Written, write_segment};
use recent::Recent;

pub(crate) use open_files::OpenFiles;
pub use rebuild::{FoundSegment, Rebuilt, rebuild};

/// How many files stay open when nobody reads them.
const OPEN_FILES: u64 = 256;
/// How many bytes of footers and dictionaries stay in memory when nobody uses them.
const FOOTER_BYTES: u64 = 64 << 20;
const EXTENSION: &str = "seg";
const TEMPORARY: &str = ".seg.tmp";
/// How many segment numbers share a directory, and how many of those share one.
const FAN_OUT: u64 = 1024;

/// The segment files of one database, under one directory.
///
/// A segment is `<id / 1024²>/<id / 1024 mod 1024>/<segment id>.seg`, so that no directory grows beyond what file systems
/// handle well. Files are found by id alone and never changed. Cheap to clone.
#[derive(Clone)]
pub struct SegmentStore {
    inner: Arc<Inner>,
}

struct Inner {
    world: World,
    directory: PathBuf,
    options: SegmentWriteOptions,
    codecs: Arc<dyn CodecLookup>,
    files: Arc<OpenFiles>,
    opened: Mutex<Recent<SegmentId, SegmentFile>>,
    /// The segments that are being written.
    writing: Mutex<HashSet<SegmentId>>,
}

impl SegmentStore {
    /// The store under `directory`, which is created with the first segment, and whose parent exists. Columns are written with `file_codec`, or plain
    /// where that does not take their type.
    pub fn new(
        world: World,
        directory: PathBuf,
        database: DatabaseId,
        codecs: Arc<dyn CodecLookup>,
        file_codec: Arc<dyn Codec>,
    ) -> Self {
        Self::with_options(
            world,
            directory,
            codecs,
            SegmentWriteOptions::new(database).with_codec(file_codec),
        )
    }

    /// As [`SegmentStore::new`], with everything that can be chosen about writing.
    pub fn with_options(
        world: World,
        directory: PathBuf,
        codecs: Arc<dyn CodecLookup>,
        options: SegmentWriteOptions,
    ) -> Self {
        let files = Arc::new(OpenFiles::new(world.vfs.clone(), OPEN_FILES));
        Self {
            inner: Arc::new(Inner {
                world,
                directory,
                options,
                codecs,
                files,
                opened: Mutex::new(Recent::new(FOOTER_BYTES)),
                writing: Mutex::default(),
            }),
        }
    }

    /// Where a segment's file is, or would be.
    pub fn path(&self, id: SegmentId) -> PathBuf {
        let (outer, inner) = (id.id / (FAN_OUT * FAN_OUT), id.id / FAN_OUT % FAN_OUT);
        let directory = self.inner.directory.join(outer.to_string()).join(inner.to_string());
        directory.join(format!("{id}.{EXTENSION}"))
    }

    /// Writes a segment, durable when this returns, then reads it back from the disk and compares every value. See
    /// [`write_segment`] for what `rows` and `run_starts` are.
    ///
    /// # Errors
    ///
    /// As [`write_segment`]; `Corrupt` where the file does not read back as it was written: then it is removed; `Conflict`
    /// while another call writes the same segment.
    pub async fn write(
        &self,
        meta: &Arc<SegmentMeta>,
        schema: &Arc<TableSchema>,
        rows: Vec<RecordBatch>,
        run_starts: Arc<[u32]>,
    ) -> Result<Written> {
        let (store, meta, schema) = (self.clone(), meta.clone(), schema.clone());
        self.blocking(move || {
            let _claim = Claim::new(&store.inner.writing, meta.id)?;
            store.write_now(&meta, &schema, &rows, &run_starts)
        })
        .await
    }

    fn write_now(
        &self,
        meta: &Arc<SegmentMeta>,
        schema: &Arc<TableSchema>,
        rows: &[RecordBatch],
        run_starts: &[u32],
    ) -> Result<Written> {
        let Inner { world, options, codecs, .. } = &*self.inner;
        let path = self.path(meta.id);
        self.forget(meta.id);
        self.create_directory_of(&path)?;
        let written = write_segment(&*world.vfs, &path, options, schema, meta, rows, run_starts)?;
        let read_back = SegmentFile::open(world, &path, codecs.clone(), options.database)
            .and_then(|segment| segment.verify_rows(rows));
        let problem = match read_back {
            Ok(verified) if (verified.bytes, verified.crc32c) == (written.bytes, written.crc32c) => {
                return Ok(written);
            }
            Ok(_) => Error::corrupt("segment file reads back with another checksum than it was written with")
                .with("file", path.display()),
            Err(error) => error,
        };
        // Nobody knows of the file yet. If it cannot be removed, the orphan is collected later.
        let _ = self.remove_now(meta.id);
        Err(problem)
    }

    /// Creates the directory of a segment, durably.
    fn create_directory_of(&self, path: &Path) -> Result<()> {
        let Some(directory) = path.parent() else { return Ok(()) };
        let vfs = &self.inner.world.vfs;
        vfs.create_dir_all(directory).map_err(|error| {
            // After a failed sync nobody knows which names are durable, and syncing again lies. What is empty is created anew
            // next time; what is not was durable before.
            let own = directory.ancestors().take_while(|path| path.starts_with(&self.inner.directory));
            own.for_each(|path| drop(vfs.remove_dir(path)));
            Error::from(error).with("path", directory.display()).during("segment write")
        })
    }

    /// Opens a segment, or gives the open one, and checks that the file is the segment that the catalog means. `None` where
    /// there is no file.
    ///
    /// # Errors
    ///
    /// `Corrupt` where the file is damaged or says something else than `meta` and `schema`; as for I/O.
    pub async fn open(
        &self,
        meta: &Arc<SegmentMeta>,
        schema: &Arc<TableSchema>,
    ) -> Result<Option<SegmentFile>> {
        let cached = self.opened().get(&meta.id);
        let segment = match cached {
            Some(segment) => segment,
            None => {
                let (store, id) = (self.clone(), meta.id);
                match self.blocking(move || store.open_now(id)).await? {
                    Some(segment) => segment,
                    None => return Ok(None),
                }
            }
        };
        let difference = if segment.meta() != meta {
            "segment file has other metadata than the catalog"
        } else if segment.schema() != schema {
            "segment file has another schema than the catalog"
        } else {
            return Ok(Some(segment));
        };
        Err(Error::corrupt(difference)
            .with("file", segment.path().display())
            .with("segment", meta.id)
            .during("segment open"))
    }

    fn open_now(&self, id: SegmentId) -> Result<Option<SegmentFile>> {
        let Inner { world, options, codecs, files, .. } = &*self.inner;
        let path = self.path(id);
        let segment =
            match SegmentFile::open_in(world, &path, codecs.clone(), options.database, files.clone()) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                other => other?,
            };
        self.opened().insert(id, segment.clone(), segment.resident_bytes());
        Ok(Some(segment))
    }

    /// Removes a segment's file; durable when this returns. Succeeds if there is none. Streams that read it go on.
    ///
    /// # Errors
    ///
    /// As for I/O: the file may then be there or not.
    pub async fn remove(&self, id: SegmentId) -> Result<()> {
        let store = self.clone();
        self.blocking(move || store.remove_now(id)).await
    }

    fn remove_now(&self, id: SegmentId) -> Result<()> {
        let path = self.path(id);
        self.forget(id);
        let failed = |error| Error::from(error).with("file", path.display()).during("segment remove");
        let vfs = &self.inner.world.vfs;
        match vfs.remove_file(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            other => other.map_err(failed)?,
        }
        // Also where the file was gone: an earlier call may have removed it without getting this far.
        match path.parent().map(|directory| vfs.sync_dir(directory)) {
            Some(Err(error)) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(()),
        }
    }

    /// Every segment that has a file, ascending. Temporary and foreign files are ignored.
    ///
    /// # Errors
    ///
    /// As for I/O.
    pub async fn list(&self) -> Result<Vec<SegmentId>> {
        let store = self.clone();
        self.blocking(move || {
            let (vfs, root) = (&*store.inner.world.vfs, &store.inner.directory);
            let files = files_under(vfs, root)?;
            let named = files.iter().filter_map(|path| id_of(path).map(|id| (id, path)));
            // A file elsewhere than `path` would look is nothing that this store wrote.
            let own = named.filter(|(id, path)| store.path(*id) == **path);
            let mut ids: Vec<SegmentId> = own.map(|(id, _)| id).collect();
            ids.sort_unstable();
            Ok(ids)
        })
        .await
    }

    /// Removes what interrupted writes left behind, and returns how many files that were. Writes in progress are spared.
    ///
    /// # Errors
    ///
    /// As for I/O.
    pub async fn sweep_temporary(&self) -> Result<u64> {
        let store = self.clone();
        self.blocking(move || {
            let vfs = &*store.inner.world.vfs;
            let mut removed = 0;
            for path in files_under(vfs, &store.inner.directory)? {
                let id = file_name(&path).and_then(|name| name.strip_suffix(TEMPORARY));
                let Some(id) = id.and_then(|id| SegmentId::from_str(id).ok()) else { continue };
                // Claimed while it is removed, so that nobody begins to write it in between.
                let Ok(_claim) = Claim::new(&store.inner.writing, id) else { continue };
                vfs.remove_file(&path).map_err(|error| Error::from(error).with("file", path.display()))?;
                removed += 1;
            }
            Ok(removed)
        })
        .await
    }

    fn opened(&self) -> std::sync::MutexGuard<'_, Recent<SegmentId, SegmentFile>> {
        self.inner.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, id: SegmentId) {
        self.opened().remove(&id);
        self.inner.files.forget(&self.path(id));
    }

    async fn blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        (*self.inner.world.executor).blocking(job).await
    }
}

#[async_trait]
impl SegmentFiles for SegmentStore {
    async fn open(
        &self,
        meta: &Arc<SegmentMeta>,
        schema: &Arc<TableSchema>,
    ) -> Result<Option<Arc<dyn SegmentSource>>> {
        let segment = SegmentStore::open(self, meta, schema).await?;
        Ok(segment.map(|segment| Arc::new(segment) as Arc<dyn SegmentSource>))
    }
}

impl fmt::Debug for SegmentStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentStore").field("directory", &self.inner.directory).finish_non_exhaustive()
    }
}

/// Holds a segment against other writers until dropped.
struct Claim<'a> {
    claims: &'a Mutex<HashSet<SegmentId>>,
    id: SegmentId,
}

impl<'a> Claim<'a> {
    fn new(claims: &'a Mutex<HashSet<SegmentId>>, id: SegmentId) -> Result<Self> {
        if claims.lock().unwrap_or_else(PoisonError::into_inner).insert(id) {
            return Ok(Self { claims, id });
        }
        Err(Error::new(ErrorKind::Conflict, "segment is being written already").with("segment", id))
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// Every file two directories below `root`.
fn files_under(vfs: &dyn tsds_traits::Vfs, root: &Path) -> Result<Vec<PathBuf>> {
    let mut level = vec![root.to_owned()];
    for depth in 0..3 {
        let mut below = Vec::new();
        for directory in level {
            let entries = match vfs.read_dir(&directory) {
                // Nothing was ever written, or somebody tidied up.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                other => other.map_err(|error| Error::from(error).with("path", directory.display()))?,
            };
            let wanted = entries.iter().filter(|entry| entry.is_dir == (depth < 2));
            below.extend(wanted.map(|entry| directory.join(&entry.name)));
        }
        level = below;
    }
    Ok(level)
}

fn file_name(path: &Path) -> Option<&str> {
    path.file_name().and_then(|name| name.to_str())
}

/// The segment that a file's name names.
fn id_of(path: &Path) -> Option<SegmentId> {
    let name = file_name(path)?.strip_suffix(EXTENSION)?.strip_suffix('.')?;
    SegmentId::from_str(name).ok()
}
