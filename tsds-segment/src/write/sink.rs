//! Appends to a file in large writes.

use std::sync::Arc;

use tsds_traits::{Result, VfsFile};

use super::Written;
use crate::format::{BLOCK_ALIGN, WholeFile};

/// Writes go out once this much has gathered: large enough for the disk, small enough to stay in the cache until it is copied.
const FLUSH_BYTES: usize = 1 << 20;

pub(super) struct FileSink {
    file: Arc<dyn VfsFile>,
    /// What is not written yet; it begins at offset `flushed` of the file.
    buffer: Vec<u8>,
    flushed: u64,
    whole: WholeFile,
}

impl FileSink {
    pub(super) fn new(file: Arc<dyn VfsFile>) -> Self {
        Self { file, buffer: Vec::new(), flushed: 0, whole: WholeFile::new() }
    }

    /// Where the next byte goes.
    pub(super) fn position(&self) -> u64 {
        self.flushed + self.buffer.len() as u64
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.buffer.extend_from_slice(bytes);
        self.flush_if_full()
    }

    /// Fills up to the next place where a block can start.
    pub(super) fn align(&mut self) -> Result<()> {
        let gap = self.position().next_multiple_of(BLOCK_ALIGN) - self.position();
        self.buffer.resize(self.buffer.len() + gap as usize, 0);
        self.flush_if_full()
    }

    /// Lets `append` append to the file, and returns what `then` makes of the appended bytes.
    pub(super) fn append<T>(
        &mut self,
        append: impl FnOnce(&mut Vec<u8>) -> Result<()>,
        then: impl FnOnce(&[u8]) -> Result<T>,
    ) -> Result<T> {
        let start = self.buffer.len();
        append(&mut self.buffer)?;
        let result = then(self.buffer.get(start..).unwrap_or_default())?;
        self.flush_if_full()?;
        Ok(result)
    }

    fn flush_if_full(&mut self) -> Result<()> {
        if self.buffer.len() >= FLUSH_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.file.write_all_at(&self.buffer, self.flushed)?;
        self.whole.update(&self.buffer);
        self.flushed += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Writes what is left and makes the file durable.
    pub(super) fn finish(mut self) -> Result<Written> {
        self.flush()?;
        self.file.sync_all()?;
        Ok(Written { bytes: self.flushed, crc32c: self.whole.finish() })
    }
}
