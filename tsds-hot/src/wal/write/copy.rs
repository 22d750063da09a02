//! A new file made of the records of others, under a name that does not count until it is whole.

use tsds_traits::{DatabaseId, Error, Random, Result, Sequence, WalRecord};

use super::group::{GroupBuffer, Target};
use super::pool::PreparedFile;
use crate::wal::format::{FileHeader, PAGE};

/// Bytes of frames that are written at once.
const COPY_BYTES: usize = 1 << 20;

/// Writes the file. Its header comes last.
#[derive(Debug)]
pub(crate) struct FileCopy<'a> {
    to: &'a PreparedFile,
    header: FileHeader,
    target: Target,
    buffer: GroupBuffer,
    position: u64,
    last: Option<Sequence>,
}

impl<'a> FileCopy<'a> {
    /// Begins a file that follows on `predecessor` (its number and the last sequence before this file).
    pub(crate) fn new(
        to: &'a PreparedFile,
        random: &dyn Random,
        database: DatabaseId,
        predecessor: (u64, Sequence),
        flags: u32,
        frame_bytes: usize,
    ) -> Result<Self> {
        let mut salt = [0; 32];
        random.fill(&mut salt)?;
        let header = FileHeader {
            database,
            number: to.number,
            first: Sequence::ZERO,
            predecessor: predecessor.0,
            predecessor_last: predecessor.1,
            durable: Sequence::ZERO,
            flags,
            salt,
        };
        let target = Target::new(database, to.number, predecessor.1, frame_bytes);
        Ok(Self { to, header, target, buffer: GroupBuffer::default(), position: PAGE as u64, last: None })
    }

    pub(crate) fn database(&self) -> DatabaseId {
        self.header.database
    }

    /// The last record so far.
    pub(crate) fn last(&self) -> Option<Sequence> {
        self.last
    }

    /// Adds a record.
    pub(crate) fn push(&mut self, record: &WalRecord) -> Result<()> {
        if self.last.is_none() {
            self.header.first = record.sequence;
        }
        self.last = Some(record.sequence);
        self.buffer.record(self.target, record);
        if self.buffer.len() >= COPY_BYTES { self.write() } else { Ok(()) }
    }

    /// Marks the file as closed and makes it durable. Returns its header and where its frames end.
    pub(crate) fn finish(mut self) -> Result<(FileHeader, u64)> {
        let last = self.last.ok_or_else(|| Error::internal("a copy of log files has no records"))?;
        self.write()?;
        self.header.durable = last;
        self.target.durable = last;
        self.buffer.mark(self.target, true);
        self.write()?;
        self.to.file.write_all_at(&self.header.encode(), 0)?;
        self.to.file.sync_all()?;
        Ok((self.header, self.position))
    }

    fn write(&mut self) -> Result<()> {
        let bytes = self.buffer.finish(self.target);
        let end = self.position + bytes.len() as u64;
        if end > self.to.len {
            self.to.file.allocate(end)?;
        }
        self.to.file.write_all_at(bytes, self.position)?;
        self.position = end;
        self.buffer.clear();
        Ok(())
    }
}
