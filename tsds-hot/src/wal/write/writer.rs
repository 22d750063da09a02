//! The file that is being written, and what follows it.
//!
//! A group goes to one file in one write and one sync. What fails decides what is promised:
//!
//! - A sync, or a write for another reason than space: nobody knows what is on the disk. [`Failure::Broken`]; nothing is
//!   written or synced again.
//! - A write for want of space: the file is cut where the group began, the cut is synced, and the file is never written
//!   again. Only then is the group refused, so that nothing of it can be there after a crash. [`Failure::Refused`].
//! - Anything before the write: nothing happened. [`Failure::Refused`].

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tsds_traits::{DatabaseId, Error, ErrorKind, Random, Result, Sequence, VfsFile, WalRecord};

use super::group::{GroupBuffer, Target};
use super::pool::FilePool;
use crate::wal::WalSettings;
use crate::wal::format::{FileHeader, PAGE, round_up};

/// Pages at the end of a file that are kept for marks: one when writing pauses, one at close.
const MARK_PAGES: u64 = 2 * PAGE as u64;

/// Why a group was not written.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing of the group is, or will be, there.
    Refused(Error),
    /// It may or may not be there after a restart.
    Broken(Error),
}

/// A file with records that were not released.
#[derive(Clone, Debug)]
pub(crate) struct LiveFile {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    pub(crate) last: Sequence,
    pub(crate) record_bytes: u64,
}

/// Writes groups. Used by one job at a time.
#[derive(Debug)]
pub(crate) struct Writer {
    database: DatabaseId,
    random: Arc<dyn Random>,
    pool: Arc<Mutex<FilePool>>,
    settings: WalSettings,
    active: Option<Active>,
    /// The file that the next new one follows, and the last record before it.
    tail: (u64, Sequence),
    buffer: GroupBuffer,
}

#[derive(Debug)]
struct Active {
    live: LiveFile,
    file: Arc<dyn VfsFile>,
    capacity: u64,
    position: u64,
}

impl Active {
    fn room(&self) -> u64 {
        self.capacity.saturating_sub(MARK_PAGES).saturating_sub(self.position)
    }
}

impl Writer {
    pub(crate) fn new(
        database: DatabaseId,
        random: Arc<dyn Random>,
        pool: Arc<Mutex<FilePool>>,
        settings: &WalSettings,
        tail: (u64, Sequence),
    ) -> Self {
        Self {
            database,
            random,
            pool,
            settings: settings.clone(),
            active: None,
            tail,
            buffer: GroupBuffer::default(),
        }
    }

    /// Bytes of frames that may be written in one group that begins with `sequence`: what is left in the file, or what a
    /// new file has if `first_len` does not fit or does not follow on.
    pub(crate) fn room_for(&self, sequence: Sequence, first_len: u64) -> u64 {
        match self.current(sequence, first_len) {
            Some(active) => active.room(),
            None => self.settings.file_bytes.saturating_sub(MARK_PAGES + PAGE as u64),
        }
    }

    /// Bytes of frames that can be written without another file.
    pub(crate) fn room(&self) -> u64 {
        self.active.as_ref().map_or(0, Active::room)
    }

    /// The number of the file that is being written.
    pub(crate) fn active(&self) -> Option<u64> {
        self.active.as_ref().map(|active| active.live.number)
    }

    fn current(&self, sequence: Sequence, frames_len: u64) -> Option<&Active> {
        self.active
            .as_ref()
            .filter(|active| sequence == active.live.last.next() && frames_len <= active.room())
    }

    /// Writes records and makes them durable. `durable` is what was durable before.
    ///
    /// Returns the file, and whether it is a new one.
    pub(crate) fn write(
        &mut self,
        records: &[WalRecord],
        durable: Sequence,
    ) -> Result<(LiveFile, bool), Failure> {
        let (Some(first), Some(last)) = (records.first(), records.last()) else {
            return Err(Failure::Refused(Error::internal("a group of the write-ahead log has no records")));
        };
        let frames_len = records.iter().map(|record| self.settings.framed_len(record)).sum();
        let is_new = self.current(first.sequence, frames_len).is_none();
        self.buffer.clear();
        if is_new {
            self.rotate(first.sequence, frames_len, durable).map_err(Failure::Refused)?;
        }
        let Some(active) = &mut self.active else {
            return Err(Failure::Refused(Error::internal("the write-ahead log has no file")));
        };
        let target = Target::new(self.database, active.live.number, durable, self.settings.frame_bytes);
        for record in records {
            self.buffer.record(target, record);
        }
        let written = active.write(self.buffer.finish(target));
        match written {
            Ok(()) => {
                active.live.last = last.sequence;
                self.tail = (active.live.number, last.sequence);
                Ok((active.live.clone(), is_new))
            }
            Err(failure) => {
                if let Some(left) = self.active.take().filter(|_| matches!(failure, Failure::Refused(_)))
                    && left.position == 0
                {
                    lock(&self.pool).recycle(left.live.path);
                }
                Err(failure)
            }
        }
    }

    /// States durably that everything up to `durable` is durable. False if there is no file to state it in.
    pub(crate) fn mark(&mut self, durable: Sequence, closed: bool) -> Result<bool, Failure> {
        let Some(active) = self
            .active
            .as_mut()
            .filter(|active| active.live.last == durable && active.position + PAGE as u64 <= active.capacity)
        else {
            return Ok(false);
        };
        let target = Target::new(self.database, active.live.number, durable, self.settings.frame_bytes);
        self.buffer.clear();
        self.buffer.mark(target, closed);
        let written = active.write(self.buffer.finish(target));
        if written.is_err() || closed {
            self.active = None;
        }
        written.map(|()| true)
    }

    /// Forgets the file, which is then never written again.
    pub(crate) fn stop(&mut self) {
        self.active = None;
    }

    fn rotate(&mut self, first: Sequence, frames_len: u64, durable: Sequence) -> Result<()> {
        self.active = None;
        let mut salt = [0; 32];
        self.random.fill(&mut salt)?;
        let mut pool = lock(&self.pool);
        let prepared = pool.take()?;
        let needed = round_up(frames_len, PAGE) + PAGE as u64 + MARK_PAGES;
        if needed > prepared.len
            && let Err(error) = prepared.file.allocate(needed)
        {
            pool.recycle(prepared.path);
            return Err(Error::from(error).during("prepare log file for a large record"));
        }
        let header = FileHeader {
            database: self.database,
            number: prepared.number,
            first,
            predecessor: self.tail.0,
            predecessor_last: self.tail.1,
            durable,
            flags: 0,
            salt,
        };
        self.buffer.header(&header);
        self.active = Some(Active {
            live: LiveFile {
                number: prepared.number,
                path: prepared.path,
                last: self.tail.1,
                record_bytes: 0,
            },
            file: prepared.file,
            capacity: needed.max(prepared.len),
            position: 0,
        });
        Ok(())
    }
}

impl Active {
    /// Writes a group at the position and syncs it.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if let Err(error) = self.file.write_all_at(bytes, self.position) {
            let error = Error::from(error).with("file", self.live.path.display()).during("write");
            return Err(match error.kind() {
                ErrorKind::NoSpace => self.cut(error),
                _ => Failure::Broken(error),
            });
        }
        if let Err(error) = self.file.sync_data() {
            return Err(Failure::Broken(
                Error::from(error).with("file", self.live.path.display()).during("sync"),
            ));
        }
        self.position += bytes.len() as u64;
        self.live.record_bytes = self.position.saturating_sub(PAGE as u64);
        Ok(())
    }

    fn cut(&self, cause: Error) -> Failure {
        let cut = self.file.set_len(self.position).and_then(|()| self.file.sync_all());
        match cut {
            Ok(()) => Failure::Refused(cause),
            Err(error) => Failure::Broken(
                Error::from(error).with("file", self.live.path.display()).during("cut after a full disk"),
            ),
        }
    }
}

fn lock(pool: &Mutex<FilePool>) -> std::sync::MutexGuard<'_, FilePool> {
    pool.lock().unwrap_or_else(PoisonError::into_inner)
}
