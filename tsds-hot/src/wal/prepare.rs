//! Getting the next file ready before it is needed, and finding out whether a full disk has space again.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tsds_traits::{ErrorKind, Result};

use super::shared::Shared;

/// Starts a job that prepares the next file, unless one runs. Call without holding a lock.
pub(crate) fn prepare_ahead(shared: &Arc<Shared>) {
    if shared.preparing.swap(true, Ordering::AcqRel) {
        return;
    }
    let shared = shared.clone();
    shared.world.executor.clone().spawn_blocking(Box::new(move || {
        if let Err(error) = prepare(&shared) {
            tracing::warn!(%error, "cannot prepare the next file of the write-ahead log");
        }
        shared.preparing.store(false, Ordering::Release);
    }));
}

/// Prepares the next file if none is ready. Blocking.
///
/// # Errors
///
/// `NoSpace`, which the state then says as well, and as for I/O.
pub(crate) fn prepare(shared: &Shared) -> Result<()> {
    let prepared = shared.lock_pool().prepare();
    let mut state = shared.lock();
    match &prepared {
        Ok(()) => state.no_space = false,
        Err(error) if error.kind() == ErrorKind::NoSpace => state.no_space = true,
        Err(_) => {}
    }
    prepared
}
