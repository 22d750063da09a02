//! The parts of an open log that its callers, jobs and tasks share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tsds_traits::World;

use super::settings::WalSettings;
use super::state::State;
use super::write::{FilePool, Writer};

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) world: World,
    pub(crate) settings: WalSettings,
    pub(crate) state: Mutex<State>,
    /// Rung after every change of the state that somebody may wait for.
    pub(crate) changed: Notify,
    /// Rung when the log closes, for the task that waits for a pause.
    pub(crate) closing: Arc<Notify>,
    /// Locked by the job that writes, for as long as it runs.
    pub(crate) writer: Mutex<Writer>,
    /// Locked while files are made or given away. Taken after `writer` and never with `state` held.
    pub(crate) pool: Arc<Mutex<FilePool>>,
}

impl Shared {
    pub(crate) fn new(
        world: World,
        settings: WalSettings,
        state: State,
        writer: Writer,
        pool: Arc<Mutex<FilePool>>,
    ) -> Self {
        Self {
            world,
            settings,
            state: Mutex::new(state),
            changed: Notify::new(),
            closing: Arc::new(Notify::new()),
            writer: Mutex::new(writer),
            pool,
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn lock_pool(&self) -> MutexGuard<'_, FilePool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
