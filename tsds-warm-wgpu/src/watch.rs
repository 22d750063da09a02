//! Waiting for the device, away from the threads of async runtimes.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tsds_traits::{World, panic_text};

use crate::fault::Loss;

/// Drives the device until submitted work is through: `wgpu` calls back only from calls into it. However many works are
/// under way, one job of the executor waits.
#[derive(Debug)]
pub(crate) struct Watch {
    device: wgpu::Device,
    loss: Arc<Loss>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    submitted: VecDeque<wgpu::SubmissionIndex>,
    /// Whether a job is there that will wait for what is submitted.
    is_watched: bool,
}

impl Watch {
    pub(crate) fn new(device: wgpu::Device, loss: Arc<Loss>) -> Self {
        Self { device, loss, state: Mutex::default() }
    }

    /// Sees to it that the callbacks of this submission are called.
    pub(crate) fn until(self: &Arc<Self>, submission: wgpu::SubmissionIndex, world: &World) {
        let mut state = self.state();
        state.submitted.push_back(submission);
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

    fn wait_for(&self, submission: wgpu::SubmissionIndex) {
        if self.loss.is_lost() {
            return;
        }
        // Never with a timeout: when it is up, and calls of other threads see the end of all work before this one does, `wgpu`
        // 30 believes itself broken and panics.
        let wait = wgpu::PollType::Wait { submission_index: Some(submission), timeout: None };
        // A device that is lost while it is waited for makes `wgpu` panic, too.
        match catch_unwind(AssertUnwindSafe(|| self.device.poll(wait))) {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => self.loss.lose(format!("cannot wait for the device: {error}")),
            Err(panic) => self.loss.lose(format!("waiting for the device failed: {}", panic_text(&*panic))),
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
            let Some(submission) = state.submitted.pop_front() else {
                state.is_watched = false;
                drop(state);
                self.is_through = true;
                return;
            };
            drop(state);
            self.watch.wait_for(submission);
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if !self.is_through {
            self.watch.loss.lose("the executor has shut down");
        }
    }
}
