//! [`Health`]: what is known of a plugin's behaviour.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{Notify, Semaphore};
use tsds_traits::{Error, ErrorKind, Executor, Result, Retry, panic_text};

use crate::core::lock;

/// How many jobs of one plugin run at the same time: a plugin that hangs must leave the blocking pool, which has at least 16
/// places, to the others until it is found out.
const JOBS_AT_ONCE: usize = 3;

/// How a plugin has behaved since the database was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PluginStats {
    /// Its id.
    pub id: &'static str,
    /// `tier`, `codec`, `wal` or `evictor`.
    pub role: &'static str,
    /// Calls that panicked.
    pub panics: u64,
    /// Calls that did not answer by `performance.plugin_deadline_seconds`.
    pub timeouts: u64,
    /// Answers that were not what the plugin's contract says.
    pub broken_promises: u64,
    /// Threads that are inside a call which was given up. They are free again once the call returns.
    pub abandoned_threads: u64,
    /// Why the plugin is not used any more; absent while it is.
    pub disabled: Option<String>,
}

/// Counts what a plugin does wrong, knows which of its calls are running, and whether it is still used.
pub(crate) struct Health {
    id: &'static str,
    role: &'static str,
    /// Ships with the engine: proven by the conformance suite not to block, and to answer rightly.
    shipped: bool,
    /// The engine has something else that does the same: one hang is enough to do without the plugin.
    replaceable: AtomicBool,
    panics: AtomicU64,
    timeouts: AtomicU64,
    broken_promises: AtomicU64,
    disabled: AtomicBool,
    reason: Mutex<Option<String>>,
    turned_off: Notify,
    running: Mutex<Vec<Call>>,
    next_call: AtomicU64,
    jobs: Arc<Semaphore>,
    executor: Arc<dyn Executor>,
}

/// A call that is inside the plugin's code.
#[derive(Debug)]
struct Call {
    number: u64,
    operation: &'static str,
    /// How often the watchdog has seen it.
    sightings: u32,
    abandoned: bool,
}

/// Marks an error that says that a plugin broke its contract, so that what it answered before is not trusted either.
#[derive(Debug)]
struct BrokenPromise;

impl fmt::Display for BrokenPromise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the plugin does not keep its contract")
    }
}

impl std::error::Error for BrokenPromise {}

/// Whether the error is from [`Health::broken`].
pub(crate) fn is_broken_promise(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<BrokenPromise>())
}

impl Health {
    pub(super) fn new(id: &'static str, role: &'static str, executor: Arc<dyn Executor>) -> Arc<Self> {
        let shipped = crate::builtin_registry().is_ok_and(|builtin| builtin.get(id).is_ok());
        Arc::new(Self {
            id,
            role,
            shipped,
            replaceable: AtomicBool::new(false),
            panics: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            broken_promises: AtomicU64::new(0),
            disabled: AtomicBool::new(false),
            reason: Mutex::new(None),
            turned_off: Notify::new(),
            running: Mutex::new(Vec::new()),
            next_call: AtomicU64::new(0),
            jobs: Arc::new(Semaphore::new(JOBS_AT_ONCE)),
            executor,
        })
    }

    pub(crate) fn id(&self) -> &'static str {
        self.id
    }

    pub(super) fn role(&self) -> &'static str {
        self.role
    }

    pub(super) fn shipped(&self) -> bool {
        self.shipped
    }

    /// What a job takes a permit of; nothing for a plugin that ships, which hangs only where it calls a codec that does.
    pub(super) fn jobs(&self) -> Option<Arc<Semaphore>> {
        (!self.shipped).then(|| Arc::clone(&self.jobs))
    }

    /// Says that the engine has something else for what the plugin does.
    pub(crate) fn set_replaceable(&self) {
        self.replaceable.store(true, Ordering::Release);
    }

    pub(crate) fn is_disabled(&self) -> bool {
        self.disabled.load(Ordering::Acquire)
    }

    /// # Errors
    ///
    /// `Unavailable` once the plugin is disabled.
    pub(crate) fn check(&self, operation: &'static str) -> Result<()> {
        if self.is_disabled() { Err(self.refusal(operation)) } else { Ok(()) }
    }

    fn refusal(&self, operation: &'static str) -> Error {
        let reason = lock(&self.reason).clone().unwrap_or_default();
        Error::new(
            ErrorKind::Unavailable,
            "plugin is disabled after a call that did not return; open the database again to use it",
        )
        .with("reason", reason)
        .with_retry(Retry::Never)
        .in_plugin(self.id)
        .during(operation)
    }

    /// Does without the plugin until the database is opened again; the first reason stays.
    pub(super) fn disable(&self, reason: String) {
        let mut kept = lock(&self.reason);
        if kept.is_none() {
            tracing::error!(
                plugin = self.id,
                reason,
                "plugin is disabled until the database is opened again"
            );
            *kept = Some(reason);
            drop(kept);
            self.disabled.store(true, Ordering::Release);
            self.jobs.close();
            self.turned_off.notify_waiters();
        }
    }

    /// Completes when the plugin is disabled.
    pub(crate) async fn until_disabled(&self) {
        loop {
            let turned_off = self.turned_off.notified();
            tokio::pin!(turned_off);
            turned_off.as_mut().enable();
            if self.is_disabled() {
                return;
            }
            turned_off.await;
        }
    }

    /// Calls the plugin on this thread.
    ///
    /// # Errors
    ///
    /// `Internal` if it panics; `Unavailable` if it is disabled, also if this very call is why.
    pub(super) fn inline<T>(&self, operation: &'static str, call: impl FnOnce() -> T) -> Result<T> {
        self.check(operation)?;
        let number = self.number();
        let entered = self.enter(number, operation);
        let outcome = catch_unwind(AssertUnwindSafe(call));
        let abandoned = entered.leave();
        match outcome {
            Ok(_) if abandoned => Err(self.refusal(operation)),
            Ok(answer) => Ok(answer),
            Err(panic) => Err(self.panicked(operation, &*panic)),
        }
    }

    /// A number for a call that is about to run.
    pub(super) fn number(&self) -> u64 {
        self.next_call.fetch_add(1, Ordering::Relaxed)
    }

    /// Notes that a thread is inside the plugin's code until the result is dropped.
    pub(super) fn enter(&self, number: u64, operation: &'static str) -> Entered<'_> {
        lock(&self.running).push(Call { number, operation, sightings: 0, abandoned: false });
        Entered { health: self, number }
    }

    /// Whether the call has begun and not returned.
    pub(super) fn is_running(&self, number: u64) -> bool {
        lock(&self.running).iter().any(|call| call.number == number)
    }

    /// Gives up a call whose thread is inside the plugin's code.
    pub(super) fn abandon(&self, number: u64, deadline: Duration) {
        let mut running = lock(&self.running);
        let Some(call) = running.iter_mut().find(|call| call.number == number && !call.abandoned) else {
            return;
        };
        call.abandoned = true;
        let operation = call.operation;
        drop(running);
        self.executor.stuck_jobs(1);
        self.disable(format!("{operation} did not return within {} s", deadline.as_secs_f64()));
    }

    /// Sees every running call once more, and gives up those that were seen more often than `patience`. A plugin that ships can
    /// only wait for one that does not.
    pub(super) fn patrol(&self, patience: u32, deadline: Duration) {
        if self.shipped {
            return;
        }
        let overdue: Vec<u64> = {
            let mut running = lock(&self.running);
            running.iter_mut().for_each(|call| call.sightings = call.sightings.saturating_add(1));
            let overdue = running.iter().filter(|call| call.sightings > patience && !call.abandoned);
            overdue.map(|call| call.number).collect()
        };
        for number in overdue {
            self.timeouts.fetch_add(1, Ordering::Relaxed);
            self.abandon(number, deadline);
        }
    }

    /// A call that the watchdog has seen at least so often.
    pub(super) fn long_call(&self, sightings: u32) -> Option<&'static str> {
        let running = lock(&self.running);
        running.iter().find(|call| call.sightings >= sightings).map(|call| call.operation)
    }

    pub(super) fn panicked(&self, operation: &'static str, panic: &(dyn Any + Send)) -> Error {
        self.panics.fetch_add(1, Ordering::Relaxed);
        let panic = panic_text(panic);
        tracing::error!(plugin = self.id, operation, panic, "plugin panicked");
        Error::internal("plugin panicked").with("panic", panic).in_plugin(self.id).during(operation)
    }

    /// A call that showed no sign of life and was cancelled.
    pub(super) fn timed_out(&self, operation: &'static str, deadline: Duration) -> Error {
        self.timeouts.fetch_add(1, Ordering::Relaxed);
        tracing::error!(
            plugin = self.id,
            operation,
            ?deadline,
            "plugin did not answer in time; the call is cancelled"
        );
        if self.replaceable.load(Ordering::Acquire) {
            self.disable(format!("{operation} did not answer within {} s", deadline.as_secs_f64()));
        }
        self.late(operation, deadline)
    }

    /// What whoever waited in vain is told.
    pub(super) fn late(&self, operation: &'static str, deadline: Duration) -> Error {
        Error::new(
            ErrorKind::Unavailable,
            "plugin did not answer in time; performance.plugin_deadline_seconds says how long to wait",
        )
        .with("deadline_seconds", deadline.as_secs_f64())
        .in_plugin(self.id)
        .during(operation)
    }

    /// An answer that the plugin's contract rules out.
    pub(super) fn broken(&self, operation: &'static str, what: &'static str) -> Error {
        self.broken_promises.fetch_add(1, Ordering::Relaxed);
        tracing::error!(plugin = self.id, operation, what, "plugin broke its contract");
        Error::internal(what).in_plugin(self.id).during(operation).with_source(BrokenPromise)
    }

    pub(super) fn stats(&self) -> PluginStats {
        let abandoned = lock(&self.running).iter().filter(|call| call.abandoned).count();
        PluginStats {
            id: self.id,
            role: self.role,
            panics: self.panics.load(Ordering::Relaxed),
            timeouts: self.timeouts.load(Ordering::Relaxed),
            broken_promises: self.broken_promises.load(Ordering::Relaxed),
            abandoned_threads: abandoned as u64,
            disabled: lock(&self.reason).clone(),
        }
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Health").field(&self.stats()).finish()
    }
}

/// A thread is inside the plugin's code.
pub(super) struct Entered<'a> {
    health: &'a Health,
    number: u64,
}

impl Entered<'_> {
    /// Whether the call was given up meanwhile.
    fn leave(self) -> bool {
        self.forget()
    }

    fn forget(&self) -> bool {
        let mut running = lock(&self.health.running);
        let Some(index) = running.iter().position(|call| call.number == self.number) else { return false };
        let abandoned = running.swap_remove(index).abandoned;
        drop(running);
        if abandoned {
            self.health.executor.stuck_jobs(-1);
        }
        abandoned
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.forget();
    }
}
