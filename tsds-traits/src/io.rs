//! The world as TSDS sees it: files, clock, randomness and threads. `tsds-io` implements all four, really and simulated.

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::BoxFuture;

use crate::{Error, ErrorKind, Result};

/// A file system. Synchronous: call it from [`Executor::spawn_blocking`], never from an async task.
///
/// Durability is the caller's work, as on POSIX: file contents survive a power cut after [`VfsFile::sync_data`] or
/// [`VfsFile::sync_all`], names (created, renamed, removed) after [`Vfs::sync_dir`] of their directory.
pub trait Vfs: Debug + Send + Sync + 'static {
    /// Opens a file.
    ///
    /// # Errors
    ///
    /// `NotFound`, `AlreadyExists` with [`OpenMode::CreateNew`], and whatever the system says.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>>;

    /// Renames a file or directory; an existing file at `to` is replaced atomically.
    ///
    /// # Errors
    ///
    /// As the system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    ///
    /// `NotFound`, and whatever the system says.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Creates a directory and those above it that are missing, and makes the new names durable. Succeeds if it exists.
    ///
    /// # Errors
    ///
    /// As the system's.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty directory.
    ///
    /// # Errors
    ///
    /// As the system's.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;

    /// The entries of a directory, by name.
    ///
    /// # Errors
    ///
    /// `NotFound`, and whatever the system says.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    ///
    /// As the system's. After an error nobody knows which names are durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Takes an exclusive lock on a file, created if absent, until the guard is dropped or the process ends.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if somebody holds it, in this process or another: the caller says whose lock it is.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn VfsLock>>;

    /// How many bytes can still be written under `path`, where known.
    ///
    /// # Errors
    ///
    /// As the system's.
    fn available_space(&self, path: &Path) -> io::Result<Option<u64>>;

    /// The network file system that `path` lies on, or will once it is created, by its name: one where locks and syncs are only as
    /// good as another machine makes them. `None` for any other, and where it is not known.
    ///
    /// # Errors
    ///
    /// As the system's.
    fn network_file_system(&self, path: &Path) -> io::Result<Option<String>>;
}

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// To read what exists.
    Read,
    /// To read and write what exists.
    ReadWrite,
    /// To read and write a file that must not exist yet.
    CreateNew,
    /// To read and write a file, created if absent, contents kept.
    OpenOrCreate,
}

/// An open file. Offsets are absolute; there is no cursor.
pub trait VfsFile: Debug + Send + Sync + 'static {
    /// Reads at most `buffer.len()` bytes; 0 at and beyond the end.
    ///
    /// # Errors
    ///
    /// As the system's.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes`; beyond the end the gap reads as zeros.
    ///
    /// # Errors
    ///
    /// As the system's. Some of the bytes may then be written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes contents, and the length as far as reading them needs it, durable.
    ///
    /// # Errors
    ///
    /// As the system's. After an error nobody knows what is durable, and calling again lies.
    fn sync_data(&self) -> io::Result<()>;

    /// Makes contents and all metadata durable.
    ///
    /// # Errors
    ///
    /// As [`VfsFile::sync_data`].
    fn sync_all(&self) -> io::Result<()>;

    /// Cuts the file, or extends it with zeros.
    ///
    /// # Errors
    ///
    /// As the system's.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// The length in bytes.
    ///
    /// # Errors
    ///
    /// As the system's.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    ///
    /// # Errors
    ///
    /// As the system's.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reserves space up to `len`, so that writing there cannot run out of it, and extends the file with zeros. A file
    /// system that cannot reserve only extends.
    ///
    /// # Errors
    ///
    /// `StorageFull`, and whatever the system says.
    fn allocate(&self, len: u64) -> io::Result<()>;

    /// Drops cached contents, so that the next read comes from the disk. A hint, but the only one that tells the truth
    /// after a failed sync.
    ///
    /// # Errors
    ///
    /// As the system's.
    fn drop_cache(&self) -> io::Result<()>;
}

impl dyn VfsFile {
    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` if the file ends before.
    pub fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read_at(buffer, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    buffer = buffer.get_mut(read..).unwrap_or_default();
                    offset += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Holds a lock until dropped.
pub trait VfsLock: Debug + Send + Sync + 'static {}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// The name, without the directory.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// The length of a file.
    pub len: u64,
}

/// Time. Nothing else in TSDS reads a clock or sleeps.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Time since some fixed moment; never goes back.
    fn monotonic(&self) -> Duration;

    /// Nanoseconds since 1970 UTC, as the machine believes; may jump. Never used for order.
    fn wall_nanos(&self) -> i64;

    /// Completes after `duration` on the monotonic clock.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// Randomness. Nothing else in TSDS draws random numbers.
pub trait Random: Debug + Send + Sync + 'static {
    /// Fills `bytes` with unpredictable ones (in a simulated world: with those of its seed).
    ///
    /// # Errors
    ///
    /// `Unavailable` if the system has none.
    fn fill(&self, bytes: &mut [u8]) -> Result<()>;
}

/// Runs tasks. Nothing else in TSDS spawns threads or tasks.
pub trait Executor: Debug + Send + Sync + 'static {
    /// Starts a task. It ends by itself: there is no handle to cancel it. The real executor polls tasks inside tokio with I/O
    /// and time; streams that are returned to a caller may be polled anywhere, so network I/O belongs in a task.
    fn spawn(&self, task: BoxFuture<'static, ()>);

    /// Runs a job that blocks or computes for long, on a bounded pool. Jobs run even if nobody waits for them.
    fn spawn_blocking(&self, job: Box<dyn FnOnce() + Send + 'static>);

    /// How many jobs can compute at the same time; at least 1.
    fn parallelism(&self) -> usize;

    /// Says that `change` more jobs than before (fewer, if negative) are inside code that does not return. A bounded pool runs
    /// as many others in their place. An executor whose pool is not bounded has nothing to do.
    fn stuck_jobs(&self, change: isize) {
        let _ = change;
    }
}

impl dyn Executor {
    /// Runs `job` on the blocking pool and waits for its result. If the caller stops waiting, the job still runs.
    ///
    /// # Errors
    ///
    /// What the job returns; `Internal` if it panicked; `Closed` if the executor has shut down.
    pub fn blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> BoxFuture<'static, Result<T>> {
        let (sender, receiver) = oneshot::channel();
        self.spawn_blocking(Box::new(move || {
            let outcome =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)).unwrap_or_else(|panic| {
                    Err(Error::internal("a job panicked").with("panic", panic_text(&*panic)))
                });
            // Nobody waits any more: the result is not wanted.
            let _ = sender.send(outcome);
        }));
        Box::pin(async move {
            receiver
                .await
                .unwrap_or_else(|_| Err(Error::new(ErrorKind::Closed, "the executor has shut down")))
        })
    }
}

/// What a panic said.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "unknown".into())
}

/// The four together: everything that TSDS needs of the world around it.
#[derive(Clone, Debug)]
pub struct World {
    /// Files.
    pub vfs: Arc<dyn Vfs>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Tasks.
    pub executor: Arc<dyn Executor>,
}

impl World {
    /// Makes file `path` appear whole or not at all, durable when this returns: writes a temporary file beside it, syncs,
    /// renames, syncs the directory. Blocking.
    ///
    /// # Errors
    ///
    /// As for I/O; the old file, if any, then still stands. `NotDurable` if the last step failed: then the new file stands,
    /// but a crash may bring the old one back. One caller at a time for one path.
    pub fn replace_file(&self, path: &Path, contents: &[u8]) -> Result<()> {
        let missing = || Error::invalid_input("path has no parent directory").with("path", path.display());
        let directory = path.parent().ok_or_else(missing)?;
        let mut temporary = PathBuf::from(path).into_os_string();
        temporary.push(".tmp");
        let temporary = PathBuf::from(temporary);
        let file = self.vfs.open(&temporary, OpenMode::OpenOrCreate)?;
        file.set_len(0)?;
        file.write_all_at(contents, 0)?;
        file.sync_all()?;
        self.vfs.rename(&temporary, path)?;
        self.vfs.sync_dir(directory).map_err(|error| {
            Error::new(ErrorKind::NotDurable, "file was replaced, but a crash may bring the old one back")
                .with("path", path.display())
                .with_source(error)
        })
    }
}
