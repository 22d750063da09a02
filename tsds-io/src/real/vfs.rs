//! The file system of this machine as a [`Vfs`].
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "implements what the rest of TSDS must use instead"
)]

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::Path;
use std::sync::Arc;

use tsds_traits::{DirEntry, OpenMode, Vfs, VfsFile, VfsLock};

use super::platform;

/// The file system of this machine. Files are created readable and writable for their owner only, directories likewise. A
/// symbolic link in place of a file is refused with `InvalidInput`; links among the directories above it are followed.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealVfs(());

impl RealVfs {
    /// The whole file system, as this process may use it.
    pub fn new() -> Self {
        Self(())
    }
}

fn open_file(path: &Path, mode: OpenMode) -> io::Result<File> {
    let mut options = OpenOptions::new();
    match mode {
        OpenMode::Read => options.read(true),
        OpenMode::ReadWrite => options.read(true).write(true),
        OpenMode::CreateNew => options.read(true).write(true).create_new(true),
        OpenMode::OpenOrCreate => options.read(true).write(true).create(true).truncate(false),
    };
    platform::guard(&mut options);
    let file = options.open(path).map_err(platform::explain)?;
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !kind.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok(file)
}

impl Vfs for RealVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        Ok(Arc::new(RealFile(open_file(path, mode)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut missing = Vec::new();
        let mut existing = path;
        while !existing.as_os_str().is_empty() && !existing.try_exists()? {
            missing.push(existing);
            existing = parent(existing);
        }
        sync_name_of(existing)?;
        for directory in missing.into_iter().rev() {
            match std::fs::DirBuilder::new().mode(0o700).create(directory) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                result => result?,
            }
            platform::sync_dir(parent(directory))?;
        }
        if path.as_os_str().is_empty() || path.is_dir() {
            Ok(())
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_dir(path)
    }

    /// Names that are not UTF-8 are not ours, and left out.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            match entry.metadata() {
                Ok(metadata) => {
                    let is_dir = metadata.is_dir();
                    entries.push(DirEntry { name, is_dir, len: if is_dir { 0 } else { metadata.len() } });
                }
                // Removed meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        entries.sort();
        Ok(entries)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        platform::sync_dir(if path.as_os_str().is_empty() { Path::new(".") } else { path })
    }

    /// The file then holds the id of the process, for people to read. On a read-only file system an existing file is
    /// locked as it is.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn VfsLock>> {
        let (file, writable) = match open_file(path, OpenMode::OpenOrCreate) {
            Err(error) if is_read_only(&error) => {
                (open_file(path, OpenMode::Read).map_err(|_| error)?, false)
            }
            opened => (opened?, true),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        if writable {
            file.set_len(0)?;
            file.write_all_at(format!("{}\n", std::process::id()).as_bytes(), 0)?;
        }
        Ok(Box::new(RealLock { _file: file }))
    }

    fn available_space(&self, path: &Path) -> io::Result<Option<u64>> {
        platform::available_space(path)
    }

    fn network_file_system(&self, path: &Path) -> io::Result<Option<String>> {
        platform::network_file_system(path)
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

/// Makes the name of a directory that exists durable: whoever created it may have died before. Where we may not read the
/// directory above or the file system is read-only, it was not us.
fn sync_name_of(directory: &Path) -> io::Result<()> {
    if directory.as_os_str().is_empty() {
        return Ok(());
    }
    match platform::sync_dir(parent(directory)) {
        Err(error) if is_read_only(&error) => Ok(()),
        result => result,
    }
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
}

#[derive(Debug)]
struct RealFile(File);

impl VfsFile for RealFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        platform::allocate(&self.0, len)
    }

    fn drop_cache(&self) -> io::Result<()> {
        platform::drop_cache(&self.0)
    }
}

/// The lock lives as long as the open file does.
#[derive(Debug)]
struct RealLock {
    _file: File,
}

impl VfsLock for RealLock {}
