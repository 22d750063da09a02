//! Memtables under the hot tier's budget: what they take is counted until the last reader lets go of them.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrow_array::RecordBatch;
use tokio::sync::Notify;
use tsds_hot::Memtable;
use tsds_traits::{Clock, Error, ErrorKind, Result, Sequence, TableSchema};

/// Rows and bytes in memory, those that are being sealed or still pinned by a reader included.
#[derive(Debug, Default)]
pub(crate) struct HotBudget {
    rows: AtomicU64,
    bytes: AtomicU64,
    released: Notify,
}

/// The most that memory may hold before writers wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HardLimit {
    pub rows: u64,
    pub bytes: u64,
}

impl HotBudget {
    pub(crate) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Acquire)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    fn has_room(&self, limit: HardLimit) -> bool {
        self.rows() < limit.rows && self.bytes() < limit.bytes
    }

    /// Makes those who wait for room look again.
    pub(crate) fn wake(&self) {
        self.released.notify_waiters();
    }

    /// Waits until memory is below its hard limit, at most `timeout`. A write that begins below the limit may end above it,
    /// so that no batch is too large to be written at all.
    ///
    /// # Errors
    ///
    /// `Exhausted`, retryable, after `timeout`.
    pub(crate) async fn admit(
        &self,
        limit: impl Fn() -> HardLimit,
        timeout: Duration,
        clock: &dyn Clock,
    ) -> Result<()> {
        let mut deadline = clock.sleep(timeout);
        loop {
            let released = self.released.notified();
            tokio::pin!(released);
            // Registered before the check, or a release between the two would be missed.
            released.as_mut().enable();
            // Asked anew each time: the settings may have changed.
            let limit = limit();
            if self.has_room(limit) {
                return Ok(());
            }
            let waited = futures::future::select(released, deadline).await;
            match waited {
                futures::future::Either::Left((_, remaining)) => deadline = remaining,
                futures::future::Either::Right(_) => {
                    return Err(Error::new(
                        ErrorKind::Exhausted,
                        "memory for unsealed rows is full; write slower, or raise hot_tier.max_records or max_memory_mb",
                    )
                    .with("rows", self.rows())
                    .with("bytes", self.bytes())
                    .with("limit_rows", limit.rows)
                    .with("limit_bytes", limit.bytes));
                }
            }
        }
    }
}

/// A memtable that counts against the budget for as long as anybody holds it.
#[derive(Debug)]
pub(crate) struct HotMemtable {
    memtable: Memtable,
    budget: Arc<HotBudget>,
    /// The sequence of the first row, or 0.
    first: AtomicU64,
    created: Duration,
}

impl HotMemtable {
    pub(crate) fn new(
        schema: Arc<TableSchema>,
        after: Sequence,
        budget: Arc<HotBudget>,
        created: Duration,
    ) -> Arc<Self> {
        Arc::new(Self { memtable: Memtable::new(schema, after), budget, first: AtomicU64::new(0), created })
    }

    /// Makes rows visible. One caller at a time, in the order of sequences.
    ///
    /// # Errors
    ///
    /// As [`Memtable::append`].
    pub(crate) fn append(&self, sequence: Sequence, rows: RecordBatch) -> Result<()> {
        let before = (self.memtable.rows(), self.memtable.bytes());
        self.memtable.append(sequence, rows)?;
        let _ = self.first.compare_exchange(0, sequence.0, Ordering::AcqRel, Ordering::Acquire);
        self.budget.rows.fetch_add(self.memtable.rows().saturating_sub(before.0), Ordering::AcqRel);
        self.budget.bytes.fetch_add(self.memtable.bytes().saturating_sub(before.1), Ordering::AcqRel);
        Ok(())
    }

    /// The sequence of the first row; `None` without rows.
    pub(crate) fn first(&self) -> Option<Sequence> {
        Some(self.first.load(Ordering::Acquire)).filter(|first| *first > 0).map(Sequence)
    }

    /// When the memtable was made, on the monotonic clock.
    pub(crate) fn created(&self) -> Duration {
        self.created
    }
}

impl Deref for HotMemtable {
    type Target = Memtable;

    fn deref(&self) -> &Memtable {
        &self.memtable
    }
}

impl Drop for HotMemtable {
    fn drop(&mut self) {
        self.budget.rows.fetch_sub(self.memtable.rows(), Ordering::AcqRel);
        self.budget.bytes.fetch_sub(self.memtable.bytes(), Ordering::AcqRel);
        self.budget.released.notify_waiters();
    }
}
