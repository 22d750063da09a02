//! [`GuardedWal`]: a write-ahead log behind its guard.
//!
//! There is no fallback for a log: what it fails at is not acknowledged, and the engine refuses writes until the database is
//! opened again, since nobody knows what the log holds.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::future::FutureExt;
use futures::stream::{BoxStream, StreamExt};
use tsds_traits::{Durability, Error, ErrorKind, Result, Sequence, WalRecord, WalSink, WalUsage};

use super::health::Health;
use super::watch::Watch;
use crate::core::lock;

/// A log behind its guard.
#[derive(Debug)]
pub(crate) struct GuardedWal {
    log: Arc<dyn WalSink>,
    watch: Arc<Watch>,
    health: Arc<Health>,
    /// Read once: it never changes.
    durability: Durability,
    said: Mutex<Said>,
}

/// What the log said last.
#[derive(Debug)]
struct Said {
    durable: Sequence,
    usage: WalUsage,
}

impl GuardedWal {
    /// # Errors
    ///
    /// `Internal` if the log panics when asked for its durability.
    pub(crate) fn new(log: Arc<dyn WalSink>, watch: &Arc<Watch>, health: &Arc<Health>) -> Result<Self> {
        let durability = health.inline("durability", || log.durability())?;
        let said = Said { durable: Sequence::ZERO, usage: WalUsage::default() };
        let (watch, health) = (Arc::clone(watch), Arc::clone(health));
        Ok(Self { log, watch, health, durability, said: Mutex::new(said) })
    }

    async fn call<T: Send + 'static>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        self.watch.call(&self.health, operation, call).await
    }
}

/// After a panic or a hang nobody knows what the log did.
fn outcome_unknown(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Internal | ErrorKind::Unavailable => {
            let mut unknown = Error::new(
                ErrorKind::NotDurable,
                "the write may or may not survive: the log failed; open the database again",
            )
            .with("cause", error.message());
            unknown = error.plugin().into_iter().fold(unknown, Error::in_plugin);
            unknown = error.operation().into_iter().fold(unknown, Error::during);
            unknown.with_source(error)
        }
        _ => error,
    }
}

#[async_trait]
impl WalSink for GuardedWal {
    fn name(&self) -> &'static str {
        self.health.id()
    }

    fn durability(&self) -> Durability {
        self.durability
    }

    async fn append(&self, record: WalRecord) -> Result<()> {
        let log = Arc::clone(&self.log);
        self.call("append", async move { log.append(record).await }).await.map_err(outcome_unknown)
    }

    async fn sync(&self, up_to: Sequence) -> Result<Sequence> {
        let log = Arc::clone(&self.log);
        let synced = self.call("sync", async move { log.sync(up_to).await }).await;
        match synced {
            Ok(durable) if durable < up_to => Err(outcome_unknown(
                self.health
                    .broken("sync", "log returned before the record was durable")
                    .with("asked", up_to)
                    .with("durable", durable),
            )),
            other => other.map_err(outcome_unknown),
        }
    }

    fn durable(&self) -> Sequence {
        let asked = self.health.inline("durable", || self.log.durable());
        let mut said = lock(&self.said);
        said.durable = asked.map_or(said.durable, |durable| said.durable.max(durable));
        said.durable
    }

    fn replay(&self, after: Sequence) -> BoxStream<'static, Result<WalRecord>> {
        let log = Arc::clone(&self.log);
        let records = async move { log.replay(after) }.flatten_stream();
        self.watch.stream(&self.health, "replay", records.boxed())
    }

    async fn release(&self, up_to: Sequence) -> Result<()> {
        let log = Arc::clone(&self.log);
        self.call("release", async move { log.release(up_to).await }).await
    }

    fn usage(&self) -> WalUsage {
        let asked = self.health.inline("usage", || self.log.usage());
        let mut said = lock(&self.said);
        if let Ok(usage) = asked {
            said.usage = usage;
        }
        said.usage
    }

    async fn close(&self) -> Result<()> {
        let log = Arc::clone(&self.log);
        self.call("close", async move { log.close().await }).await.map_err(outcome_unknown)
    }
}
