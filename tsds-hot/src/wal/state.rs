//! What callers and jobs of the log share: the queue, what is durable, what was refused. No I/O happens here.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tsds_traits::{Error, ErrorKind, Result, Sequence, SequenceInterval, WalRecord};

use super::read::LogFile;
use super::write::LiveFile;

/// Refused intervals that are remembered for those who ask late.
const REMEMBERED: usize = 4096;

/// Whether the log takes records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It does.
    Open,
    /// It writes what it has, and takes no more.
    Closing,
    /// Everything is written; nothing runs.
    Closed,
    /// A sync failed.
    Poisoned,
}

/// The shared state, behind a lock that is held for moments only.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) phase: Phase,
    pub(crate) queue: VecDeque<WalRecord>,
    /// Bytes of the queue and of what is being written.
    pub(crate) pending_bytes: u64,
    /// The sequence of the next record.
    pub(crate) next: Sequence,
    /// The last record that was appended, whatever became of it.
    pub(crate) appended: Sequence,
    pub(crate) durable: Sequence,
    /// What durable bytes state as durable.
    pub(crate) marked: Sequence,
    /// Everything up to here is to be made durable at once.
    pub(crate) wanted: Sequence,
    pub(crate) mark_wanted: bool,
    /// Whether a job writes.
    pub(crate) writing: bool,
    /// Whether a job prepares the next file.
    pub(crate) preparing: bool,
    /// Whether the task that waits for a pause runs.
    pub(crate) timer: bool,
    pub(crate) last_write: Duration,
    refused: VecDeque<(SequenceInterval, Error)>,
    /// How often writes were refused.
    pub(crate) refusals: u64,
    poison: Option<Error>,
    /// Set when there was no space for another file.
    pub(crate) no_space: bool,
    /// Bytes that can be written without another file.
    pub(crate) room: u64,
    /// Files with records above the released ones, in order.
    pub(crate) live: Vec<LiveFile>,
    /// The number of the file that is being written.
    pub(crate) active: Option<u64>,
    /// Files that were there at opening, for replay.
    pub(crate) recovered: Vec<Arc<LogFile>>,
    /// Files with nothing that is needed, which could not be removed yet.
    pub(crate) unneeded: Vec<PathBuf>,
    pub(crate) released: Sequence,
}

impl State {
    pub(crate) fn new(durable: Sequence, next: Sequence, released: Sequence) -> Self {
        Self {
            phase: Phase::Open,
            queue: VecDeque::new(),
            pending_bytes: 0,
            next,
            appended: durable,
            durable,
            marked: durable,
            wanted: durable,
            mark_wanted: false,
            writing: false,
            preparing: false,
            timer: false,
            last_write: Duration::ZERO,
            refused: VecDeque::new(),
            refusals: 0,
            poison: None,
            no_space: false,
            room: 0,
            live: Vec::new(),
            active: None,
            recovered: Vec::new(),
            unneeded: Vec::new(),
            released,
        }
    }

    /// Drops what is not written: nobody holds the log any more.
    pub(crate) fn abandon(&mut self) {
        self.phase = Phase::Closed;
        self.queue.clear();
        self.pending_bytes = 0;
    }

    /// Fails unless records are taken.
    pub(crate) fn check_open(&self) -> Result<()> {
        match self.phase {
            Phase::Open => Ok(()),
            Phase::Closing | Phase::Closed => {
                Err(Error::new(ErrorKind::Closed, "the write-ahead log is closed"))
            }
            Phase::Poisoned => Err(self.poisoned()),
        }
    }

    fn poisoned(&self) -> Error {
        let error = Error::new(
            ErrorKind::Closed,
            "the write-ahead log stopped after a failed write; open the database again",
        );
        match &self.poison {
            Some(cause) => error.with("cause", cause),
            None => error,
        }
    }

    /// Fails unless `sequence` is the one that follows.
    pub(crate) fn check_sequence(&self, sequence: Sequence) -> Result<()> {
        if sequence == self.next {
            return Ok(());
        }
        Err(Error::internal("a record of the write-ahead log is out of sequence")
            .with("sequence", sequence)
            .with("expected", self.next))
    }

    /// Queues a record that was checked, and whose frames take `len` bytes.
    pub(crate) fn push(&mut self, record: WalRecord, len: u64) {
        self.pending_bytes += len;
        self.appended = record.sequence;
        self.next = record.sequence.next();
        self.queue.push_back(record);
    }

    /// What a call that waits for `up_to` is told, or `None` to go on waiting. `waited` is whether it waited already.
    pub(crate) fn outcome(&self, up_to: Sequence, waited: bool) -> Option<Result<Sequence>> {
        match self.phase {
            Phase::Poisoned | Phase::Closed if waited && up_to <= self.durable => {
                return Some(Ok(self.durable));
            }
            Phase::Poisoned if waited => return Some(Err(self.not_durable())),
            Phase::Poisoned => return Some(Err(self.poisoned())),
            Phase::Closed => {
                return Some(Err(Error::new(ErrorKind::Closed, "the write-ahead log is closed")));
            }
            Phase::Open | Phase::Closing => {}
        }
        if let Some((_, error)) = self.refused.iter().find(|(interval, _)| interval.contains(up_to)) {
            return Some(Err(error.duplicate()));
        }
        if up_to <= self.durable {
            return Some(Ok(self.durable));
        }
        if up_to > self.appended {
            return Some(Err(Error::invalid_input("sequence was not appended to the write-ahead log")
                .with("sequence", up_to)
                .with("appended", self.appended)));
        }
        // Nothing was appended between what is durable and what is asked for.
        let settled = !self.writing && self.queue.front().is_none_or(|first| first.sequence > up_to);
        settled.then_some(Ok(up_to))
    }

    /// Whether anything waits to be written.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty() && !self.writing
    }

    /// Whether durable bytes do not state all that is durable.
    pub(crate) fn mark_missing(&self) -> bool {
        self.marked < self.durable
    }

    /// Takes back everything that is not durable and tells those who wait for it.
    pub(crate) fn refuse(&mut self, error: &Error) {
        self.queue.clear();
        self.pending_bytes = 0;
        self.wanted = self.durable;
        self.refusals += 1;
        let before = self.refused.back().map_or(Sequence::ZERO, |(interval, _)| interval.upto);
        let interval = SequenceInterval::new(self.durable.max(before), self.appended);
        if !interval.is_empty() {
            self.refused.push_back((interval, error.duplicate()));
            if self.refused.len() > REMEMBERED {
                self.refused.pop_front();
            }
        }
    }

    /// Why writes were refused last.
    pub(crate) fn last_refusal(&self) -> Option<Error> {
        self.refused.back().map(|(_, error)| error.duplicate())
    }

    /// Stops for good. What is not durable may or may not survive.
    pub(crate) fn poison(&mut self, error: Error) {
        self.phase = Phase::Poisoned;
        self.queue.clear();
        self.pending_bytes = 0;
        self.poison.get_or_insert(error);
    }

    fn not_durable(&self) -> Error {
        let error = Error::new(
            ErrorKind::NotDurable,
            "a write to the write-ahead log failed; whether it survives shows when the database is opened again",
        );
        match &self.poison {
            Some(cause) => error.with("cause", cause),
            None => error,
        }
    }
}
