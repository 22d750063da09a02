//! redb over our own file system, so that the catalog crashes, tears and fills up in a simulated world like all else.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tsds_traits::VfsFile;

/// redb's pages: it sizes its file by whole ones.
const PAGE_BYTES: u64 = 4096;

/// The catalog's file as redb sees it.
#[derive(Debug)]
pub(super) struct VfsBackend {
    file: Arc<dyn VfsFile>,
    /// Set when the first page, which says where all else is, begins to be written.
    header_written: Arc<AtomicBool>,
}

impl VfsBackend {
    pub(super) fn new(file: Arc<dyn VfsFile>, header_written: Arc<AtomicBool>) -> Self {
        Self { file, header_written }
    }
}

impl redb::StorageBackend for VfsBackend {
    /// In whole pages: a power cut while the file grows may leave any length, and nothing that is committed in the last part
    /// of a page. redb takes such a length for damage.
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.len()? / PAGE_BYTES * PAGE_BYTES)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }

    /// Growing reserves the space, so that a full disk shows here, where nothing is lost yet, and not in a sync.
    fn set_len(&self, len: u64) -> io::Result<()> {
        if len > self.file.len()? { self.file.allocate(len) } else { self.file.set_len(len) }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if offset < PAGE_BYTES {
            self.header_written.store(true, Ordering::Release);
        }
        self.file.write_all_at(data, offset)
    }
}
