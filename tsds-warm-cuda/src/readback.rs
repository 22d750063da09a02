//! Copies from the device, through pinned memory.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tsds_device::Fault;

use crate::device::CudaBuffer;
use crate::driver::{Entered, Pinned, Stream};

/// The pinned memory is shared out in slots of so many bytes.
const SLOT_BYTES: usize = 1 << 20;

/// Pinned memory for answers.
#[derive(Debug)]
pub(crate) struct Readback {
    memory: Pinned,
    /// Where slots begin that nobody has.
    free: Mutex<Vec<usize>>,
    permits: Arc<Semaphore>,
}

/// Slots that somebody has; given back when dropped, by when the device writes in them no more.
#[derive(Debug)]
pub(crate) struct Slots {
    readback: Arc<Readback>,
    slots: Vec<usize>,
    _permit: OwnedSemaphorePermit,
}

/// What is still to be read, in order.
#[derive(Debug)]
pub(crate) struct Reads {
    reads: Vec<(Arc<CudaBuffer>, Range<u64>)>,
    /// The read that comes next, and how much of it was taken.
    next: usize,
    done: u64,
}

/// Where in pinned memory a piece of a read is.
#[derive(Debug)]
struct Piece {
    read: usize,
    at: usize,
    bytes: usize,
}

/// Pieces that were asked for.
#[derive(Debug)]
pub(crate) struct Batch {
    slots: Slots,
    pieces: Vec<Piece>,
}

/// What was read so far.
pub(crate) type Answer = Mutex<Vec<Vec<u8>>>;

impl Readback {
    pub(crate) fn new(memory: Pinned) -> Arc<Self> {
        let slots = memory.bytes() / SLOT_BYTES;
        let free = (0..slots).map(|slot| slot * SLOT_BYTES).collect();
        Arc::new(Self { memory, free: Mutex::new(free), permits: Arc::new(Semaphore::new(slots)) })
    }

    /// Waits for a slot, and takes further ones that are free if so many bytes take them.
    pub(crate) async fn take(self: &Arc<Self>, bytes: u64) -> Result<Slots, Fault> {
        let closed = |_| Fault::Rejected("there is no memory for answers".into());
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(closed)?;
        Ok(self.with(permit, bytes))
    }

    /// As [`Readback::take`]; `None` if it would wait.
    pub(crate) fn try_take(self: &Arc<Self>, bytes: u64) -> Option<Slots> {
        Some(self.with(Arc::clone(&self.permits).try_acquire_owned().ok()?, bytes))
    }

    /// No more than half of what is free: others read, too.
    fn with(self: &Arc<Self>, mut permit: OwnedSemaphorePermit, bytes: u64) -> Slots {
        let wanted = bytes.div_ceil(SLOT_BYTES as u64).saturating_sub(1);
        let more = wanted.min(self.permits.available_permits() as u64 / 2) as u32;
        if let Ok(further) = Arc::clone(&self.permits).try_acquire_many_owned(more) {
            permit.merge(further);
        }
        let mut free = self.free();
        let from = free.len().saturating_sub(permit.num_permits());
        let slots = free.split_off(from);
        drop(free);
        Slots { readback: Arc::clone(self), slots, _permit: permit }
    }

    fn free(&self) -> MutexGuard<'_, Vec<usize>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        self.readback.free().append(&mut self.slots);
    }
}

impl Reads {
    /// Ranges are within their buffers.
    pub(crate) fn new(reads: Vec<(Arc<CudaBuffer>, Range<u64>)>) -> Self {
        let mut reads = Self { reads, next: 0, done: 0 };
        reads.skip_empty();
        reads
    }

    /// Room for all of them.
    pub(crate) fn answer(&self) -> Result<Answer, Fault> {
        let mut answer = Vec::with_capacity(self.reads.len());
        for (_, range) in &self.reads {
            let mut bytes = Vec::new();
            let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
            bytes
                .try_reserve_exact(length)
                .map_err(|_| Fault::Rejected(format!("an answer of {length} bytes")))?;
            answer.push(bytes);
        }
        Ok(Mutex::new(answer))
    }

    /// How many bytes are still to be read.
    pub(crate) fn bytes(&self) -> u64 {
        let rest = self.reads.get(self.next..).unwrap_or_default();
        rest.iter().map(|(_, range)| range.end - range.start).sum::<u64>() - self.done
    }

    /// Asks for as much as slots hold.
    pub(crate) fn download(
        &mut self,
        entered: &Entered<'_>,
        queue: &Stream,
        slots: Slots,
    ) -> (Batch, Result<(), Fault>) {
        let mut batch = Batch { slots, pieces: Vec::new() };
        let outcome = self.fill(entered, queue, &mut batch);
        (batch, outcome)
    }

    fn fill(&mut self, entered: &Entered<'_>, queue: &Stream, batch: &mut Batch) -> Result<(), Fault> {
        let Batch { slots: Slots { readback, slots, .. }, pieces } = batch;
        for slot in slots {
            let mut used = 0;
            while used < SLOT_BYTES
                && let Some((buffer, range)) = self.reads.get(self.next)
            {
                let left = range.end - range.start - self.done;
                let bytes = usize::try_from(left).unwrap_or(usize::MAX).min(SLOT_BYTES - used);
                let (from, at) = (range.start + self.done, *slot + used);
                // SAFETY: the range is within the buffer; the slot is nobody else's, and is not read before the queue is through.
                unsafe { buffer.memory().download(entered, queue, from, (&readback.memory, at), bytes) }?;
                pieces.push(Piece { read: self.next, at, bytes });
                used += bytes;
                self.done += bytes as u64;
                self.skip_empty();
            }
        }
        Ok(())
    }

    /// Goes on to a read of which something is left.
    fn skip_empty(&mut self) {
        while let Some((_, range)) = self.reads.get(self.next)
            && self.done == range.end - range.start
        {
            self.next += 1;
            self.done = 0;
        }
    }
}

impl Batch {
    /// Copies the pieces behind what was read before.
    ///
    /// # Safety
    ///
    /// The device has made all copies.
    pub(crate) unsafe fn collect(self, answer: &Answer) {
        let mut answer = answer.lock().unwrap_or_else(PoisonError::into_inner);
        for Piece { read, at, bytes } in &self.pieces {
            if let Some(out) = answer.get_mut(*read) {
                // SAFETY: the piece lies within a slot of its own, and was written.
                unsafe { self.slots.readback.memory.read(*at, *bytes, out) };
            }
        }
    }
}
