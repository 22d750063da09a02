//! Waiting for the device, away from the threads of async runtimes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tsds_device::{Fault, Loss};
use tsds_traits::World;

use crate::readback::Answer;
use crate::work::Flight;

/// Something in a queue, and who waits for it.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) flight: Flight,
    /// Where what was read goes.
    pub(crate) answer: Arc<Answer>,
    /// Whom to tell.
    pub(crate) waiting: oneshot::Sender<Result<(), Fault>>,
}

/// Waits for what is in one queue, in its order: however much that is, in one job of the executor.
#[derive(Debug)]
pub(crate) struct Watch {
    /// Nobody waits any more.
    gone: Arc<Loss>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    watched: VecDeque<Watched>,
    /// Whether a job is there that will wait for what is watched.
    has_job: bool,
}

impl Watch {
    pub(crate) fn new(gone: Arc<Loss>) -> Arc<Self> {
        Arc::new(Self { gone, state: Mutex::default() })
    }

    /// Sees to it that whoever waits is told, by a job of the executor.
    pub(crate) fn until(self: &Arc<Self>, watched: Watched, world: &World) {
        let mut state = self.state();
        state.watched.push_back(watched);
        if !state.has_job {
            state.has_job = true;
            drop(state);
            let job = Job { watch: Arc::clone(self), is_through: false };
            world.executor.spawn_blocking(Box::new(move || job.run()));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
            let Some(Watched { flight, answer, waiting }) = state.watched.pop_front() else {
                state.has_job = false;
                drop(state);
                self.is_through = true;
                return;
            };
            drop(state);
            let outcome = flight.land(&answer);
            // Whoever does not wait any more does not want the result.
            let _ = waiting.send(outcome);
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if !self.is_through {
            self.watch.gone.lose("the executor has shut down");
            // Whatever the queue uses is let go of in order.
            let left = std::mem::take(&mut self.watch.state().watched);
            drop(left);
        }
    }
}
