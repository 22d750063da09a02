//! What all parts of an open database share.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, oneshot};
use tsds_segment::SegmentStore;
use tsds_traits::{
    DatabaseId, Error, ErrorKind, Registry, Result, SegmentId, Sequence, VfsLock, WalSink, World,
};

use crate::batches::KnownBatches;
use crate::catalog::{Catalog, DatabaseRecord, Edit};
use crate::config::{LiveSettings, Settings};
use crate::guard::{GuardedEvictor, GuardedTier, Health, Watch};
use crate::hot::{HardLimit, HotBudget};
use crate::ingest::Writer;
use crate::query::spill::Spilled;
use crate::recovery::RecoveryReport;
use crate::version::{Reclaim, Version};
use crate::warm::Warm;

/// How many segment numbers the catalog gives out at once.
const SEGMENT_BLOCK: u64 = 4096;

pub(crate) struct Core {
    pub world: World,
    pub settings: LiveSettings,
    pub registry: Registry,
    pub path: PathBuf,
    pub database: DatabaseId,
    pub catalog: Arc<Catalog>,
    /// What the catalog says of the database; held while a commit changes it.
    pub record: tokio::sync::Mutex<DatabaseRecord>,
    pub version: ArcSwap<Version>,
    /// Held while what the catalog says of a table is made or changed: from reading its record until the new one is installed.
    pub records: tokio::sync::Mutex<()>,
    /// Held while a version is derived from the current one and installed.
    install: Mutex<()>,
    pub wal: Arc<dyn WalSink>,
    pub writer: Writer,
    pub batches: Arc<KnownBatches>,
    pub budget: Arc<HotBudget>,
    pub segments: SegmentStore,
    /// As `segments`, written in the codec that is always there.
    pub plain_segments: SegmentStore,
    /// How the codec of `segments` behaves.
    pub file_codec: Arc<Health>,
    /// Watches over the plugins.
    pub watch: Arc<Watch>,
    /// Holds recent segments in memory or on a device.
    pub warm: Arc<Warm>,
    pub cold: GuardedTier,
    pub evictor: GuardedEvictor,
    pub reclaim: Reclaim,
    /// What sorts have written to disk.
    pub spilled: Spilled,
    pub mover: crate::mover::MoverState,
    pub recovery: RecoveryReport,
    segment_numbers: tokio::sync::Mutex<NumberBlock>,
    pins: Mutex<BTreeMap<u64, Duration>>,
    next_pin: AtomicU64,
    /// The first failure after which writes are refused.
    failure: Mutex<Option<Error>>,
    closing: AtomicBool,
    pub closing_notify: Notify,
    /// Keeps other processes out; released at close.
    lock: Mutex<Option<Box<dyn VfsLock>>>,
}

impl fmt::Debug for Core {
    /// Says which database it is: what prints a table or a query must not print the rows in memory.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Core");
        debug.field("path", &self.path).field("database", &self.database).finish_non_exhaustive()
    }
}

/// Numbers that the catalog has given out and nobody has used.
#[derive(Debug)]
struct NumberBlock {
    next: u64,
    reserved: u64,
}

/// Everything that [`Core::new`] needs and recovery has made.
pub(crate) struct Parts {
    pub world: World,
    pub settings: Settings,
    pub registry: Registry,
    pub path: PathBuf,
    pub catalog: Arc<Catalog>,
    pub record: DatabaseRecord,
    pub version: Version,
    pub wal: Arc<dyn WalSink>,
    pub next_sequence: Sequence,
    pub batches: Arc<KnownBatches>,
    pub budget: Arc<HotBudget>,
    pub segments: SegmentStore,
    pub plain_segments: SegmentStore,
    pub file_codec: Arc<Health>,
    pub watch: Arc<Watch>,
    pub warm: Arc<Warm>,
    pub cold: GuardedTier,
    pub evictor: GuardedEvictor,
    pub reclaim: Reclaim,
    pub recovery: RecoveryReport,
    pub lock: Box<dyn VfsLock>,
}

impl Core {
    pub(crate) fn new(parts: Parts) -> Self {
        let numbers =
            NumberBlock { next: parts.record.segments_reserved, reserved: parts.record.segments_reserved };
        Self {
            writer: Writer::new(parts.next_sequence, parts.record.sequences_reserved),
            database: parts.record.database,
            world: parts.world,
            settings: LiveSettings::new(parts.settings),
            registry: parts.registry,
            path: parts.path,
            catalog: parts.catalog,
            record: tokio::sync::Mutex::new(parts.record),
            version: ArcSwap::from_pointee(parts.version),
            records: tokio::sync::Mutex::new(()),
            install: Mutex::new(()),
            wal: parts.wal,
            batches: parts.batches,
            budget: parts.budget,
            segments: parts.segments,
            plain_segments: parts.plain_segments,
            file_codec: parts.file_codec,
            watch: parts.watch,
            warm: parts.warm,
            cold: parts.cold,
            evictor: parts.evictor,
            reclaim: parts.reclaim,
            spilled: Spilled::default(),
            mover: crate::mover::MoverState::default(),
            recovery: parts.recovery,
            segment_numbers: tokio::sync::Mutex::new(numbers),
            pins: Mutex::new(BTreeMap::new()),
            next_pin: AtomicU64::new(0),
            failure: Mutex::new(None),
            closing: AtomicBool::new(false),
            closing_notify: Notify::new(),
            lock: Mutex::new(Some(parts.lock)),
        }
    }

    /// Time on the monotonic clock.
    pub(crate) fn now(&self) -> Duration {
        self.world.clock.monotonic()
    }

    /// Runs blocking work on the executor's pool.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        (*self.world.executor).blocking(job).await
    }

    /// Runs work to its end, also if the caller stops waiting. Between a commit and the version that shows it, memory and
    /// catalog differ: to stop there would seal or move the same rows twice.
    pub(crate) async fn detached<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = oneshot::channel();
        self.world.executor.spawn(Box::pin(async move {
            let outcome = work.await;
            // Nobody waits any more: what was done stands all the same.
            let _ = sender.send(outcome);
        }));
        let stopped = || Error::new(ErrorKind::Closed, "the executor stopped before the work was done");
        receiver.await.map_err(|_| stopped())?
    }

    /// Commits edits, and what `change` does to the database's record, in one catalog transaction; it also notes how far the
    /// log is durable.
    ///
    /// # Errors
    ///
    /// As the catalog's. Whatever is not `NoSpace` leaves the outcome unknown and stops all writes until reopening.
    pub(crate) async fn commit(
        &self,
        mut edits: Vec<Edit>,
        change: impl FnOnce(&mut DatabaseRecord) + Send,
    ) -> Result<()> {
        self.check_writable()?;
        let mut record = self.record.lock().await;
        let mut changed = record.clone();
        change(&mut changed);
        changed.note_durable(&*self.wal);
        if changed != *record {
            edits.push(Edit::SetDatabase(changed.clone()));
        }
        let catalog = Arc::clone(&self.catalog);
        match self.blocking(move || catalog.commit(&edits)).await {
            Ok(()) => {
                *record = changed;
                Ok(())
            }
            Err(error) => {
                if error.kind() != ErrorKind::NoSpace {
                    self.fail(&error);
                }
                Err(error)
            }
        }
    }

    /// `count` segment numbers that were never used.
    pub(crate) async fn segment_numbers(&self, count: usize) -> Result<Vec<SegmentId>> {
        let mut block = self.segment_numbers.lock().await;
        let end = block.next.saturating_add(count as u64);
        if end > block.reserved {
            let reserved = end.saturating_add(SEGMENT_BLOCK);
            self.commit(vec![], move |record| record.segments_reserved = reserved).await?;
            block.reserved = reserved;
        }
        let first = block.next;
        block.next = end;
        Ok((first + 1..=end).map(SegmentId::new).collect())
    }

    /// Derives the next version from the current one and installs it. `derive` must not block.
    pub(crate) fn install(&self, derive: impl FnOnce(&Version) -> Result<Version>) -> Result<()> {
        let _guard = lock(&self.install);
        let next = derive(&self.version.load())?;
        self.version.store(Arc::new(next));
        Ok(())
    }

    /// The settings in effect now.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.settings.now()
    }

    /// The limits at which writers wait.
    pub(crate) fn hard_limit(&self) -> HardLimit {
        let settings = self.settings();
        let hot = &settings.hot_tier;
        HardLimit { rows: hot.max_records + hot.max_records / 4, bytes: (hot.max_memory_mb << 20) * 5 / 4 }
    }

    /// Stops all writes until the database is opened again; the first cause stays.
    pub(crate) fn fail(&self, error: &Error) {
        let mut failure = lock(&self.failure);
        if failure.is_none() {
            tracing::error!(error = %error, "writes are stopped until the database is opened again");
            *failure = Some(error.duplicate());
        }
    }

    /// # Errors
    ///
    /// `Closed` once the database is closed, or after a failure whose outcome is unknown, which is the source.
    pub(crate) fn check_writable(&self) -> Result<()> {
        if let Some(failure) = &*lock(&self.failure) {
            return Err(Error::new(
                ErrorKind::Closed,
                "writes are stopped after a failed write; reads go on; open the database again to write",
            )
            .with("cause", failure)
            .with_source(failure.duplicate()));
        }
        Ok(())
    }

    /// # Errors
    ///
    /// `Closed` once the database is closed.
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.is_closing() {
            return Err(Error::new(ErrorKind::Closed, "the database is closed"));
        }
        Ok(())
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Makes background work end. Returns whether this was the first call.
    pub(crate) fn begin_closing(&self) -> bool {
        let first = !self.closing.swap(true, Ordering::AcqRel);
        self.closing_notify.notify_waiters();
        self.mover.wake();
        self.warm.wake();
        first
    }

    /// Completes when the database closes.
    pub(crate) async fn closed(&self) {
        loop {
            let notified = self.closing_notify.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if self.is_closing() {
                return;
            }
            notified.await;
        }
    }

    pub(crate) fn release_lock(&self) {
        lock(&self.lock).take();
    }

    /// Notes that somebody holds a version.
    pub(crate) fn pin(self: &Arc<Self>) -> Pin {
        let number = self.next_pin.fetch_add(1, Ordering::Relaxed);
        lock(&self.pins).insert(number, self.now());
        Pin { core: Arc::clone(self), number }
    }

    /// For how long the oldest version that somebody holds is held.
    pub(crate) fn oldest_pin(&self) -> Option<Duration> {
        let now = self.now();
        lock(&self.pins).values().min().map(|since| now.saturating_sub(*since))
    }
}

/// Somebody holds a version, until dropped.
#[derive(Debug)]
pub(crate) struct Pin {
    core: Arc<Core>,
    number: u64,
}

impl Drop for Pin {
    fn drop(&mut self) {
        lock(&self.core.pins).remove(&self.number);
    }
}

/// Locks a mutex whose data is sound even if a holder panicked: every critical section here is a few assignments.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
