//! The job that writes groups. It publishes what it did itself, so that a caller who stops waiting changes nothing.

use std::sync::{Arc, MutexGuard, PoisonError};

use tsds_traits::{Error, ErrorKind, Sequence, WalRecord};

use super::prepare::prepare_ahead;
use super::settings::WalSettings;
use super::shared::Shared;
use super::state::{Phase, State};
use super::write::{Failure, LiveFile, Writer};

/// Says that a job is needed, unless one runs. If this returns true, call [`spawn`] after giving the lock back: an
/// executor may run the job at once.
#[must_use]
pub(crate) fn claim(state: &mut State) -> bool {
    if state.writing || matches!(state.phase, Phase::Closed | Phase::Poisoned) {
        return false;
    }
    state.writing = true;
    true
}

/// Starts the job.
pub(crate) fn spawn(shared: &Arc<Shared>) {
    let job = Job { shared: shared.clone(), finished: false };
    shared.world.executor.spawn_blocking(Box::new(move || job.run()));
}

struct Job {
    shared: Arc<Shared>,
    finished: bool,
}

enum Work {
    Group { records: Vec<WalRecord>, durable: Sequence },
    Mark { durable: Sequence, closed: bool },
    Nothing,
}

impl Job {
    fn run(mut self) {
        let shared = self.shared.clone();
        let mut writer = shared.writer.lock().unwrap_or_else(PoisonError::into_inner);
        while self.step(&mut writer) {}
        self.finished = true;
    }

    fn step(&self, writer: &mut Writer) -> bool {
        let work = self.next_work(writer);
        match work {
            Work::Group { records, durable } => self.write(writer, records, durable),
            Work::Mark { durable, closed } => self.mark(writer, durable, closed),
            Work::Nothing => return false,
        }
        true
    }

    /// Decides what to do, and if that is nothing, ends the job under the same lock.
    fn next_work(&self, writer: &mut Writer) -> Work {
        let mut state = self.shared.lock();
        let closing = state.phase == Phase::Closing;
        let stopped = matches!(state.phase, Phase::Poisoned | Phase::Closed);
        let due = closing
            || state.wanted > state.durable
            || state.pending_bytes >= self.shared.settings.group_bytes;
        if !state.queue.is_empty() && due {
            let records = take_group(&mut state, writer, &self.shared.settings);
            return Work::Group { records, durable: state.durable };
        }
        if closing || (state.mark_wanted && state.mark_missing() && !stopped) {
            state.mark_wanted = false;
            return Work::Mark { durable: state.durable, closed: closing };
        }
        state.writing = false;
        if stopped {
            writer.stop();
        }
        drop(state);
        self.shared.changed.notify_waiters();
        Work::Nothing
    }

    fn write(&self, writer: &mut Writer, records: Vec<WalRecord>, durable: Sequence) {
        let written = writer.write(&records, durable);
        let bytes: u64 = records.iter().map(|record| self.shared.settings.framed_len(record)).sum();
        let last = records.last().map_or(durable, |record| record.sequence);
        // Memory goes back before anybody is told, since those who wait may append at once.
        drop(records);
        let now = self.shared.world.clock.monotonic();
        let mut state = self.shared.lock();
        state.room = writer.room();
        state.active = writer.active();
        state.last_write = now;
        let mut prepare = false;
        match written {
            Ok((live, is_new)) => {
                state.pending_bytes = state.pending_bytes.saturating_sub(bytes);
                state.durable = last;
                state.marked = state.marked.max(durable);
                note_file(&mut state, live);
                prepare = is_new;
            }
            Err(failure) => self.failed(&mut state, failure),
        }
        drop(state);
        self.shared.changed.notify_waiters();
        if prepare {
            prepare_ahead(&self.shared);
        }
    }

    fn mark(&self, writer: &mut Writer, durable: Sequence, closed: bool) {
        let marked = writer.mark(durable, closed);
        let now = self.shared.world.clock.monotonic();
        let mut state = self.shared.lock();
        state.room = writer.room();
        state.active = writer.active();
        state.last_write = now;
        match marked {
            // Without a file to state it in, the catalog or the next file has to.
            Ok(_) => state.marked = state.marked.max(durable),
            // The mark is no record: nothing was refused, and the next group goes to another file.
            Err(Failure::Refused(error)) => {
                tracing::debug!(%error, "no space for a mark in the write-ahead log");
                state.marked = state.marked.max(durable);
            }
            Err(failure) => self.failed(&mut state, failure),
        }
        if closed && state.phase == Phase::Closing {
            state.phase = Phase::Closed;
        }
        drop(state);
        self.shared.changed.notify_waiters();
    }

    fn failed(&self, state: &mut MutexGuard<'_, State>, failure: Failure) {
        match failure {
            Failure::Refused(error) => {
                state.no_space = error.kind() == ErrorKind::NoSpace;
                tracing::warn!(%error, after = %state.durable, "the write-ahead log refused writes");
                state.refuse(&error);
            }
            Failure::Broken(error) => {
                tracing::error!(%error, after = %state.durable, "the write-ahead log stopped after a failed write");
                state.poison(error);
            }
        }
    }
}

impl Drop for Job {
    /// A job that panicked, or that the executor never ran, must not leave anybody waiting.
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let mut state = self.shared.lock();
        state.writing = false;
        state.poison(Error::new(ErrorKind::Closed, "the job that writes the log did not finish"));
        drop(state);
        self.shared.changed.notify_waiters();
    }
}

/// Takes what goes to one file with one sync; at least one record.
fn take_group(state: &mut State, writer: &Writer, settings: &WalSettings) -> Vec<WalRecord> {
    let mut records: Vec<WalRecord> = Vec::new();
    let (mut room, mut total) = (0, 0);
    while let Some(front) = state.queue.front() {
        let (sequence, len) = (front.sequence, settings.framed_len(front));
        match records.last() {
            None => room = writer.room_for(sequence, len),
            Some(before) => {
                if before.sequence.next() != sequence || total + len > room || total >= settings.group_bytes {
                    break;
                }
            }
        }
        total += len;
        records.extend(state.queue.pop_front());
    }
    records
}

fn note_file(state: &mut State, live: LiveFile) {
    match state.live.last_mut().filter(|last| last.number == live.number) {
        Some(last) => *last = live,
        None => state.live.push(live),
    }
}
