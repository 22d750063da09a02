//! A work, checked on the host and then put in a queue.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tsds_device::{Fault, Hold, Step, Work, check_work};

use crate::device::CudaBuffer;
use crate::driver::{Context, Entered, Event, Stream};
use crate::kernels::{Kernels, threads};
use crate::readback::{Answer, Batch, Slots};
use crate::upload::recorded;

pub(crate) use crate::readback::Reads;

/// Blocks in a grid.
const MAX_GROUPS: u32 = i32::MAX as u32;

/// Steps that the device will accept.
pub(crate) struct Plan {
    steps: Vec<Step<CudaBuffer>>,
    /// What is only read.
    read: Vec<Arc<CudaBuffer>>,
    _holds: Option<Hold>,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan").field("steps", &self.steps).finish_non_exhaustive()
    }
}

impl Plan {
    /// Checks a work. Returns its steps and its reads.
    pub(crate) fn new(work: Work<CudaBuffer>) -> Result<(Self, Reads), Fault> {
        let mut steps = Vec::with_capacity(work.steps.len());
        check_work(&work, CudaBuffer::bytes)?;
        for step in work.steps {
            let does_something = match &step {
                Step::Launch(launch) => {
                    let groups = launch.params.first().copied().unwrap_or_default();
                    if groups > MAX_GROUPS {
                        let why = format!("kernel {}: {groups} workgroups", launch.kernel);
                        return Err(Fault::Rejected(why));
                    }
                    groups > 0
                }
                Step::Clear(_, range) => !range.is_empty(),
                Step::Copy { bytes, .. } => *bytes > 0,
            };
            if does_something {
                steps.push(step);
            }
        }
        let read = work.reads.iter().map(|(buffer, _)| Arc::clone(buffer)).collect();
        Ok((Self { steps, read, _holds: work.holds }, Reads::new(work.reads)))
    }

    /// How many things the device is asked for.
    pub(crate) fn steps(&self) -> usize {
        self.steps.len()
    }

    /// All buffers that the work names.
    fn buffers(&self) -> impl Iterator<Item = &Arc<CudaBuffer>> {
        let of_steps = self.steps.iter().flat_map(|step| {
            let (many, few) = match step {
                Step::Launch(launch) => (launch.buffers.as_slice(), [None, None]),
                Step::Clear(buffer, _) => (&[][..], [Some(buffer), None]),
                Step::Copy { from, to, .. } => (&[][..], [Some(&from.0), Some(&to.0)]),
            };
            many.iter().chain(few.into_iter().flatten())
        });
        of_steps.chain(&self.read)
    }

    /// Lets the queue wait for everything that was written before, and puts all steps in it.
    fn enqueue(
        &self,
        entered: &Entered<'_>,
        kernels: &Kernels,
        queue: &Queue,
        front: &Stream,
    ) -> Result<(), Fault> {
        let earlier = front.record(entered)?;
        queue.stream.wait_for(entered, &earlier)?;
        let mut written: Vec<Arc<Event>> = self.buffers().filter_map(|buffer| buffer.written()).collect();
        written.sort_unstable_by_key(Arc::as_ptr);
        written.dedup_by_key(|event| Arc::as_ptr(event));
        for event in written {
            queue.stream.wait_for(entered, &event)?;
        }
        for step in &self.steps {
            match step {
                Step::Launch(launch) => {
                    let function = kernels.of(launch.kernel)?;
                    let shape = (launch.params.first().copied().unwrap_or_default(), threads(launch.kernel));
                    let buffers = launch.buffers.iter().map(|buffer| buffer.memory());
                    // SAFETY: the number of buffers was checked; a kernel that is given tables as its contract says stays in them.
                    unsafe { function.launch(entered, &queue.stream, shape, buffers, &launch.params) }?;
                }
                Step::Clear(buffer, range) => {
                    buffer.memory().clear(
                        entered,
                        &queue.stream,
                        range.start,
                        (range.end - range.start) as usize,
                    )?;
                }
                Step::Copy { from, to, bytes } => {
                    let target = (to.0.memory(), to.1);
                    from.0.memory().copy_to(entered, &queue.stream, from.1, target, *bytes as usize)?;
                }
            }
        }
        Ok(())
    }
}

/// A queue for works.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) stream: Stream,
    /// How many works are in it.
    pub(crate) works: AtomicUsize,
}

/// A work has a place in a queue as long as this is there.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) queues: Arc<Vec<Queue>>,
    pub(crate) number: usize,
}

impl Place {
    /// In the queue with the fewest works; `None` if there are no queues, which does not happen.
    pub(crate) fn take(queues: &Arc<Vec<Queue>>) -> Option<Self> {
        let works = |queue: &Queue| queue.works.load(Ordering::Relaxed);
        let (number, queue) = queues.iter().enumerate().min_by_key(|(_, queue)| works(queue))?;
        queue.works.fetch_add(1, Ordering::Relaxed);
        Some(Self { queues: Arc::clone(queues), number })
    }

    fn queue(&self) -> Option<&Queue> {
        self.queues.get(self.number)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(queue) = self.queue() {
            queue.works.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Something of a work that is in a queue. Holds all that the device uses for it until it has landed; dropping it before waits for that.
#[derive(Debug)]
pub(crate) struct Flight {
    done: Arc<Event>,
    batch: Option<Batch>,
    has_landed: bool,
    context: Arc<Context>,
    _kernels: Arc<Kernels>,
    _plan: Arc<Plan>,
    _place: Arc<Place>,
}

impl Flight {
    /// Puts in the queue: the steps of the plan, if `begins`, and as much of `reads` as `slots` hold.
    pub(crate) fn start(
        entered: &Entered<'_>,
        front: &Stream,
        kernels: &Arc<Kernels>,
        (plan, begins): (&Arc<Plan>, bool),
        place: &Arc<Place>,
        reads: Option<(&mut Reads, Slots)>,
    ) -> Result<Self, Fault> {
        let queue = place.queue().ok_or_else(|| Fault::Rejected("there is no queue".into()))?;
        let mut outcome = match begins {
            true => plan.enqueue(entered, kernels, queue, front),
            false => Ok(()),
        };
        let mut batch = None;
        if let (Ok(()), Some((reads, slots))) = (&outcome, reads) {
            let (downloaded, read) = reads.download(entered, &queue.stream, slots);
            (batch, outcome) = (Some(downloaded), read);
        }
        let done = Arc::new(recorded(entered, &queue.stream)?);
        let flight = Self {
            done,
            batch,
            has_landed: false,
            context: Arc::clone(front.context()),
            _kernels: Arc::clone(kernels),
            _plan: Arc::clone(plan),
            _place: Arc::clone(place),
        };
        // What was begun of a work that failed is waited for.
        outcome.map(|()| flight)
    }

    /// Where in time it has landed.
    pub(crate) fn done(&self) -> &Arc<Event> {
        &self.done
    }

    /// Waits until it has landed, and takes what was read. Blocking.
    pub(crate) fn land(mut self, answer: &Answer) -> Result<(), Fault> {
        self.wait()?;
        if let Some(batch) = self.batch.take() {
            // SAFETY: the copies come before the event.
            unsafe { batch.collect(answer) };
        }
        Ok(())
    }

    /// Also for a device that is lost: it may still be at work, in memory that would be somebody else's next.
    fn wait(&mut self) -> Result<(), Fault> {
        if !std::mem::replace(&mut self.has_landed, true)
            && let Some(entered) = self.context.enter_anyway()
        {
            self.done.synchronize(&entered)?;
        }
        self.context.loss().check()
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if self.wait().is_err() {
            tracing::debug!("something of a work was lost with its device");
        }
    }
}

/// What comes later, in `front` and behind it, comes after `done`. Also of a lost device: its memory may be somebody else's next.
pub(crate) fn order(front: &Stream, done: &Event) {
    let Some(entered) = front.context().enter_anyway() else { return };
    let outcome = front.wait_for(&entered, done).or_else(|_| done.synchronize(&entered));
    if let Err(fault) = outcome {
        entered.give_up(format!("a queue cannot be waited for: {fault}"));
    }
}
