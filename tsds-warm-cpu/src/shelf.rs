//! What is pinned, and how much memory it takes.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;
use tsds_traits::{Error, ErrorKind, Result, SegmentId, Stored, StoredSegment, TierUsage};

use crate::segment::MemorySegment;
use crate::stop;

/// The pinned segments.
#[derive(Debug)]
pub(crate) struct Shelf {
    state: Mutex<State>,
    budget: Arc<Budget>,
    closed: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct State {
    pinned: BTreeMap<SegmentId, Arc<MemorySegment>>,
    /// Puts that are on their way; the sender of each channel is dropped when its put ends, however it ends.
    putting: HashMap<SegmentId, watch::Receiver<()>>,
}

/// How a put begins.
pub(crate) enum Begin {
    /// The segment is there.
    Present(Stored),
    /// Somebody else is putting it: wait until the channel closes, then begin again.
    Wait(watch::Receiver<()>),
    /// This put is the one.
    Mine(Putting),
}

impl Shelf {
    pub(crate) fn new(limit: Option<u64>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            budget: Arc::new(Budget { limit, held: AtomicU64::new(0) }),
            closed: Arc::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one call on a map: a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Errors
    ///
    /// `Closed`.
    pub(crate) fn open_state(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(stop::closed()) } else { Ok(()) }
    }

    pub(crate) fn closed_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.closed)
    }

    /// Begins a put.
    ///
    /// # Errors
    ///
    /// `Closed`.
    pub(crate) fn begin(self: &Arc<Self>, id: SegmentId) -> Result<Begin> {
        let mut state = self.state();
        self.open_state()?;
        if let Some(segment) = state.pinned.get(&id) {
            return Ok(Begin::Present(stored(segment)));
        }
        if let Some(other) = state.putting.get(&id) {
            return Ok(Begin::Wait(other.clone()));
        }
        let (done, waiting) = watch::channel(());
        state.putting.insert(id, waiting);
        let charge = Charge { budget: Arc::clone(&self.budget), bytes: 0 };
        Ok(Begin::Mine(Putting { shelf: Arc::clone(self), id, charge: Some(charge), _done: done }))
    }

    /// The pinned segment with this id.
    pub(crate) fn get(&self, id: SegmentId) -> Option<Arc<MemorySegment>> {
        self.state().pinned.get(&id).cloned()
    }

    pub(crate) fn remove(&self, ids: impl Iterator<Item = SegmentId>) {
        let mut state = self.state();
        let removed: Vec<_> = ids.filter_map(|id| state.pinned.remove(&id)).collect();
        drop(state);
        // Memory is given back outside of the lock.
        drop(removed);
    }

    pub(crate) fn list(&self) -> Vec<StoredSegment> {
        self.state().pinned.keys().map(|id| StoredSegment { id: *id, record: Bytes::new() }).collect()
    }

    pub(crate) fn usage(&self) -> TierUsage {
        let state = self.state();
        let mut usage = TierUsage { limit_bytes: self.budget.limit, ..TierUsage::default() };
        for segment in state.pinned.values() {
            usage.segments += 1;
            usage.rows += segment.meta().rows;
            usage.bytes += segment.bytes();
        }
        usage
    }

    /// Lets go of everything; nothing comes after.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let pinned = std::mem::take(&mut self.state().pinned);
        drop(pinned);
    }
}

fn stored(segment: &MemorySegment) -> Stored {
    Stored { bytes: segment.bytes(), record: Bytes::new() }
}

/// A put on its way. Dropped without [`Putting::finish`], it leaves nothing behind.
pub(crate) struct Putting {
    shelf: Arc<Shelf>,
    id: SegmentId,
    charge: Option<Charge>,
    _done: watch::Sender<()>,
}

impl Putting {
    /// Sets aside `bytes` in all, or more if that was asked for before.
    ///
    /// # Errors
    ///
    /// `NoSpace` beyond the limit.
    pub(crate) fn at_least(&mut self, bytes: u64) -> Result<()> {
        match &mut self.charge {
            Some(charge) if bytes > charge.bytes => charge.set(bytes),
            _ => Ok(()),
        }
    }

    /// Shows the segment, which takes exactly [`MemorySegment::bytes`].
    ///
    /// # Errors
    ///
    /// `NoSpace` if that is beyond the limit; `Closed`.
    pub(crate) fn finish(mut self, mut segment: MemorySegment) -> Result<Stored> {
        let Some(mut charge) = self.charge.take() else {
            return Err(Error::internal("a put ended twice").with("segment", self.id));
        };
        charge.set(segment.bytes())?;
        segment.hold(charge);
        let answer = stored(&segment);
        let mut state = self.shelf.state();
        self.shelf.open_state()?;
        state.pinned.insert(self.id, Arc::new(segment));
        Ok(answer)
    }
}

impl Drop for Putting {
    fn drop(&mut self) {
        self.shelf.state().putting.remove(&self.id);
    }
}

#[derive(Debug)]
struct Budget {
    limit: Option<u64>,
    /// What segments take, from the moment when their put sets it aside until the last reader lets go of them.
    held: AtomicU64,
}

/// Memory that counts against the limit until dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Charge {
    fn grow(&mut self, more: u64) -> Result<()> {
        let budget = &self.budget;
        let fits =
            |held: u64| held.checked_add(more).filter(|sum| budget.limit.is_none_or(|limit| *sum <= limit));
        match budget.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits) {
            Ok(_) => {
                self.bytes += more;
                Ok(())
            }
            Err(held) => Err(Error::new(
                ErrorKind::NoSpace,
                "no memory left for another pinned segment; evict some, or raise max_memory_mb",
            )
            .with("held_bytes", held)
            .with("needed_bytes", more)
            .with("limit_bytes", budget.limit.unwrap_or(u64::MAX))),
        }
    }

    fn set(&mut self, bytes: u64) -> Result<()> {
        match bytes.checked_sub(self.bytes) {
            Some(more) => self.grow(more),
            None => {
                self.budget.held.fetch_sub(self.bytes - bytes, Ordering::AcqRel);
                self.bytes = bytes;
                Ok(())
            }
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}
