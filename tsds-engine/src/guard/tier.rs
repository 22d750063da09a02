//! [`GuardedTier`]: a tier behind its guard.

use std::sync::{Arc, Mutex};

use arrow_array::RecordBatch;
use futures::future::FutureExt;
use futures::stream::{self, BoxStream, StreamExt};
use tsds_traits::{
    AggregateRequest, Durability, Error, Put, Result, ScanRequest, SegmentBatch, SegmentSource,
    StoredSegment, Tier, TierCapabilities, TierUsage,
};

use super::health::Health;
use super::loss::{Life, Losses};
use super::readback;
use super::scan::ScanCheck;
use super::states::StatesCheck;
use super::watch::{Watch, only};
use crate::core::lock;

/// The longest record that a tier may leave in the catalog.
const MAX_RECORD_BYTES: usize = 1 << 20;

/// A tier behind its guard. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct GuardedTier(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tier: Arc<dyn Tier>,
    watch: Arc<Watch>,
    health: Arc<Health>,
    /// Read once: they never change.
    capabilities: TierCapabilities,
    /// What the tier said last.
    usage: Mutex<TierUsage>,
    /// Of a tier that can be built anew when it loses its device.
    life: Option<Arc<Life>>,
}

impl GuardedTier {
    /// # Errors
    ///
    /// `Internal` if the tier panics when asked for its capabilities.
    pub(crate) fn new(tier: Arc<dyn Tier>, watch: &Arc<Watch>, health: &Arc<Health>) -> Result<Self> {
        Self::with_life(tier, watch, health, None)
    }

    /// A tier that the engine replaces when it loses its device.
    ///
    /// # Errors
    ///
    /// As [`GuardedTier::new`].
    pub(crate) fn mortal(
        tier: Arc<dyn Tier>,
        watch: &Arc<Watch>,
        health: &Arc<Health>,
        losses: &Arc<Losses>,
    ) -> Result<Self> {
        Self::with_life(tier, watch, health, Some(Life::new(health.id(), losses)))
    }

    fn with_life(
        tier: Arc<dyn Tier>,
        watch: &Arc<Watch>,
        health: &Arc<Health>,
        life: Option<Arc<Life>>,
    ) -> Result<Self> {
        let capabilities = health.inline("capabilities", || tier.capabilities().clone())?;
        Ok(Self(Arc::new(Inner {
            tier,
            watch: Arc::clone(watch),
            health: Arc::clone(health),
            capabilities,
            usage: Mutex::default(),
            life,
        })))
    }

    pub(crate) fn name(&self) -> &'static str {
        self.0.health.id()
    }

    pub(crate) fn capabilities(&self) -> &TierCapabilities {
        &self.0.capabilities
    }

    pub(crate) fn health(&self) -> &Arc<Health> {
        &self.0.health
    }

    /// Why the tier lost its device, after which it is not asked any more.
    pub(crate) fn lost(&self) -> Option<&str> {
        self.0.life.as_ref()?.lost()
    }

    /// What the tier says, or said last if it does not say anything now.
    pub(crate) fn usage(&self) -> TierUsage {
        let asked = self.0.health.inline("usage", || self.0.tier.usage());
        let mut usage = lock(&self.0.usage);
        if let Ok(asked) = asked {
            *usage = asked;
        }
        *usage
    }

    /// Whether both handles hold the same tier.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// What a role asks of a tier and this one does not give; empty if all is well.
    pub(crate) fn unmet_needs(&self, role: &str, durability: Durability) -> Vec<String> {
        if self.capabilities().durability < durability {
            return vec![format!(
                "{role} tier {} must survive {durability} failures but survives {} ones",
                self.name(),
                self.capabilities().durability
            )];
        }
        Vec::new()
    }

    /// Stores a segment. What a tier that does not ship with the engine says it stored is read back and compared.
    pub(crate) async fn put(&self, source: Arc<dyn SegmentSource>) -> Result<Put> {
        let meta = Arc::clone(source.meta());
        if let Some(limit) = self.capabilities().max_segment_bytes
            && meta.plain_bytes > limit
        {
            return Ok(Put::Declined(format!(
                "segment of {} bytes is above the limit of {limit}",
                meta.plain_bytes
            )));
        }
        let (tier, offered) = (Arc::clone(&self.0.tier), Arc::clone(&source));
        let put = self.call("put", async move { tier.put(offered).await }).await?;
        let Put::Stored(stored) = &put else { return Ok(put) };
        if stored.record.len() > MAX_RECORD_BYTES {
            return Err(self.broken("put", "tier returned a record above 1 MiB").with("segment", meta.id));
        }
        if !self.0.health.shipped() {
            readback::compare(self, &source, stored).await?;
        }
        Ok(put)
    }

    pub(crate) async fn remove(&self, segments: &[StoredSegment]) -> Result<()> {
        let (tier, segments) = (Arc::clone(&self.0.tier), segments.to_vec());
        self.call("remove", async move { tier.remove(&segments).await }).await
    }

    /// Closes the tier, also if its device is lost, but not if it is disabled: then nothing can be asked of it.
    pub(crate) async fn close(&self) -> Result<()> {
        if self.0.health.is_disabled() {
            return Ok(());
        }
        let tier = Arc::clone(&self.0.tier);
        self.0.watch.call(&self.0.health, "close", async move { tier.close().await }).await
    }

    /// Scans; every batch is checked against the request.
    pub(crate) fn scan(&self, request: ScanRequest) -> BoxStream<'static, Result<SegmentBatch>> {
        let capabilities = self.capabilities();
        let beyond = (request.predicate.is_some() && !capabilities.predicate)
            || (!request.order.is_empty() && !capabilities.order)
            || (request.limit.is_some() && !capabilities.limit);
        if beyond {
            return failed(self.unclaimed("scan"));
        }
        let check = match ScanCheck::new(&request, Arc::clone(&self.0.health)) {
            Ok(check) => check,
            Err(error) => return failed(error),
        };
        let tier = Arc::clone(&self.0.tier);
        let rows = self.stream("scan", move || tier.scan(request));
        let checked = stream::unfold(Some((rows, check)), |scanning| async move {
            let (mut rows, mut check) = scanning?;
            match rows.next().await {
                Some(Ok(batch)) => match check.accept(batch) {
                    Ok(batch) => Some((Ok(batch), Some((rows, check)))),
                    Err(error) => Some((Err(error), None)),
                },
                Some(Err(error)) => Some((Err(error), None)),
                None => check.finish().err().map(|error| (Err(error), None)),
            }
        });
        checked.fuse().boxed()
    }

    /// Aggregates; every batch is checked against the plan's state schema.
    pub(crate) fn aggregate(&self, request: AggregateRequest) -> BoxStream<'static, Result<RecordBatch>> {
        if !self.capabilities().aggregate || (request.predicate.is_some() && !self.capabilities().predicate) {
            return failed(self.unclaimed("aggregate"));
        }
        let check = match StatesCheck::new(&request, Arc::clone(&self.0.health)) {
            Ok(check) => check,
            Err(error) => return failed(error),
        };
        let tier = Arc::clone(&self.0.tier);
        let states = self.stream("aggregate", move || tier.aggregate(request));
        let checked = stream::unfold(Some((states, check)), |folding| async move {
            let (mut states, mut check) = folding?;
            match states.next().await {
                Some(Ok(batch)) => match check.accept(batch) {
                    Ok(batch) => Some((Ok(batch), Some((states, check)))),
                    Err(error) => Some((Err(error), None)),
                },
                Some(Err(error)) => Some((Err(error), None)),
                None => check.finish().err().map(|error| (Err(error), None)),
            }
        });
        checked.fuse().boxed()
    }

    async fn call<T: Send + 'static>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let answer = self.0.watch.stream(&self.0.health, operation, stream::once(call).boxed());
        only(self.alive(operation, answer)).await
    }

    /// `begin` is also the plugin's code: it runs at the first poll.
    fn stream<T: Send + 'static>(
        &self,
        operation: &'static str,
        begin: impl FnOnce() -> BoxStream<'static, Result<T>> + Send + 'static,
    ) -> BoxStream<'static, Result<T>> {
        let answers = async move { begin() }.flatten_stream();
        self.alive(operation, self.0.watch.stream(&self.0.health, operation, answers.boxed()))
    }

    /// Answers for as long as the tier has its device.
    fn alive<T: Send + 'static>(
        &self,
        operation: &'static str,
        answers: BoxStream<'static, Result<T>>,
    ) -> BoxStream<'static, Result<T>> {
        match &self.0.life {
            Some(life) => life.watch(operation, answers),
            None => answers,
        }
    }

    pub(super) fn broken(&self, operation: &'static str, what: &'static str) -> Error {
        self.0.health.broken(operation, what)
    }

    /// The engine asks for what it must not ask for: not the plugin's fault.
    fn unclaimed(&self, operation: &'static str) -> Error {
        Error::internal("request asks for what the tier does not claim")
            .in_plugin(self.name())
            .during(operation)
    }
}

fn failed<T: Send + 'static>(error: Error) -> BoxStream<'static, Result<T>> {
    stream::once(futures::future::ready(Err(error))).boxed()
}
