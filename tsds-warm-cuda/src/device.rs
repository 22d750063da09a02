//! [`CudaDevice`].

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::future::{Either, select};
use tokio::sync::oneshot;
use tsds_device::kernel::Kernel;
use tsds_device::{Device, DeviceInfo, Fault, Loss, Work, check_health, check_write};
use tsds_traits::{Error, ErrorKind, Result, World};

use crate::adapter::{self, AdapterSummary};
use crate::driver::{Context, Event, Memory, Pinned, Stream};
use crate::kernels::{Kernels, threads};
use crate::readback::{Readback, Reads};
use crate::settings::CudaSettings;
use crate::upload::{Lane, Pump};
use crate::watch::{Watch, Watched};
use crate::work::{Flight, Place, Plan, Queue, order};

/// Buffers of at least so many bytes are written in a lane of their own.
const BULK_BYTES: u64 = 1 << 20;
/// Memory up to this size is allocated at once: the pool has it, or gets it in one call.
const SMALL_BYTES: u64 = 256 << 10;
/// Works of more steps than this are put in their queue by a job of the executor: queues of the driver are full at about a thousand.
const MANY_STEPS: usize = 256;
/// No more than two copies of an answer are under way at once: the host empties one while the device fills the other.
const COPIES: usize = 2;
/// Words are numbered with 32 bits.
const MAX_BUFFER_BYTES: u64 = (1 << 34) - 256;
/// A block of the grid has a thread for each digit.
const RADIX_BITS: u32 = 8;
/// An NVIDIA GPU, through its driver.
///
/// Dropping it gives back all its memory once no work runs any more.
#[derive(Debug)]
pub struct CudaDevice {
    open: Arc<Open>,
    world: World,
    info: DeviceInfo,
    /// The world of this handle is gone, and with it whoever could wait for the device; the device itself is not lost.
    gone: Arc<Loss>,
    /// For each queue.
    watches: Vec<Arc<Watch>>,
}

#[derive(Debug)]
struct Open {
    context: Arc<Context>,
    kernels: Arc<Kernels>,
    queues: Arc<Vec<Queue>>,
    /// Memory is allocated and given back in the queue of this lane, and what is small is written in it.
    front: Arc<Lane>,
    /// What is large is written in this one.
    bulk: Arc<Lane>,
    readback: Arc<Readback>,
    /// The most memory that is taken.
    ceiling: u64,
    /// What was free when the device was opened.
    free: u64,
}

/// Memory of a [`CudaDevice`].
#[derive(Debug)]
pub struct CudaBuffer {
    held: Arc<Held>,
}

/// The memory of a buffer, for as long as a copy into it is under way.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) memory: Memory,
    bytes: u64,
    /// When what was written in the bulk lane is there.
    written: Mutex<Option<Arc<Event>>>,
}

impl Held {
    pub(crate) fn set_written(&self, event: Arc<Event>) {
        *self.written.lock().unwrap_or_else(PoisonError::into_inner) = Some(event);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // It is given back in another queue than it was written in.
        if let Some(written) = self.written.get_mut().unwrap_or_else(PoisonError::into_inner) {
            order(self.memory.queue(), written);
        }
    }
}

impl CudaBuffer {
    pub(crate) fn memory(&self) -> &Memory {
        &self.held.memory
    }

    /// How many bytes were asked for.
    pub(crate) fn bytes(&self) -> u64 {
        self.held.bytes
    }

    /// What whoever reads it has to wait for.
    pub(crate) fn written(&self) -> Option<Arc<Event>> {
        self.held.written.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl CudaDevice {
    /// Opens the device that the settings ask for, compiles all kernels and checks that the device computes. One that was lost by a fault is
    /// reset before, with all that this process has on it.
    ///
    /// # Errors
    ///
    /// `Unavailable` if there is no driver or no device that can be used; `ConfigInvalid` if none is the one that is set; `NoSpace`
    /// without memory for staging; `DeviceLost` or `Internal` if the driver fails; those of the executor.
    pub async fn open(settings: &CudaSettings, world: &World) -> Result<Self> {
        let settings = settings.clone();
        let (open, adapter) = (*world.executor).blocking(move || Open::new(&settings)).await?;
        // There is always room for two.
        let max_buffer_bytes = (open.free.min(open.ceiling) / 2).min(MAX_BUFFER_BYTES);
        let info = DeviceInfo::new(adapter.name, adapter.driver, false, max_buffer_bytes)
            .with_radix_bits(RADIX_BITS);
        let device = Self::handle(Arc::new(open), world.clone(), info);
        check_health(&device, threads(Kernel::Health)).await?;
        Ok(device)
    }

    fn handle(open: Arc<Open>, world: World, info: DeviceInfo) -> Self {
        let gone = Arc::new(Loss::new());
        let watches = open.queues.iter().map(|_| Watch::new(Arc::clone(&gone))).collect();
        Self { open, world, info, gone, watches }
    }

    /// Another handle of the same device, which waits in another world. Its kernels are compiled already. Lost for one is lost
    /// for all, but for the end of a handle's world, which is the end of that handle only.
    #[must_use]
    pub fn share(&self, world: World) -> Self {
        Self::handle(Arc::clone(&self.open), world, self.info.clone())
    }

    /// Loses the device, for good: every call from now on gives [`Fault::Lost`] with this reason, and so do those under way.
    /// Its memory is given back as it is dropped.
    pub fn destroy(&self, reason: impl Into<String>) {
        self.open.context.loss().lose(reason);
    }

    /// Bytes of the device's memory that are allocated now, through all handles of it.
    pub fn allocated_bytes(&self) -> u64 {
        self.open.context.allocated_bytes()
    }

    /// How many bytes a second the device takes from the host at best: large copies by the driver out of pinned memory, beside the
    /// memory that this device copies through. Takes 128 MiB on either side meanwhile.
    ///
    /// # Errors
    ///
    /// `NoSpace` without room on either side; `DeviceLost`; `Internal` if the driver fails; those of the executor.
    pub async fn link_bandwidth(&self) -> Result<f64> {
        crate::link::bandwidth(&self.open.context, &self.world).await
    }

    /// Bytes of the device's memory that were free when it was opened.
    pub(crate) fn free_bytes(&self) -> u64 {
        self.open.free
    }

    fn loss(&self) -> &Arc<Loss> {
        self.open.context.loss()
    }

    fn check(&self) -> Result<(), Fault> {
        self.loss().check()?;
        self.gone.check()
    }

    /// What the future gives, unless the device is lost before.
    async fn unless_lost<T>(&self, future: impl Future<Output = T>) -> Result<T, Fault> {
        let lost = select(Box::pin(self.loss().wait()), Box::pin(self.gone.wait()));
        match select(Box::pin(future), lost).await {
            Either::Left((value, _)) => Ok(value),
            Either::Right((fault, _)) => Err(fault.factor_first().0),
        }
    }

    /// Waits until everything that was written before is in a queue.
    async fn settle(&self) -> Result<(), Fault> {
        for lane in [&self.open.front, &self.open.bulk] {
            if lane.wants_pump() {
                Pump::start(lane, &self.gone, &self.world);
            }
            self.unless_lost(lane.settled()).await?;
        }
        // A device that was lost has no more to be settled.
        self.check()
    }

    /// Lets a watch tell when it has landed.
    fn watch(&self, place: &Place, flight: Flight, answer: &Arc<crate::readback::Answer>) -> Landing {
        let done = Arc::clone(flight.done());
        let (waiting, told) = oneshot::channel();
        if let Some(watch) = self.watches.get(place.number) {
            watch.until(Watched { flight, answer: Arc::clone(answer), waiting }, &self.world);
        }
        Landing { told, done, front: Arc::clone(self.open.front.queue()), is_over: false }
    }
}

/// Somebody waits for a flight. If he does not to the end, what he does later comes after it all the same.
struct Landing {
    told: oneshot::Receiver<Result<(), Fault>>,
    done: Arc<Event>,
    front: Arc<Stream>,
    is_over: bool,
}

impl Drop for Landing {
    fn drop(&mut self) {
        if !self.is_over {
            order(&self.front, &self.done);
        }
    }
}

impl Open {
    /// Blocking.
    fn new(settings: &CudaSettings) -> Result<(Self, AdapterSummary)> {
        let (api, device, summary) = adapter::open(settings)?;
        let unavailable = |reason: String| {
            Error::new(ErrorKind::Unavailable, "the device cannot be opened")
                .with("device", &summary.name)
                .with("reason", reason)
        };
        let context = Context::open(api, device).map_err(|code| unavailable(code.to_string()))?;
        match Self::fill(&context, settings) {
            Ok(open) => Ok((open, summary)),
            Err(Fault::Rejected(reason)) => Err(unavailable(reason)),
            Err(fault) => Err(Error::from(fault).with("device", &summary.name)),
        }
    }

    fn fill(context: &Arc<Context>, settings: &CudaSettings) -> Result<Self, Fault> {
        let entered = context.enter()?;
        let (free, total) = entered.memory()?;
        let kernels = Arc::new(Kernels::load(context, &entered)?);
        let stream = || Stream::new(context, &entered);
        let (front, bulk) = (Arc::new(stream()?), Arc::new(stream()?));
        let mut queues = Vec::new();
        for _ in 0..settings.streams() {
            queues.push(Queue { stream: stream()?, works: Default::default() });
        }
        // Tables and lists are small beside segments.
        let for_front = (settings.upload_bytes() / 8).next_multiple_of(4096);
        let pinned = |bytes| Pinned::for_upload(context, &entered, bytes);
        let readback = Pinned::for_readback(context, &entered, settings.readback_bytes())?;
        Ok(Self {
            kernels,
            queues: Arc::new(queues),
            bulk: Arc::new(Lane::new(
                bulk,
                Some(Arc::clone(&front)),
                pinned(settings.upload_bytes() - for_front)?,
            )),
            front: Arc::new(Lane::new(front, None, pinned(for_front)?)),
            readback: Readback::new(readback),
            // The driver and others need some of it, too.
            ceiling: total / 20 * 19,
            free,
            context: Arc::clone(context),
        })
    }

    /// Blocking, but for small sizes.
    fn allocate(&self, bytes: u64) -> Result<CudaBuffer, Fault> {
        let size = bytes.max(1).next_multiple_of(16);
        if self.context.allocated_bytes().saturating_add(size) > self.ceiling {
            return Err(Fault::OutOfMemory);
        }
        let size = usize::try_from(size).map_err(|_| Fault::OutOfMemory)?;
        let entered = self.context.enter()?;
        let queue = self.front.queue();
        let memory = match Memory::new(queue, &entered, size) {
            Err(Fault::OutOfMemory) => {
                // The pool may hold memory in pieces that fit nothing.
                Memory::trim(queue, &entered)?;
                Memory::new(queue, &entered, size)?
            }
            outcome => outcome?,
        };
        Ok(CudaBuffer { held: Arc::new(Held { memory, bytes, written: Mutex::default() }) })
    }
}

/// A job of the executor failed, not the device: it panicked, or there is no executor any more. Either way this handle is of
/// no more use.
fn job_failed(gone: &Loss, error: &Error) -> Fault {
    gone.lose(error.to_string());
    gone.check().err().unwrap_or_else(|| Fault::Lost(error.to_string()))
}

#[async_trait]
impl Device for CudaDevice {
    type Buffer = CudaBuffer;

    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    async fn allocate(&self, bytes: u64) -> Result<CudaBuffer, Fault> {
        self.check()?;
        let limit = self.info.max_buffer_bytes;
        if bytes > limit {
            return Err(Fault::Rejected(format!("a buffer of {bytes} bytes, of at most {limit}")));
        }
        if bytes <= SMALL_BYTES {
            return self.open.allocate(bytes);
        }
        let open = Arc::clone(&self.open);
        let buffer = (*self.world.executor).blocking(move || Ok(open.allocate(bytes))).await;
        buffer.map_err(|error| job_failed(&self.gone, &error))?
    }

    fn write(&self, buffer: &CudaBuffer, at: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.check()?;
        check_write(buffer.bytes(), at, bytes)?;
        if bytes.is_empty() {
            return Ok(());
        }
        let lane = if buffer.bytes() < BULK_BYTES { &self.open.front } else { &self.open.bulk };
        let entered = self.open.context.enter()?;
        if lane.write(&entered, &buffer.held, at, bytes)? {
            drop(entered);
            Pump::start(lane, &self.gone, &self.world);
        }
        Ok(())
    }

    async fn run(&self, work: Work<CudaBuffer>) -> Result<Vec<Vec<u8>>, Fault> {
        self.check()?;
        let (plan, mut reads) = Plan::new(work)?;
        let answer = Arc::new(reads.answer()?);
        self.settle().await?;
        let plan = Arc::new(plan);
        let place = Place::take(&self.open.queues).map(Arc::new);
        let place = place.ok_or_else(|| Fault::Rejected("there is no queue".into()))?;
        let mut landings = std::collections::VecDeque::new();
        let mut is_begun = false;
        loop {
            while (!is_begun || reads.bytes() > 0) && landings.len() < COPIES {
                let slots = match reads.bytes() {
                    0 => None,
                    bytes if landings.is_empty() => {
                        Some(self.unless_lost(self.open.readback.take(bytes)).await??)
                    }
                    bytes => match self.open.readback.try_take(bytes) {
                        None => break,
                        slots => slots,
                    },
                };
                let (flight, rest) = self.start(&plan, &place, !is_begun, reads, slots).await?;
                (is_begun, reads) = (true, rest);
                landings.push_back(self.watch(&place, flight, &answer));
            }
            let Some(mut landing) = landings.pop_front() else { break };
            let told = self.unless_lost(&mut landing.told).await?;
            self.loss().check()?;
            told.map_err(|_| {
                Fault::Rejected("the answer cannot be read: nobody says when it is there".into())
            })??;
            landing.is_over = true;
        }
        let answer = std::mem::take(&mut *answer.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(answer)
    }

    fn is_lost(&self) -> bool {
        self.loss().is_lost() || self.gone.is_lost()
    }
}

impl CudaDevice {
    /// Puts the steps of a work in its queue, if `begins`, and as much of its reads as slots hold. Returns what is left of the reads.
    async fn start(
        &self,
        plan: &Arc<Plan>,
        place: &Arc<Place>,
        begins: bool,
        mut reads: Reads,
        slots: Option<crate::readback::Slots>,
    ) -> Result<(Flight, Reads), Fault> {
        let (open, plan, place) = (Arc::clone(&self.open), Arc::clone(plan), Arc::clone(place));
        let many = begins && plan.steps() > MANY_STEPS;
        let start = move || {
            let entered = open.context.enter()?;
            let into = slots.map(|slots| (&mut reads, slots));
            let front = open.front.queue();
            let flight = Flight::start(&entered, front, &open.kernels, (&plan, begins), &place, into)?;
            drop(entered);
            Ok((flight, reads))
        };
        if !many {
            return start();
        }
        let started = (*self.world.executor).blocking(move || Ok(start())).await;
        started.map_err(|error| job_failed(&self.gone, &error))?
    }
}
