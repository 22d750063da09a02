//! The mover: seals memtables into segments, keeps recent segments in memory, moves old ones to cold files, and removes what
//! nobody reads any more. Three loops, each of which can also be driven by hand.

mod cold;
mod interval;
mod merge;
mod reclaim;
mod resident;
mod seal;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::channel::mpsc::UnboundedReceiver;
use futures::future::{Either, select};
use tokio::sync::Notify;
use tsds_traits::{Error, ErrorKind, Result, TableId};

use crate::catalog::RemovalRecord;
use crate::core::Core;
use crate::version::TableVersion;
use seal::freeze_rows;

/// How long a loop waits after a failure before it tries again.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(500);
/// How long it waits if a plugin that it needs is disabled.
const PAUSE_WHILE_DISABLED: Duration = Duration::from_secs(60);
/// How often the sealing loop looks at the age of memtables.
const AGE_CHECK: Duration = Duration::from_secs(5);

/// What the loops share.
#[derive(Debug, Default)]
pub(crate) struct MoverState {
    wake_sealing: Notify,
    wake_moving: Notify,
    /// One sealing pass at a time.
    sealing: tokio::sync::Mutex<()>,
    /// One moving pass at a time.
    moving: tokio::sync::Mutex<()>,
    /// One removal at a time.
    removing: tokio::sync::Mutex<()>,
    /// Memory went over its mark and has not come down to its target yet.
    shrinking: AtomicBool,
}

impl MoverState {
    /// Waits for the passes that run, and keeps others from beginning.
    pub(crate) async fn quiesce(&self) -> [tokio::sync::MutexGuard<'_, ()>; 3] {
        [self.sealing.lock().await, self.moving.lock().await, self.removing.lock().await]
    }

    /// Makes the loops look for work.
    pub(crate) fn wake(&self) {
        self.wake_sealing.notify_one();
        self.wake_moving.notify_one();
    }
}

/// Starts the loops. They end when the database closes or its last handle is dropped.
pub(crate) fn start(core: &Arc<Core>, garbage: UnboundedReceiver<RemovalRecord>) {
    let executor = Arc::clone(&core.world.executor);
    executor.spawn(Box::pin(run(Arc::downgrade(core), Step::Seal)));
    executor.spawn(Box::pin(run(Arc::downgrade(core), Step::Move)));
    executor.spawn(Box::pin(reclaim::run(Arc::downgrade(core), garbage)));
    if core.warm.has_device() {
        executor.spawn(Box::pin(crate::warm::keep_alive(Arc::downgrade(core))));
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Seal,
    Move,
}

/// Works until there is nothing to do, then waits to be woken.
async fn run(weak: Weak<Core>, step: Step) {
    loop {
        let Some(core) = weak.upgrade().filter(|core| !core.is_closing()) else { return };
        let worked = match step {
            Step::Seal => core.seal_pass(false).await,
            Step::Move => core.move_pass().await,
        };
        let pause = match worked {
            Ok(true) => continue,
            Ok(false) => AGE_CHECK,
            Err(error) if error.kind() == ErrorKind::Closed => return,
            Err(error) => {
                tracing::warn!(?step, %error, "moving rows failed; trying again");
                if core.cold.health().is_disabled() { PAUSE_WHILE_DISABLED } else { PAUSE_AFTER_FAILURE }
            }
        };
        let timer = core.world.clock.sleep(pause);
        let state = core.clone();
        let notified = async move {
            match step {
                Step::Seal => state.mover.wake_sealing.notified().await,
                Step::Move => state.mover.wake_moving.notified().await,
            }
        };
        // A strong handle held here would keep a database open that its owner has dropped: while waiting, only the
        // notification holds one, and closing wakes it.
        drop(core);
        match select(Box::pin(notified), timer).await {
            Either::Left(_) | Either::Right(_) => {}
        }
    }
}

impl Core {
    /// Whether memory is over a mark that sealing answers to.
    pub(crate) fn needs_sealing(&self) -> bool {
        let settings = self.settings();
        let hot = &settings.hot_tier;
        let share = hot.eviction_threshold_pct;
        self.budget.rows() as f64 > hot.max_records as f64 * share
            || self.budget.bytes() as f64 > (hot.max_memory_mb << 20) as f64 * share
            || {
                let rows = freeze_rows(hot);
                self.version.load().tables.values().any(|table| table.active.rows() >= rows)
            }
    }

    /// Does all that there is to do, until nothing is left.
    ///
    /// # Errors
    ///
    /// The first failure of any step.
    pub(crate) async fn settle(self: &Arc<Self>) -> Result<()> {
        loop {
            let sealed = self.seal_pass(false).await?;
            let moved = self.move_pass().await?;
            if !sealed && !moved {
                return Ok(());
            }
        }
    }

    /// Seals everything in memory.
    ///
    /// # Errors
    ///
    /// As sealing.
    pub(crate) async fn flush(self: &Arc<Self>) -> Result<()> {
        while self.seal_pass(true).await? {}
        Ok(())
    }

    fn table_ids(&self) -> Vec<TableId> {
        self.version.load().tables.keys().copied().collect()
    }

    /// Installs a changed table after checking that it still accounts for every row.
    pub(crate) fn install_table(&self, table: TableId, change: impl FnOnce(&mut TableVersion)) -> Result<()> {
        self.install(|version| {
            let current = version
                .tables
                .get(&table)
                .ok_or_else(|| Error::internal("table is gone").with("table", table))?;
            let mut next = TableVersion::clone(current);
            change(&mut next);
            next.sort_segments();
            crate::version::check_tiling(
                &next.record,
                &next.seals,
                next.segments.iter().map(|entry| &*entry.meta),
            )?;
            Ok(version.with_table(next))
        })
    }
}
