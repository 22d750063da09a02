//! A world that counts what is asked of it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::BoxFuture;
use tsds_traits::{DirEntry, Executor, OpenMode, Vfs, VfsFile, VfsLock, World};

/// How much was asked for so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activity(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    all: AtomicU64,
    syncs: AtomicU64,
}

impl Activity {
    /// Operations on files and directories, and tasks and jobs.
    pub(crate) fn count(&self) -> u64 {
        self.0.all.load(Ordering::SeqCst)
    }

    /// Syncs of files and directories.
    pub(crate) fn syncs(&self) -> u64 {
        self.0.syncs.load(Ordering::SeqCst)
    }

    fn note(&self) {
        self.0.all.fetch_add(1, Ordering::SeqCst);
    }

    fn note_sync(&self) {
        self.note();
        self.0.syncs.fetch_add(1, Ordering::SeqCst);
    }
}

/// The same world, watched: every operation on files and directories and every task counts.
pub(crate) fn watched(world: World) -> (World, Activity) {
    let activity = Activity::default();
    let vfs = Arc::new(WatchedVfs { inner: world.vfs, activity: activity.clone() });
    let executor = Arc::new(WatchedExecutor { inner: world.executor, activity: activity.clone() });
    (World { vfs, executor, ..world }, activity)
}

#[derive(Debug)]
struct WatchedVfs {
    inner: Arc<dyn Vfs>,
    activity: Activity,
}

impl Vfs for WatchedVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        self.activity.note();
        let inner = self.inner.open(path, mode)?;
        Ok(Arc::new(WatchedFile { inner, activity: self.activity.clone() }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.activity.note();
        self.inner.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.activity.note();
        self.inner.remove_file(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.activity.note();
        self.inner.create_dir_all(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.activity.note();
        self.inner.remove_dir(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.activity.note();
        self.inner.read_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.activity.note_sync();
        self.inner.sync_dir(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn VfsLock>> {
        self.activity.note();
        self.inner.lock(path)
    }

    fn available_space(&self, path: &Path) -> io::Result<Option<u64>> {
        self.activity.note();
        self.inner.available_space(path)
    }

    fn network_file_system(&self, path: &Path) -> io::Result<Option<String>> {
        self.activity.note();
        self.inner.network_file_system(path)
    }
}

#[derive(Debug)]
struct WatchedFile {
    inner: Arc<dyn VfsFile>,
    activity: Activity,
}

impl VfsFile for WatchedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.activity.note();
        self.inner.read_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.activity.note();
        self.inner.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.activity.note_sync();
        self.inner.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.activity.note_sync();
        self.inner.sync_all()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.activity.note();
        self.inner.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.activity.note();
        self.inner.len()
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.activity.note();
        self.inner.allocate(len)
    }

    fn drop_cache(&self) -> io::Result<()> {
        self.activity.note();
        self.inner.drop_cache()
    }
}

#[derive(Debug)]
struct WatchedExecutor {
    inner: Arc<dyn Executor>,
    activity: Activity,
}

impl Executor for WatchedExecutor {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.activity.note();
        self.inner.spawn(task);
    }

    fn spawn_blocking(&self, job: Box<dyn FnOnce() + Send + 'static>) {
        self.activity.note();
        self.inner.spawn_blocking(job);
    }

    fn parallelism(&self) -> usize {
        self.inner.parallelism()
    }
}
