//! [`Watch`]: calls plugins with a deadline, and keeps an eye on threads inside their code.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use tsds_traits::{Error, ErrorKind, Result, World};

use super::health::{Health, PluginStats};
use super::watched::{CallSite, Watched};
use crate::core::lock;

/// How often the watchdog looks, in parts of the deadline. A call is overdue by the number of looks that it outlives, not by
/// the clock, so that a machine that was paused does not accuse anybody.
const LOOKS: u32 = 8;

/// Watches over the plugins of one open database.
#[derive(Debug)]
pub(crate) struct Watch {
    world: World,
    /// How long a plugin may show no sign of life; for ever if `None`.
    deadline: Option<Duration>,
    plugins: Mutex<BTreeMap<&'static str, Arc<Health>>>,
    /// There is a codec that may hang whoever calls it.
    foreign_codecs: AtomicBool,
}

impl Watch {
    /// Starts watching; ends when the result is dropped.
    pub(crate) fn new(world: World, deadline: Option<Duration>) -> Arc<Self> {
        let watch = Arc::new(Self {
            world,
            deadline,
            plugins: Mutex::default(),
            foreign_codecs: AtomicBool::new(false),
        });
        if let Some(deadline) = deadline {
            watch.world.executor.spawn(Box::pin(patrol(Arc::downgrade(&watch), deadline)));
        }
        watch
    }

    /// The health of a plugin. One plugin in two roles of the engine has one health.
    pub(crate) fn health(&self, id: &'static str, role: &'static str) -> Arc<Health> {
        let new = || Health::new(id, role, Arc::clone(&self.world.executor));
        let health = Arc::clone(lock(&self.plugins).entry(id).or_insert_with(new));
        if role == "codec" && !health.shipped() {
            self.foreign_codecs.store(true, Ordering::Release);
        }
        health
    }

    /// How every plugin behaves, by id.
    pub(crate) fn stats(&self) -> Vec<PluginStats> {
        lock(&self.plugins).values().map(|health| health.stats()).collect()
    }

    /// Waits for an answer of a plugin.
    ///
    /// # Errors
    ///
    /// What the plugin says; `Internal` if it panics; `Unavailable` if it shows no sign of life, or is disabled.
    pub(crate) fn call<T: Send + 'static>(
        self: &Arc<Self>,
        health: &Arc<Health>,
        operation: &'static str,
        call: impl Future<Output = Result<T>> + Send + 'static,
    ) -> BoxFuture<'static, Result<T>> {
        only(self.stream(health, operation, stream::once(call).boxed()))
    }

    /// As [`Watch::call`], for code that computes or may block: on a thread of the blocking pool, whoever wrote the plugin.
    pub(crate) fn job<T: Send + 'static>(
        self: &Arc<Self>,
        health: &Arc<Health>,
        operation: &'static str,
        job: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> BoxFuture<'static, Result<T>> {
        let site = self.site(health, operation, true);
        only(Watched::new(site, stream::once(async move { job() }).boxed()).boxed())
    }

    /// Guards a stream of a plugin.
    pub(crate) fn stream<T: Send + 'static>(
        self: &Arc<Self>,
        health: &Arc<Health>,
        operation: &'static str,
        stream: BoxStream<'static, Result<T>>,
    ) -> BoxStream<'static, Result<T>> {
        // A tier decodes small blocks where it is polled.
        let may_hang =
            !health.shipped() || (health.role() == "tier" && self.foreign_codecs.load(Ordering::Acquire));
        Watched::new(self.site(health, operation, may_hang), stream).boxed()
    }

    fn site(self: &Arc<Self>, health: &Arc<Health>, operation: &'static str, away: bool) -> CallSite {
        CallSite { watch: Arc::clone(self), health: Arc::clone(health), operation, away }
    }

    pub(super) fn world(&self) -> &World {
        &self.world
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// A codec that a thread has been inside for most of the deadline: what waits for that thread is not to blame.
    pub(super) fn stuck_codec(&self) -> Option<(Arc<Health>, &'static str)> {
        let plugins = lock(&self.plugins);
        let codecs = plugins.values().filter(|health| health.role() == "codec");
        let mut stuck = codecs.filter_map(|health| Some((Arc::clone(health), health.long_call(LOOKS / 2)?)));
        stuck.next()
    }
}

pub(super) fn only<T: Send + 'static>(
    mut answers: BoxStream<'static, Result<T>>,
) -> BoxFuture<'static, Result<T>> {
    Box::pin(async move {
        let answer = answers.next().await;
        answer.unwrap_or_else(|| Err(Error::new(ErrorKind::Closed, "the executor has shut down")))
    })
}

async fn patrol(watch: Weak<Watch>, deadline: Duration) {
    loop {
        let Some(strong) = watch.upgrade() else { return };
        for health in lock(&strong.plugins).values() {
            health.patrol(LOOKS, deadline);
        }
        let pause = strong.world.clock.sleep(deadline / LOOKS);
        drop(strong);
        pause.await;
    }
}
