//! Files that are ready to be written: allocated, named and durable before they are needed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tsds_traits::{Error, OpenMode, Result, Vfs, VfsFile};

use crate::wal::format::{FileName, Role};

/// Numbers files and keeps those that can be written (again).
#[derive(Debug)]
pub(crate) struct FilePool {
    vfs: Arc<dyn Vfs>,
    directory: PathBuf,
    file_bytes: u64,
    next_number: u64,
    prepared: Option<PreparedFile>,
    spares: Vec<PathBuf>,
}

/// A file that has its name and its space, and nothing valid in it.
#[derive(Debug)]
pub(crate) struct PreparedFile {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn VfsFile>,
    pub(crate) len: u64,
}

impl FilePool {
    pub(crate) fn new(vfs: Arc<dyn Vfs>, directory: PathBuf, file_bytes: u64, next_number: u64) -> Self {
        Self { vfs, directory, file_bytes, next_number, prepared: None, spares: Vec::new() }
    }

    /// Gets the next file ready, if none is.
    ///
    /// # Errors
    ///
    /// `NoSpace`, and as for I/O. Nothing is lost then, and calling again is safe.
    pub(crate) fn prepare(&mut self) -> Result<()> {
        if self.prepared.is_none() {
            self.prepared = Some(self.make(Role::Log)?);
        }
        Ok(())
    }

    /// A file that is ready, whether it was prepared ahead or not.
    ///
    /// # Errors
    ///
    /// As [`FilePool::prepare`].
    pub(crate) fn take(&mut self) -> Result<PreparedFile> {
        match self.prepared.take() {
            Some(file) => Ok(file),
            None => self.make(Role::Log),
        }
    }

    /// A file for a copy that gets its final name when it is whole.
    ///
    /// # Errors
    ///
    /// As [`FilePool::prepare`].
    pub(crate) fn take_unfinished(&mut self) -> Result<PreparedFile> {
        self.make(Role::Unfinished)
    }

    /// Gives an unfinished copy its final name. Durable when this returns.
    ///
    /// # Errors
    ///
    /// As for I/O.
    pub(crate) fn publish(&self, copy: &PreparedFile) -> Result<PathBuf> {
        let path = FileName::log(copy.number).within(&self.directory);
        self.vfs.rename(&copy.path, &path)?;
        self.vfs.sync_dir(&self.directory)?;
        Ok(path)
    }

    /// Whether a file is ready.
    pub(crate) fn is_ready(&self) -> bool {
        self.prepared.is_some()
    }

    /// Files that are kept to be written again.
    pub(crate) fn spares(&self) -> usize {
        self.spares.len()
    }

    /// Keeps a file whose contents nobody needs, to be written again.
    pub(crate) fn recycle(&mut self, path: PathBuf) {
        self.spares.push(path);
    }

    /// Takes out the kept files beyond `most`.
    pub(crate) fn surplus(&mut self, most: usize) -> Vec<PathBuf> {
        let kept = self.spares.len().min(most);
        self.spares.split_off(kept)
    }

    /// Removes files whose contents nobody needs.
    ///
    /// # Errors
    ///
    /// As for I/O; calling again with the same files is safe.
    pub(crate) fn remove(&self, paths: &[PathBuf]) -> Result<()> {
        let mut aside = Vec::with_capacity(paths.len());
        for path in paths {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let Some(name) = FileName::parse(&name) else { continue };
            let old = FileName { role: Role::Removed, ..name }.within(&self.directory);
            if name.role != Role::Removed {
                absent_is_fine(self.vfs.rename(path, &old))?;
            }
            aside.push(old);
        }
        if aside.is_empty() {
            return Ok(());
        }
        self.vfs.sync_dir(&self.directory)?;
        for old in &aside {
            absent_is_fine(self.vfs.remove_file(old))?;
        }
        self.vfs.sync_dir(&self.directory)?;
        Ok(())
    }

    fn make(&mut self, role: Role) -> Result<PreparedFile> {
        let number = self.next_number;
        let path = FileName { number, role }.within(&self.directory);
        let made = match self.spares.pop() {
            Some(spare) => self.rename_spare(&spare, &path),
            None => self.create(&path),
        };
        let (file, len) =
            made.map_err(|error| error.with("file", path.display()).during("prepare log file"))?;
        // Only now: a number whose file could not be made is tried again.
        self.next_number = number.saturating_add(1);
        Ok(PreparedFile { number, path, file, len })
    }

    fn rename_spare(&mut self, spare: &Path, path: &Path) -> Result<(Arc<dyn VfsFile>, u64)> {
        let renamed = self.vfs.rename(spare, path);
        if renamed.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
            return self.create(path);
        }
        renamed?;
        let made = self.claim(path, OpenMode::ReadWrite);
        if made.is_err() {
            self.spares.push(path.to_path_buf());
        }
        made
    }

    fn create(&mut self, path: &Path) -> Result<(Arc<dyn VfsFile>, u64)> {
        let made = self.claim(path, OpenMode::OpenOrCreate);
        if made.is_err() {
            // A file that could not be given its space must not take any. Left behind, it does no harm.
            if let Err(error) = self.vfs.remove_file(path) {
                tracing::debug!(file = %path.display(), %error, "cannot remove a file that was not finished");
            }
        }
        made
    }

    /// Opens a file and makes its name, length and space durable.
    fn claim(&self, path: &Path, mode: OpenMode) -> Result<(Arc<dyn VfsFile>, u64)> {
        let file = self.vfs.open(path, mode)?;
        let len = file.len()?;
        if len > self.file_bytes {
            file.set_len(self.file_bytes)?;
        } else if len < self.file_bytes {
            file.allocate(self.file_bytes)?;
        }
        if len != self.file_bytes {
            file.sync_all()?;
        }
        self.vfs.sync_dir(&self.directory)?;
        Ok((file, self.file_bytes))
    }
}

fn absent_is_fine(done: std::io::Result<()>) -> Result<()> {
    match done {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(Error::from),
    }
}
