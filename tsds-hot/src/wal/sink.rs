//! [`ArrowWal`]: the log as the engine uses it.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use tsds_traits::{
    Durability, Error, ErrorKind, Result, Sequence, WalOpen, WalRecord, WalSink, WalUsage, World,
};

use super::open::open_blocking;
use super::prepare::prepare;
use super::settings::{WalSettings, payload_len};
use super::shared::Shared;
use super::state::Phase;
use super::{NAME, flush, pause, release, replay};

/// The write-ahead log `tsds.wal.arrow`: framed, checksummed records in preallocated files, synced in groups.
#[derive(Debug)]
pub struct ArrowWal {
    shared: Arc<Shared>,
    torn_bytes: u64,
}

impl ArrowWal {
    /// Opens the log in `directory`, which is created if it is missing.
    ///
    /// What an unclean stop left behind is repaired first: a torn tail is cut, with one line in the log and in
    /// [`WalUsage::torn_bytes`], and the records of the last file are copied to a new one, since nobody knows which of
    /// them are durable.
    ///
    /// # Errors
    ///
    /// `Corrupt`, naming file, offset and sequences, if records that were durable are missing or damaged; `Unsupported`
    /// for a later format; `ConfigInvalid` for a setting out of range; as for I/O.
    pub async fn open(
        settings: WalSettings,
        world: World,
        directory: PathBuf,
        open: WalOpen,
    ) -> Result<Arc<Self>> {
        let settings = settings.checked()?;
        let executor = world.executor.clone();
        let job = move || open_blocking(settings, world, directory, open);
        let opened = (*executor).blocking(job).await;
        let (shared, torn_bytes) =
            opened.map_err(|error| error.in_plugin(NAME).during("open write-ahead log"))?;
        Ok(Arc::new(Self { shared: Arc::new(shared), torn_bytes }))
    }

    fn check_record(&self, record: &WalRecord) -> Result<()> {
        let (len, most) = (payload_len(record), self.shared.settings.max_record_bytes);
        let most_frames = u64::from(u16::MAX) * self.shared.settings.frame_bytes as u64;
        if len > most.min(most_frames) {
            return Err(Error::invalid_input(
                "record is too large for the write-ahead log; ingest smaller batches",
            )
            .with("bytes", len)
            .with("max_record_bytes", most));
        }
        Ok(())
    }

    /// With a full disk: looks for space unless the record fits where there is some.
    async fn find_space(&self, len: u64) -> Result<()> {
        let needed = {
            let state = self.shared.lock();
            state.no_space && state.pending_bytes + len > state.room
        };
        if needed {
            let shared = self.shared.clone();
            (*self.shared.world.executor).blocking(move || prepare(&shared)).await?;
        }
        Ok(())
    }

    async fn flushed(&self, up_to: Sequence) -> Result<Sequence> {
        let shared = &self.shared;
        let mut waited = false;
        let mut changed = pin!(shared.changed.notified());
        loop {
            // Listening begins before looking, so that no change is missed in between.
            changed.as_mut().enable();
            let start = {
                let mut state = shared.lock();
                if let Some(outcome) = state.outcome(up_to, waited) {
                    return outcome;
                }
                state.wanted = state.wanted.max(up_to);
                flush::claim(&mut state)
            };
            if start {
                flush::spawn(shared);
            }
            waited = true;
            changed.as_mut().await;
            changed.set(shared.changed.notified());
        }
    }

    async fn closed(&self) -> Result<()> {
        let shared = &self.shared;
        let mut changed = pin!(shared.changed.notified());
        let refusals_before = shared.lock().refusals;
        loop {
            changed.as_mut().enable();
            let start = {
                let mut state = shared.lock();
                if state.phase == Phase::Open {
                    state.phase = Phase::Closing;
                }
                match state.phase {
                    Phase::Closed if !state.preparing => {
                        let refused = state.refusals > refusals_before;
                        return state.last_refusal().filter(|_| refused).map_or(Ok(()), Err);
                    }
                    Phase::Poisoned => return state.check_open(),
                    Phase::Open | Phase::Closing | Phase::Closed => flush::claim(&mut state),
                }
            };
            shared.closing.notify_waiters();
            if start {
                flush::spawn(shared);
            }
            changed.as_mut().await;
            changed.set(shared.changed.notified());
        }
    }
}

impl Drop for ArrowWal {
    /// Without a close, what was not synced is dropped, and nothing more is begun: whoever opens the log next must not meet
    /// this one.
    fn drop(&mut self) {
        self.shared.lock().abandon();
        self.shared.closing.notify_waiters();
    }
}

#[async_trait]
impl WalSink for ArrowWal {
    fn name(&self) -> &'static str {
        NAME
    }

    fn durability(&self) -> Durability {
        Durability::Power
    }

    async fn append(&self, record: WalRecord) -> Result<()> {
        let appended = self.append_checked(record).await;
        appended.map_err(|error| error.in_plugin(NAME).during("append"))
    }

    async fn sync(&self, up_to: Sequence) -> Result<Sequence> {
        self.flushed(up_to).await.map_err(|error| error.in_plugin(NAME).during("sync"))
    }

    fn durable(&self) -> Sequence {
        self.shared.lock().durable
    }

    fn replay(&self, after: Sequence) -> BoxStream<'static, Result<WalRecord>> {
        replay::replay(self.shared.world.clone(), self.shared.lock().recovered.clone(), after)
    }

    async fn release(&self, up_to: Sequence) -> Result<()> {
        let shared = self.shared.clone();
        let released = (*self.shared.world.executor).blocking(move || release::release(&shared, up_to)).await;
        released.map_err(|error| error.in_plugin(NAME).during("release"))
    }

    fn usage(&self) -> WalUsage {
        let state = self.shared.lock();
        WalUsage {
            bytes: state.live.iter().map(|file| file.record_bytes).sum::<u64>() + state.pending_bytes,
            files: state.live.len() as u64,
            torn_bytes: self.torn_bytes,
        }
    }

    async fn close(&self) -> Result<()> {
        self.closed().await.map_err(|error| error.in_plugin(NAME).during("close"))
    }
}

impl ArrowWal {
    async fn append_checked(&self, record: WalRecord) -> Result<()> {
        self.check_record(&record)?;
        let len = self.shared.settings.framed_len(&record);
        {
            let state = self.shared.lock();
            state.check_open()?;
            state.check_sequence(record.sequence)?;
        }
        self.find_space(len).await?;
        let mut state = self.shared.lock();
        // Others may have come first while this call looked for space.
        state.check_open()?;
        state.check_sequence(record.sequence)?;
        let full =
            state.pending_bytes > 0 && state.pending_bytes + len > self.shared.settings.max_pending_bytes;
        if !full {
            state.push(record, len);
        }
        let flush = full || state.pending_bytes >= self.shared.settings.group_bytes;
        if full {
            state.wanted = state.appended;
        }
        let start_flush = flush && flush::claim(&mut state);
        let start_pause = pause::claim(&mut state);
        let pending = state.pending_bytes;
        drop(state);
        if start_flush {
            flush::spawn(&self.shared);
        }
        if start_pause {
            pause::spawn(&self.shared);
        }
        if full {
            return Err(Error::new(
                ErrorKind::Exhausted,
                "too much waits to be written to the write-ahead log",
            )
            .with("pending_bytes", pending)
            .with("max_pending_bytes", self.shared.settings.max_pending_bytes));
        }
        Ok(())
    }
}
