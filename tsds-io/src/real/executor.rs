//! Tasks and blocking jobs on a Tokio runtime.
#![allow(clippy::disallowed_methods, reason = "implements what the rest of TSDS must use instead")]

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tsds_traits::Executor;

type Job = Box<dyn FnOnce() + Send + 'static>;

/// Jobs wait for disks as much as they compute: with one per core, one slow sync would hold up all others.
const JOBS_PER_CORE: usize = 4;
const LEAST_JOBS: usize = 16;
/// How long a worker that has nothing to do waits for a job. Long against the pauses of a busy engine: a worker that leaves gives its thread
/// back a moment after it is no longer counted, and a job that comes in between would have Tokio start another thread, and another.
const LINGER: Duration = Duration::from_secs(1);

/// Runs tasks on a Tokio runtime, and at most a few blocking jobs per core at the same time on its blocking threads; the
/// others wait in the order in which they came.
///
/// A panic in a task or job ends that one alone. When the runtime shuts down, what has not run is dropped. A thread that has run jobs
/// waits a second for the next one, in which it counts among the runtime's blocking threads: give a runtime of your own room for
/// some more than [`default_job_limit`](Self::default_job_limit), and drop databases before it.
#[derive(Clone, Debug)]
pub struct TokioExecutor {
    handle: Handle,
    pool: Arc<Pool>,
    /// Dropped with the last executor of the pool.
    _used: Arc<Used>,
    parallelism: usize,
}

impl TokioExecutor {
    /// An executor on a runtime that somebody else owns.
    pub fn new(handle: Handle) -> Self {
        Self::with_job_limit(handle, Self::default_job_limit())
    }

    /// How many blocking jobs an executor runs at the same time on this machine, unless it is told otherwise.
    pub fn default_job_limit() -> usize {
        let parallelism = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        (parallelism * JOBS_PER_CORE).max(LEAST_JOBS)
    }

    /// As [`new`](Self::new), with at most `limit` blocking jobs at the same time, at least 1.
    pub fn with_job_limit(handle: Handle, limit: usize) -> Self {
        let parallelism = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let pool = Arc::new(Pool { limit: limit.max(1), queue: Mutex::default(), work: Condvar::new() });
        let used = Arc::new(Used(Arc::clone(&pool)));
        Self { handle, pool, _used: used, parallelism }
    }
}

impl TokioExecutor {
    /// Starts a worker if there is a job that none of those takes who wait for one, and room.
    fn start_worker(&self, mut queue: MutexGuard<'_, Queue>) {
        if queue.jobs.len() <= queue.waiting || queue.workers >= self.pool.limit.saturating_add(queue.stuck) {
            return;
        }
        queue.workers += 1;
        drop(queue);
        let worker = Worker { pool: Arc::clone(&self.pool), counted: true };
        self.handle.spawn_blocking(move || worker.run());
    }

    /// Drops the jobs that have not begun, and all that come later.
    pub(super) fn close(&self) {
        let mut queue = self.pool.queue();
        queue.closed = true;
        let jobs = std::mem::take(&mut queue.jobs);
        drop(queue);
        self.pool.work.notify_all();
        drop(jobs);
    }
}

impl Executor for TokioExecutor {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.handle.spawn(task);
    }

    fn spawn_blocking(&self, job: Job) {
        let mut queue = self.pool.queue();
        if queue.closed {
            drop(queue);
            drop(job);
            return;
        }
        queue.jobs.push_back(job);
        self.pool.work.notify_one();
        self.start_worker(queue);
    }

    fn parallelism(&self) -> usize {
        self.parallelism
    }

    fn stuck_jobs(&self, change: isize) {
        for _ in 0..change.unsigned_abs() {
            let mut queue = self.pool.queue();
            queue.stuck = if change > 0 { queue.stuck + 1 } else { queue.stuck.saturating_sub(1) };
            self.start_worker(queue);
        }
    }
}

struct Pool {
    limit: usize,
    queue: Mutex<Queue>,
    /// There is a job, or there will be none.
    work: Condvar,
}

/// That somebody can still bring jobs.
#[derive(Debug)]
struct Used(Arc<Pool>);

impl Drop for Used {
    fn drop(&mut self) {
        self.0.queue().abandoned = true;
        self.0.work.notify_all();
    }
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    workers: usize,
    /// Workers that wait for a job.
    waiting: usize,
    /// Workers whose job does not return, and which others replace.
    stuck: usize,
    closed: bool,
    /// No more jobs come; those that wait are run.
    abandoned: bool,
}

impl Pool {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// One blocking thread at work.
struct Worker {
    pool: Arc<Pool>,
    /// Whether the pool counts on it to run the jobs that wait.
    counted: bool,
}

impl Worker {
    fn run(mut self) {
        while let Some(job) = self.next() {
            // A job that panics has told its waiter, if any, by dropping what that one waits for.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
        }
    }

    /// The next job, which may take a while to come; or, in the same breath as giving up, the pool stops counting on this worker.
    fn next(&mut self) -> Option<Job> {
        let mut queue = self.pool.queue();
        let mut is_late = false;
        let job = loop {
            if queue.workers > self.pool.limit.saturating_add(queue.stuck) {
                // It may have been woken for a job, which is then another's.
                self.pool.work.notify_one();
                break None;
            }
            let job = queue.jobs.pop_front();
            if job.is_some() || is_late || queue.closed || queue.abandoned {
                break job;
            }
            queue.waiting += 1;
            let waited = self.pool.work.wait_timeout(queue, LINGER);
            let (again, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            queue = again;
            queue.waiting -= 1;
            is_late = timeout.timed_out();
        };
        if job.is_none() {
            queue.workers -= 1;
            self.counted = false;
        }
        job
    }
}

impl Drop for Worker {
    /// Comes while still counted on only when the runtime shuts down before it has started: then whoever waits for a job
    /// must hear that none will run.
    fn drop(&mut self) {
        if self.counted {
            let mut queue = self.pool.queue();
            queue.workers -= 1;
            let jobs = std::mem::take(&mut queue.jobs);
            drop(queue);
            drop(jobs);
        }
    }
}
