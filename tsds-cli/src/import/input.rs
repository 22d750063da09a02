//! A file that is imported, whatever it holds, read through the file system of the world.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tsds_traits::{Error, OpenMode, Result, Vfs, VfsFile};

/// One file.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    /// The path, as it was given.
    pub(crate) name: String,
    /// The name without directory and ending.
    pub(crate) stem: String,
    /// How long it is.
    pub(crate) bytes: u64,
    path: PathBuf,
    vfs: Arc<dyn Vfs>,
    /// What all files together have given so far.
    read: Arc<AtomicU64>,
}

impl Input {
    /// Finds a file. What is read of it is added to `read`. Blocking.
    ///
    /// # Errors
    ///
    /// That it cannot be read, by name.
    pub(crate) fn open(vfs: &Arc<dyn Vfs>, path: PathBuf, read: &Arc<AtomicU64>) -> Result<Self> {
        let name = path.display().to_string();
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let file = vfs.open(&path, OpenMode::Read).map_err(|error| unreadable(&name, error))?;
        let bytes = file.len().map_err(|error| unreadable(&name, error))?;
        Ok(Self { name, stem, bytes, path, vfs: Arc::clone(vfs), read: Arc::clone(read) })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Starts to read it. Blocking.
    pub(super) fn bytes(&self) -> Result<InputBytes> {
        let file = self.vfs.open(&self.path, OpenMode::Read).map_err(|error| self.unreadable(error))?;
        let len = file.len().map_err(|error| self.unreadable(error))?;
        Ok(InputBytes { file, len, read: Arc::clone(&self.read) })
    }

    /// What to say when reading fails.
    pub(super) fn unreadable(&self, error: io::Error) -> Error {
        unreadable(&self.name, error)
    }
}

fn unreadable(name: &str, error: io::Error) -> Error {
    let kind = Error::from(io::Error::from(error.kind())).kind();
    Error::new(kind, "cannot read the file").with("file", name).with("cause", error)
}

/// The bytes of an open file.
#[derive(Clone, Debug)]
pub(super) struct InputBytes {
    file: Arc<dyn VfsFile>,
    len: u64,
    read: Arc<AtomicU64>,
}

impl InputBytes {
    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Reads at most `buffer.len()` bytes; 0 at and beyond the end. Blocking.
    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = self.file.read_at(buffer, offset)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }

    /// Fills `buffer`. Blocking.
    pub(super) fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)?;
        self.read.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// `len` as what can be allocated, if the file has so many bytes from `offset`.
    pub(super) fn checked_len(&self, offset: u64, len: u64) -> io::Result<usize> {
        let fits = offset.checked_add(len).is_some_and(|end| end <= self.len);
        usize::try_from(len).ok().filter(|_| fits).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("{len} bytes from byte {offset} on lie beyond the end, byte {}", self.len),
            )
        })
    }
}

/// The bytes of a file from some place on.
#[derive(Debug)]
pub(super) struct InputStream {
    bytes: InputBytes,
    offset: u64,
}

impl InputStream {
    pub(super) fn new(bytes: InputBytes, offset: u64) -> Self {
        Self { bytes, offset }
    }
}

impl io::Read for InputStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}
