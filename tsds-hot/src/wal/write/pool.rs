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

    /// Gives the kept files names under which nobody takes them for a part of the log.
    ///
    /// # Errors
    ///
    /// As for I/O; calling again is safe.
    pub(crate) fn set_spares_aside(&mut self) -> Result<()> {
        self.spares = self.set_aside(&self.spares)?;
        Ok(())
    }

    fn set_aside(&self, paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
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
        if !aside.is_empty() {
            self.vfs.sync_dir(&self.directory)?;
        }
        Ok(aside)
    }

    /// Removes files whose contents nobody needs.
    ///
    /// # Errors
    ///
    /// As for I/O; calling again with the same files is safe.
    pub(crate) fn remove(&self, paths: &[PathBuf]) -> Result<()> {
        let aside = self.set_aside(paths)?;
        if aside.is_empty() {
            return Ok(());
        }
        for old in &aside {
            absent_is_fine(self.vfs.remove_file(old))?;
        }
        self.vfs.sync_dir(&self.directory)?;
        Ok(())
    }

    fn make(&mut self, role: Role) -> Result<PreparedFile> {
        let number = self.next_number;
        self.next_number = number.saturating_add(1);
        let path = FileName { number, role }.within(&self.directory);
        let made = match self.take_spare(&path) {
            Ok(true) => self.claim(&path, OpenMode::ReadWrite),
            Ok(false) => self.claim(&path, OpenMode::CreateNew),
            Err(error) => Err(Unclaimed { error, synced: false }),
        };
        match made {
            Ok(file) => Ok(PreparedFile { number, path, file, len: self.file_bytes }),
            Err(unclaimed) => {
                let error = unclaimed.error.with("file", path.display()).during("prepare log file");
                self.give_up(path, unclaimed.synced);
                Err(error)
            }
        }
    }

    /// Renames a kept file, if there is one.
    fn take_spare(&mut self, path: &Path) -> Result<bool> {
        while let Some(spare) = self.spares.pop() {
            match self.vfs.rename(&spare, path) {
                Ok(()) => return Ok(true),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    self.spares.push(spare);
                    return Err(error.into());
                }
            }
        }
        Ok(false)
    }

    /// Opens a file and makes its name, length and space durable.
    fn claim(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn VfsFile>, Unclaimed> {
        let before = |error: std::io::Error| Unclaimed { error: error.into(), synced: false };
        let file = self.vfs.open(path, mode).map_err(before)?;
        let len = file.len().map_err(before)?;
        if len > self.file_bytes {
            file.set_len(self.file_bytes).map_err(before)?;
        } else if len < self.file_bytes {
            file.allocate(self.file_bytes).map_err(before)?;
        }
        let after = |error: std::io::Error| Unclaimed { error: error.into(), synced: true };
        if len != self.file_bytes {
            file.sync_all().map_err(after)?;
        }
        self.vfs.sync_dir(&self.directory).map_err(after)?;
        Ok(file)
    }

    /// A file whose sync failed is not used under any name again: what is durable of it nobody knows. Any other is
    /// removed, so that what could not be given its space takes none.
    fn give_up(&mut self, path: PathBuf, synced: bool) {
        if synced {
            return;
        }
        if let Err(error) = self.vfs.remove_file(&path) {
            tracing::debug!(file = %path.display(), %error, "cannot remove a file that was not finished");
        }
    }
}

/// Why a file could not be made ready.
struct Unclaimed {
    error: Error,
    /// Whether a sync failed.
    synced: bool,
}

fn absent_is_fine(done: std::io::Result<()>) -> Result<()> {
    match done {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(Error::from),
    }
}
