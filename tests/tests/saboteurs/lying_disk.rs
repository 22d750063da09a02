//! A file system that breaks a promise.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::reference::checksum::sealed;
use tsds_traits::{DirEntry, OpenMode, Vfs, VfsFile, VfsLock, World};

/// What the file system does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Syncs of files do nothing.
    SyncsNothing,
    /// Syncs of directories do nothing.
    SyncsNoDirectory,
    /// A failed sync is tried again, and the second answer is believed.
    RepeatsFailedSyncs,
    /// A full disk looks like any other failure.
    HidesFullDisk,
    /// Every sync is done twenty times.
    SyncsTooOften,
    /// The checksum of a file is always right, whatever was read.
    RepairsChecksums,
}

/// The same world with this disk.
pub fn with(world: World, lie: Lie) -> World {
    World { vfs: Arc::new(LyingVfs { inner: world.vfs, lie }), ..world }
}

#[derive(Debug)]
struct LyingVfs {
    inner: Arc<dyn Vfs>,
    lie: Lie,
}

impl Vfs for LyingVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        Ok(Arc::new(LyingFile { inner: self.inner.open(path, mode)?, lie: self.lie }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_file(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir_all(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_dir(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.inner.read_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        if self.lie == Lie::SyncsNoDirectory { Ok(()) } else { self.inner.sync_dir(path) }
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn VfsLock>> {
        self.inner.lock(path)
    }

    fn available_space(&self, path: &Path) -> io::Result<Option<u64>> {
        self.inner.available_space(path)
    }

    fn network_file_system(&self, path: &Path) -> io::Result<Option<String>> {
        self.inner.network_file_system(path)
    }
}

#[derive(Debug)]
struct LyingFile {
    inner: Arc<dyn VfsFile>,
    lie: Lie,
}

impl LyingFile {
    fn sync(&self, sync: impl Fn() -> io::Result<()>) -> io::Result<()> {
        match self.lie {
            Lie::SyncsNothing => Ok(()),
            Lie::RepeatsFailedSyncs => sync().or_else(|_| sync()),
            Lie::SyncsTooOften => (0..20).try_for_each(|_| sync()),
            _ => sync(),
        }
    }

    fn hide<T>(&self, result: io::Result<T>) -> io::Result<T> {
        match result {
            Err(error) if self.lie == Lie::HidesFullDisk && error.kind() == io::ErrorKind::StorageFull => {
                Err(io::Error::other("something happened"))
            }
            result => result,
        }
    }
}

impl VfsFile for LyingFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = self.inner.read_at(buffer, offset)?;
        // The reference implementations read whole files.
        if self.lie == Lie::RepairsChecksums && offset == 0 && read > 8 {
            let sealed = sealed(buffer[8..read].to_vec());
            buffer[..8].copy_from_slice(&sealed[..8]);
        }
        Ok(read)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.hide(self.inner.write_all_at(bytes, offset))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync(|| self.inner.sync_data())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync(|| self.inner.sync_all())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.hide(self.inner.set_len(len))
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.hide(self.inner.allocate(len))
    }

    fn drop_cache(&self) -> io::Result<()> {
        self.inner.drop_cache()
    }
}
