//! Getting the next file ready before it is needed, and finding out whether a full disk has space again.

use std::sync::Arc;

use tsds_traits::{ErrorKind, Result};

use super::shared::Shared;
use super::state::Phase;

/// Starts a job that prepares the next file, unless one runs. Call without holding a lock.
pub(crate) fn prepare_ahead(shared: &Arc<Shared>) {
    if std::mem::replace(&mut shared.lock().preparing, true) {
        return;
    }
    let job = Job(shared.clone());
    shared.world.executor.spawn_blocking(Box::new(move || {
        if let Err(error) = prepare(&job.0) {
            tracing::warn!(%error, "cannot prepare the next file of the write-ahead log");
        }
    }));
}

/// Says that the job is over, also if it never ran.
struct Job(Arc<Shared>);

impl Drop for Job {
    fn drop(&mut self) {
        self.0.lock().preparing = false;
        self.0.changed.notify_waiters();
    }
}

/// Prepares the next file if none is ready. Blocking.
///
/// # Errors
///
/// `NoSpace`, which the state then says as well, and as for I/O.
pub(crate) fn prepare(shared: &Shared) -> Result<()> {
    let mut pool = shared.lock_pool();
    if matches!(shared.lock().phase, Phase::Closed | Phase::Poisoned) {
        return Ok(());
    }
    let prepared = pool.prepare();
    drop(pool);
    let mut state = shared.lock();
    match &prepared {
        Ok(()) => state.no_space = false,
        Err(error) if error.kind() == ErrorKind::NoSpace => state.no_space = true,
        Err(_) => {}
    }
    prepared
}
