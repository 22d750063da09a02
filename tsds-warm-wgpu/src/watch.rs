//! Waiting for the device, away from the threads of async runtimes.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tsds_device::Hold;
use tsds_traits::{World, panic_text};

use tsds_device::Loss;

/// How long to wait for another thread that may be calling back before calling into `wgpu` again.
const LOOK: Duration = Duration::from_millis(2);

/// Whether a work went through, or why not.
pub(crate) type Outcome = Result<(), String>;

/// A work that was submitted.
#[derive(Debug)]
pub(crate) struct Submitted {
    pub(crate) index: wgpu::SubmissionIndex,
    /// What the callback of the work says. Any call into `wgpu` may run it, also one of another thread.
    pub(crate) outcome: Receiver<Outcome>,
    /// Whom to tell.
    pub(crate) waiting: oneshot::Sender<Outcome>,
    /// What is let go of when the work has ended.
    pub(crate) holds: Option<Hold>,
}

/// Drives the device until submitted work is through: `wgpu` calls back only from calls into it. However many works are
/// under way, one job of the executor waits.
#[derive(Debug)]
pub(crate) struct Watch {
    device: wgpu::Device,
    loss: Arc<Loss>,
    /// Nobody waits any more.
    gone: Arc<Loss>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    submitted: VecDeque<Submitted>,
    /// Whether a job is there that will wait for what is submitted.
    is_watched: bool,
}

impl Watch {
    pub(crate) fn new(device: wgpu::Device, loss: Arc<Loss>, gone: Arc<Loss>) -> Self {
        Self { device, loss, gone, state: Mutex::default() }
    }

    /// Sees to it that whoever waits for this work is told, by a job of the executor.
    pub(crate) fn until(self: &Arc<Self>, submitted: Submitted, world: &World) {
        let mut state = self.state();
        state.submitted.push_back(submitted);
        if !state.is_watched {
            state.is_watched = true;
            drop(state);
            let job = Job { watch: Arc::clone(self), is_through: false };
            world.executor.spawn_blocking(Box::new(move || job.run()));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never with a timeout: when it is up, and calls of other threads see the end of all work before this one does, `wgpu` 30
    /// believes itself broken and panics.
    fn wait_for(&self, submission: wgpu::SubmissionIndex) {
        self.poll(wgpu::PollType::Wait { submission_index: Some(submission), timeout: None });
    }

    fn poll(&self, how: wgpu::PollType) {
        if self.loss.is_lost() {
            return;
        }
        // A device that is lost while it is waited for makes `wgpu` panic, too.
        match catch_unwind(AssertUnwindSafe(|| self.device.poll(how))) {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => self.loss.lose(format!("cannot wait for the device: {error}")),
            Err(panic) => self.loss.lose(format!("waiting for the device failed: {}", panic_text(&*panic))),
        }
    }
}

impl Watch {
    /// What the callback says, or said; nothing if the device is lost. That the work is through does not mean that it was called:
    /// another thread may be about to, or the next call into `wgpu` is what calls it.
    fn outcome(&self, told: &Receiver<Outcome>) -> Option<Outcome> {
        loop {
            match told.recv_timeout(LOOK) {
                Ok(outcome) => return Some(outcome),
                Err(RecvTimeoutError::Timeout) if !self.loss.is_lost() => self.poll(wgpu::PollType::Poll),
                Err(_) => return None,
            }
        }
    }
}

/// The job that waits. An executor that shuts down drops it without having run it.
struct Job {
    watch: Arc<Watch>,
    is_through: bool,
}

impl Job {
    fn run(mut self) {
        loop {
            let mut state = self.watch.state();
            let Some(Submitted { index, outcome, waiting, holds }) = state.submitted.pop_front() else {
                state.is_watched = false;
                drop(state);
                self.is_through = true;
                return;
            };
            drop(state);
            self.watch.wait_for(index);
            if let Some(outcome) = self.watch.outcome(&outcome) {
                // What was held is free when whoever waits is told. If nobody does, the result is not wanted.
                drop(holds);
                let _ = waiting.send(outcome);
            }
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if !self.is_through {
            self.watch.gone.lose("the executor has shut down");
        }
    }
}
