//! A single-threaded executor whose order is drawn from a seed.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};

use futures::future::BoxFuture;
use tsds_traits::Executor;

use super::clock::Timeline;
use super::random::SeededNumbers;

/// How many things can compute at the same time, as far as the program knows.
const PARALLELISM: usize = 4;
/// A program that takes more steps than this for one `block_on` goes round in circles.
pub(super) const DEFAULT_STEP_LIMIT: u64 = 50_000_000;

type TaskId = u64;
/// The future given to `block_on`.
const MAIN: TaskId = 0;

pub(crate) struct Scheduler {
    inner: Mutex<Inner>,
    timeline: Arc<Timeline>,
    me: Weak<Scheduler>,
}

struct Inner {
    numbers: SeededNumbers,
    ready: Vec<Ready>,
    tasks: BTreeMap<TaskId, (BoxFuture<'static, ()>, Arc<TaskWaker>)>,
    next_task: TaskId,
    step_limit: u64,
    trace: u64,
    running: bool,
    ended: bool,
}

enum Ready {
    Task(TaskId),
    Job(Box<dyn FnOnce() + Send + 'static>),
}

struct TaskWaker {
    id: TaskId,
    queued: AtomicBool,
    scheduler: Weak<Scheduler>,
}

impl TaskWaker {
    fn new(id: TaskId, scheduler: &Weak<Scheduler>) -> Arc<Self> {
        Arc::new(Self { id, queued: AtomicBool::new(false), scheduler: Weak::clone(scheduler) })
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::SeqCst)
            && let Some(scheduler) = self.scheduler.upgrade()
        {
            scheduler.inner().ready.push(Ready::Task(self.id));
        }
    }
}

impl std::fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scheduler").finish_non_exhaustive()
    }
}

impl Scheduler {
    pub(crate) fn new(seed: u64, step_limit: u64, timeline: Arc<Timeline>) -> Arc<Self> {
        let inner = Inner {
            numbers: SeededNumbers::new(seed),
            ready: Vec::new(),
            tasks: BTreeMap::new(),
            next_task: MAIN + 1,
            step_limit,
            trace: 0,
            running: false,
            ended: false,
        };
        Arc::new_cyclic(|me| Self { inner: Mutex::new(inner), timeline, me: Weak::clone(me) })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn trace(&self) -> u64 {
        self.inner().trace
    }

    pub(crate) fn set_step_limit(&self, limit: u64) {
        self.inner().step_limit = limit;
    }

    pub(crate) fn step_limit(&self) -> u64 {
        self.inner().step_limit
    }

    /// Runs everything until `main` is done, or `stop` says so: then `None`.
    #[expect(clippy::panic, reason = "a test tool: a program that hangs must fail its test, saying why")]
    pub(crate) fn run<F: Future>(&self, main: F, stop: impl Fn() -> bool) -> Option<F::Output> {
        let _running = self.enter();
        let mut main = pin!(main);
        let waker = TaskWaker::new(MAIN, &self.me);
        waker.wake_by_ref();
        let mut steps = 0;
        loop {
            if stop() {
                return None;
            }
            self.timeline.wake_due();
            let Some(ready) = self.pick() else {
                if self.timeline.skip_to_next() {
                    continue;
                }
                let waiting = self.inner().tasks.len();
                panic!(
                    "simulated deadlock: the main future waits, {waiting} tasks wait, none can run, no timer is set"
                );
            };
            match ready {
                Ready::Task(MAIN) => {
                    if let Poll::Ready(output) = poll(main.as_mut(), &waker) {
                        return Some(output);
                    }
                }
                Ready::Task(id) => self.poll_task(id),
                Ready::Job(job) => job(),
            }
            steps += 1;
            if steps > self.inner().step_limit {
                panic!("simulated livelock: the main future is not done after {steps} steps");
            }
        }
    }

    #[expect(clippy::panic, reason = "a test tool: misuse must fail the test")]
    fn enter(&self) -> Running<'_> {
        let was_running = std::mem::replace(&mut self.inner().running, true);
        if was_running {
            panic!("block_on inside a simulated task or job: await instead");
        }
        Running(self)
    }

    /// Something that can run, by the seed.
    fn pick(&self) -> Option<Ready> {
        let mut inner = self.inner();
        let count = inner.ready.len();
        if count == 0 {
            return None;
        }
        let chosen = inner.numbers.index(count);
        let ready = inner.ready.swap_remove(chosen);
        let event = match &ready {
            Ready::Task(id) => *id,
            Ready::Job(_) => u64::MAX,
        };
        inner.trace = (inner.trace ^ event).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
        Some(ready)
    }

    fn poll_task(&self, id: TaskId) {
        // A task that is done may still be woken.
        let Some((mut task, waker)) = self.inner().tasks.remove(&id) else { return };
        if poll(task.as_mut(), &waker).is_pending() {
            let mut inner = self.inner();
            if inner.ended {
                drop(inner);
                drop(task);
            } else {
                inner.tasks.insert(id, (task, waker));
            }
        }
    }

    /// Drops all tasks and jobs, and every one that comes later.
    pub(crate) fn end(&self) {
        let mut inner = self.inner();
        inner.ended = true;
        let tasks = std::mem::take(&mut inner.tasks);
        let ready = std::mem::take(&mut inner.ready);
        drop(inner);
        // Their destructors may come back here: outside of the lock.
        drop(tasks);
        drop(ready);
    }
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Arc<TaskWaker>) -> Poll<F::Output> {
    waker.queued.store(false, Ordering::SeqCst);
    future.poll(&mut Context::from_waker(&Waker::from(Arc::clone(waker))))
}

/// Says that `block_on` has ended, also when a task panics.
struct Running<'a>(&'a Scheduler);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut inner = self.0.inner();
        inner.running = false;
        inner.ready.retain(|ready| !matches!(ready, Ready::Task(MAIN)));
    }
}

#[derive(Debug)]
pub(crate) struct SimExecutor(pub(crate) Arc<Scheduler>);

impl Executor for SimExecutor {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        let mut inner = self.0.inner();
        if inner.ended {
            drop(inner);
            drop(task);
            return;
        }
        let id = inner.next_task;
        inner.next_task += 1;
        let waker = TaskWaker::new(id, &self.0.me);
        inner.tasks.insert(id, (task, Arc::clone(&waker)));
        drop(inner);
        waker.wake();
    }

    fn spawn_blocking(&self, job: Box<dyn FnOnce() + Send + 'static>) {
        let mut inner = self.0.inner();
        if inner.ended {
            drop(inner);
            drop(job);
            return;
        }
        inner.ready.push(Ready::Job(job));
    }

    fn parallelism(&self) -> usize {
        PARALLELISM
    }
}
