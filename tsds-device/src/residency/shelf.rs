//! Which segments a tier holds, and how much memory they take.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;
use tsds_traits::{Error, Result, SegmentId, Stored, StoredSegment, TierUsage};

use super::answer::{Stop, closed};
use super::budget::{Budget, Charge};

/// A segment as a volatile tier holds it.
pub trait Held: std::fmt::Debug + Send + Sync + 'static {
    /// How many rows it has.
    fn rows(&self) -> u64;

    /// How many bytes it takes; never changes.
    fn bytes(&self) -> u64;

    /// Lets the segment's memory count against the limit as long as it lives.
    fn hold(&mut self, charge: Charge);
}

/// The segments that a volatile tier holds.
#[derive(Debug)]
pub struct Shelf<S> {
    plugin: &'static str,
    state: Mutex<State<S>>,
    budget: Arc<Budget>,
    closed: Arc<AtomicBool>,
}

#[derive(Debug)]
struct State<S> {
    held: BTreeMap<SegmentId, Arc<S>>,
    /// Puts that are on their way; the sender of each channel is dropped when its put ends, however it ends.
    putting: HashMap<SegmentId, watch::Receiver<()>>,
}

/// How a put begins.
#[derive(Debug)]
pub enum Begin<S: Held> {
    /// The segment is there.
    Present(Stored),
    /// This put is the one.
    Mine(Putting<S>),
}

impl<S: Held> Shelf<S> {
    /// An empty one, of the tier `plugin`, with a limit in bytes.
    pub fn new(plugin: &'static str, limit: Option<u64>) -> Arc<Self> {
        Arc::new(Self {
            plugin,
            state: Mutex::new(State { held: BTreeMap::new(), putting: HashMap::new() }),
            budget: Arc::new(Budget::new(limit)),
            closed: Arc::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State<S>> {
        // Every change is one call on a map: a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the tier is open.
    ///
    /// # Errors
    ///
    /// `Closed`.
    pub fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(closed(self.plugin)) } else { Ok(()) }
    }

    /// What tells the jobs of a new request when to stop.
    pub fn stop(&self) -> Arc<Stop> {
        Stop::new(self.plugin, Arc::clone(&self.closed))
    }

    /// Begins a put, once no other put of the segment is on its way.
    ///
    /// # Errors
    ///
    /// `Closed`.
    pub async fn begin(self: &Arc<Self>, id: SegmentId) -> Result<Begin<S>> {
        loop {
            let mut other = match self.try_begin(id)? {
                Ok(begin) => return Ok(begin),
                Err(other) => other,
            };
            // The channel never carries anything: it ends with the other put.
            while other.changed().await.is_ok() {}
        }
    }

    /// Begins a put, or gives what ends with the one that is on its way.
    fn try_begin(self: &Arc<Self>, id: SegmentId) -> Result<Result<Begin<S>, watch::Receiver<()>>> {
        let mut state = self.state();
        self.check_open()?;
        if let Some(segment) = state.held.get(&id) {
            return Ok(Ok(Begin::Present(stored(&**segment))));
        }
        if let Some(other) = state.putting.get(&id) {
            return Ok(Err(other.clone()));
        }
        let (done, waiting) = watch::channel(());
        state.putting.insert(id, waiting);
        let charge = Charge::new(Arc::clone(&self.budget));
        Ok(Ok(Begin::Mine(Putting { shelf: Arc::clone(self), id, charge: Some(charge), _done: done })))
    }

    /// The segment with this id.
    pub fn get(&self, id: SegmentId) -> Option<Arc<S>> {
        self.state().held.get(&id).cloned()
    }

    /// Lets go of segments; of those that are not there nothing is said.
    pub fn remove(&self, ids: impl Iterator<Item = SegmentId>) {
        let mut state = self.state();
        let removed: Vec<_> = ids.filter_map(|id| state.held.remove(&id)).collect();
        drop(state);
        // Memory is given back outside of the lock.
        drop(removed);
    }

    /// What is held, ascending.
    pub fn list(&self) -> Vec<StoredSegment> {
        self.state().held.keys().map(|id| StoredSegment { id: *id, record: Bytes::new() }).collect()
    }

    /// What is held, in numbers. Its bytes are all that count against the limit: also those of segments that were removed and are
    /// still read, and what puts on their way have set aside.
    pub fn usage(&self) -> TierUsage {
        let state = self.state();
        let (limit_bytes, bytes) = (self.budget.limit(), self.budget.held());
        let mut usage = TierUsage { limit_bytes, bytes, ..TierUsage::default() };
        for segment in state.held.values() {
            usage.segments += 1;
            usage.rows += segment.rows();
        }
        usage
    }

    /// Lets go of everything; nothing comes after.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let held = std::mem::take(&mut self.state().held);
        drop(held);
    }
}

fn stored(segment: &impl Held) -> Stored {
    Stored { bytes: segment.bytes(), record: Bytes::new() }
}

/// A put on its way. Dropped without [`Putting::finish`], it leaves nothing behind.
#[derive(Debug)]
pub struct Putting<S: Held> {
    shelf: Arc<Shelf<S>>,
    id: SegmentId,
    charge: Option<Charge>,
    _done: watch::Sender<()>,
}

impl<S: Held> Putting<S> {
    /// Sets aside `bytes` in all, or more if that was asked for before.
    ///
    /// # Errors
    ///
    /// `NoSpace` beyond the limit.
    pub fn at_least(&mut self, bytes: u64) -> Result<()> {
        match &mut self.charge {
            Some(charge) if bytes > charge.bytes() => charge.set(bytes),
            _ => Ok(()),
        }
    }

    /// Shows the segment, which takes exactly [`Held::bytes`].
    ///
    /// # Errors
    ///
    /// `NoSpace` if that is beyond the limit; `Closed`.
    pub fn finish(mut self, mut segment: S) -> Result<Stored> {
        let Some(mut charge) = self.charge.take() else {
            return Err(Error::internal("a put ended twice").with("segment", self.id));
        };
        charge.set(segment.bytes())?;
        segment.hold(charge);
        let answer = stored(&segment);
        let mut state = self.shelf.state();
        self.shelf.check_open()?;
        state.held.insert(self.id, Arc::new(segment));
        Ok(answer)
    }
}

impl<S: Held> Drop for Putting<S> {
    fn drop(&mut self) {
        self.shelf.state().putting.remove(&self.id);
    }
}
