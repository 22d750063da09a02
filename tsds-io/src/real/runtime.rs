//! A runtime for programs that have none.
#![allow(clippy::disallowed_methods, reason = "implements what the rest of TSDS must use instead")]

use std::future::Future;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tsds_traits::{Error, ErrorKind, Result, World};

use super::{TokioExecutor, world_on};

/// How long dropping a [`Runtime`] waits for jobs that are running.
const PATIENCE: Duration = Duration::from_secs(5);

/// Threads of one's own, for programs without an async runtime (a command line, Python, a C caller), and the real world on
/// them.
///
/// Dropping it drops all tasks, waits up to 5 s for jobs that are running (not at all when dropped inside an async task),
/// and drops jobs that have not begun.
#[derive(Debug)]
pub struct Runtime {
    /// `None` only while dropping.
    tokio: Option<tokio::runtime::Runtime>,
    handle: Handle,
    executor: TokioExecutor,
    world: World,
}

impl Runtime {
    /// Starts the threads: `worker_threads` for tasks, or one per core.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for 0 threads; `Exhausted` if the system gives no threads.
    pub fn new(worker_threads: Option<usize>) -> Result<Self> {
        let mut builder = Builder::new_multi_thread();
        builder.thread_name("tsds").enable_all();
        match worker_threads {
            Some(0) => return Err(Error::invalid_input("a runtime needs at least one worker thread")),
            Some(threads) => {
                builder.worker_threads(threads);
            }
            None => {}
        }
        let tokio = builder.build().map_err(|error| {
            Error::new(ErrorKind::Exhausted, "cannot start the threads of the runtime").with_source(error)
        })?;
        let handle = tokio.handle().clone();
        let executor = TokioExecutor::new(handle.clone());
        let world = world_on(executor.clone(), handle.clone());
        Ok(Self { tokio: Some(tokio), handle, executor, world })
    }

    /// Runs a future to its end on the calling thread.
    ///
    /// # Panics
    ///
    /// When called inside an async task: await there instead.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.handle.block_on(future)
    }

    /// The real world, with its tasks on these threads.
    pub fn world(&self) -> World {
        self.world.clone()
    }

    /// The Tokio runtime beneath.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let Some(tokio) = self.tokio.take() else { return };
        self.executor.close();
        if Handle::try_current().is_ok() {
            tokio.shutdown_background();
        } else {
            tokio.shutdown_timeout(PATIENCE);
        }
    }
}
