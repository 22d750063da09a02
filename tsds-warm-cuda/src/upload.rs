//! Copies to the device, through pinned memory.
//!
//! There are two lanes: tables and lists of requests do not queue behind segments. What belongs to one buffer is in one lane. Bytes
//! that find no room in a lane's ring wait on the host, and a job of the executor moves them on as the device makes room.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tsds_device::{Fault, Loss};
use tsds_traits::World;

use crate::device::Held;
use crate::driver::{Context, Entered, Event, Pinned, Stream};

/// Copies in the ring begin at multiples of this.
const ALIGNMENT: usize = 256;
/// Longer copies go in pieces of at least this, so that the device begins before the host is through.
const PIECE_BYTES: usize = 256 << 10;

/// A queue of copies to the device.
#[derive(Debug)]
pub(crate) struct Lane {
    queue: Arc<Stream>,
    /// What every copy comes after: the queue in which memory is allocated. `None` if this lane is that queue.
    after: Option<Arc<Stream>>,
    state: Mutex<State>,
    /// How many copies that had to wait are in the queue now.
    moved: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    ring: Ring,
    waiting: VecDeque<Waiting>,
    /// How many copies had to wait since the lane was opened.
    accepted: u64,
    /// Whether a job is there that moves them on.
    is_pumped: bool,
}

/// A copy that found no room.
#[derive(Debug)]
struct Waiting {
    to: Arc<Held>,
    at: u64,
    bytes: Vec<u8>,
    done: usize,
}

/// Pinned memory, taken and given back in turn.
#[derive(Debug)]
struct Ring {
    memory: Pinned,
    /// Where the next copy begins.
    head: usize,
    used: usize,
    /// The copies that the device has not made yet, in order: what they take, and when they are made.
    flying: VecDeque<(usize, Arc<Event>)>,
}

impl Lane {
    pub(crate) fn new(queue: Arc<Stream>, after: Option<Arc<Stream>>, memory: Pinned) -> Self {
        let ring = Ring { memory, head: 0, used: 0, flying: VecDeque::new() };
        let state = State { ring, waiting: VecDeque::new(), accepted: 0, is_pumped: false };
        Self { queue, after, state: Mutex::new(state), moved: watch::Sender::new(0) }
    }

    pub(crate) fn queue(&self) -> &Arc<Stream> {
        &self.queue
    }

    /// Copies bytes, which are within the buffer. Returns whether they wait, and nobody is there who moves them on.
    pub(crate) fn write(
        &self,
        entered: &Entered<'_>,
        to: &Arc<Held>,
        at: u64,
        bytes: &[u8],
    ) -> Result<bool, Fault> {
        let mut state = self.state();
        let done = match state.waiting.is_empty() {
            true => self.copy(entered, &mut state.ring, to, at, bytes)?,
            false => 0,
        };
        let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) else { return Ok(false) };
        state.waiting.push_back(Waiting {
            to: Arc::clone(to),
            at: at + done as u64,
            bytes: rest.to_vec(),
            done: 0,
        });
        state.accepted += 1;
        Ok(!std::mem::replace(&mut state.is_pumped, true))
    }

    /// Completes when everything that was written before is in the queue. Whoever waits has to see for himself whether the device is
    /// lost.
    pub(crate) async fn settled(&self) {
        let accepted = self.state().accepted;
        // It is here, and so is its sender.
        let _ = self.moved.subscribe().wait_for(|moved| *moved >= accepted).await;
    }

    /// Whether copies wait, and nobody is there who moves them on. Whoever is told has to.
    pub(crate) fn wants_pump(&self) -> bool {
        let mut state = self.state();
        !state.waiting.is_empty() && !std::mem::replace(&mut state.is_pumped, true)
    }

    /// Copies as much as there is room for. Returns how much that is.
    fn copy(
        &self,
        entered: &Entered<'_>,
        ring: &mut Ring,
        to: &Arc<Held>,
        at: u64,
        bytes: &[u8],
    ) -> Result<usize, Fault> {
        ring.reclaim(entered)?;
        if let Some(after) = &self.after {
            let earlier = after.record(entered)?;
            self.queue.wait_for(entered, &earlier)?;
        }
        let piece_bytes = (ring.memory.bytes() / 8).clamp(ALIGNMENT, PIECE_BYTES.max(bytes.len() / 8));
        let mut done = 0;
        let mut last = None;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            let piece = rest.get(..piece_bytes.next_multiple_of(ALIGNMENT)).unwrap_or(rest);
            let Some((from, taken)) = ring.take(piece.len()) else { break };
            // SAFETY: the ring gave this range to nobody else, and the device is through with it.
            unsafe { ring.memory.fill(from, piece) };
            // SAFETY: the range is within the buffer, and is not written before the event says so.
            let outcome = unsafe {
                let from = (&ring.memory, from);
                to.memory.upload(entered, &self.queue, at + done as u64, from, piece.len())
            };
            let event = match recorded(entered, &self.queue) {
                Ok(event) => Arc::new(event),
                Err(fault) => {
                    ring.clear();
                    return Err(fault);
                }
            };
            ring.flying.push_back((taken, Arc::clone(&event)));
            outcome?;
            last = Some(event);
            done += piece.len();
        }
        if let Some(event) = last.filter(|_| self.after.is_some()) {
            to.set_written(event);
        }
        Ok(done)
    }

    /// Moves on what waits, until nothing does. Blocking.
    fn pump(&self, context: &Context) -> Result<(), Fault> {
        loop {
            let entered = context.enter()?;
            let mut state = self.state();
            let State { ring, waiting, .. } = &mut *state;
            while let Some(first) = waiting.front_mut() {
                let rest = first.bytes.get(first.done..).unwrap_or_default();
                first.done += self.copy(&entered, ring, &first.to, first.at + first.done as u64, rest)?;
                if first.done < first.bytes.len() {
                    break;
                }
                waiting.pop_front();
                self.moved.send_modify(|moved| *moved += 1);
            }
            let oldest = ring.flying.front().map(|(_, event)| Arc::clone(event));
            match oldest {
                Some(event) if !waiting.is_empty() => {
                    drop(state);
                    event.synchronize(&entered)?;
                }
                _ => {
                    state.is_pumped = false;
                    return Ok(());
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lane {
    /// The device reads from the ring until it has made all copies. Blocking, for as long as those take that are under way.
    fn drop(&mut self) {
        let last = self.state().ring.flying.back().map(|(_, event)| Arc::clone(event));
        if let (Some(last), Some(entered)) = (last, self.queue.context().enter_anyway()) {
            // Of a device that fails nothing is under way any more.
            let _ = last.synchronize(&entered);
        }
    }
}

/// The point that a queue is at, into which something was put that must not be forgotten: if it cannot be had, what is in the queue is
/// waited for.
pub(crate) fn recorded(entered: &Entered<'_>, queue: &Stream) -> Result<Event, Fault> {
    queue.record(entered).inspect_err(|_| {
        if let Err(fault) = queue.synchronize(entered) {
            entered.give_up(format!("a queue cannot be waited for: {fault}"));
        }
    })
}

impl Ring {
    /// Takes a range: where it begins, and what it takes with what is left out before it.
    fn take(&mut self, bytes: usize) -> Option<(usize, usize)> {
        let bytes = bytes.next_multiple_of(ALIGNMENT);
        let to_end = self.memory.bytes() - self.head;
        let skipped = if bytes > to_end { to_end } else { 0 };
        if self.used + skipped + bytes > self.memory.bytes() {
            return None;
        }
        let at = (self.head + skipped) % self.memory.bytes();
        self.head = at + bytes;
        self.used += skipped + bytes;
        Some((at, skipped + bytes))
    }

    /// Takes back what the device is through with.
    fn reclaim(&mut self, entered: &Entered<'_>) -> Result<(), Fault> {
        while let Some((taken, event)) = self.flying.front() {
            if !event.is_reached(entered)? {
                break;
            }
            self.used -= taken;
            self.flying.pop_front();
        }
        if self.used == 0 {
            self.head = 0;
        }
        Ok(())
    }

    /// The device is through with all of it.
    fn clear(&mut self) {
        (self.head, self.used) = (0, 0);
        self.flying.clear();
    }
}

/// The job that moves on what waits in a lane. An executor that shuts down drops it without having run it.
pub(crate) struct Pump {
    lane: Arc<Lane>,
    gone: Arc<Loss>,
    is_through: bool,
}

impl Pump {
    /// Lets a job of the executor see to a lane.
    pub(crate) fn start(lane: &Arc<Lane>, gone: &Arc<Loss>, world: &World) {
        let pump = Self { lane: Arc::clone(lane), gone: Arc::clone(gone), is_through: false };
        world.executor.spawn_blocking(Box::new(move || pump.run()));
    }

    fn run(mut self) {
        self.is_through = true;
        let context = Arc::clone(self.lane.queue.context());
        if let Err(fault) = self.lane.pump(&context) {
            // Whoever wrote was told that it is done.
            context.loss().lose(format!("bytes were not copied to the device: {fault}"));
            let mut state = self.lane.state();
            state.waiting.clear();
            state.is_pumped = false;
        }
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        if !self.is_through {
            self.lane.state().is_pumped = false;
            self.gone.lose("the executor has shut down");
        }
    }
}
