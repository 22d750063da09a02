//! Guarded handles: what the engine holds of a tier. They check capabilities before a call and cheap post-conditions after
//! it, and do nothing else: fallbacks are the engine's.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::future::FutureExt;
use futures::stream::{self, BoxStream, StreamExt};
use tsds_traits::{
    AggregateRequest, Durability, Error, ErrorKind, Put, Result, ScanRequest, SegmentBatch, SegmentSource,
    StoredSegment, Tier, TierCapabilities, TierUsage, panic_text,
};

/// The longest record that a tier may leave in the catalog.
const MAX_RECORD_BYTES: usize = 1 << 20;

/// A tier behind its guard.
#[derive(Clone, Debug)]
pub(crate) struct GuardedTier(Arc<dyn Tier>);

impl GuardedTier {
    pub(crate) fn new(tier: Arc<dyn Tier>) -> Self {
        Self(tier)
    }

    pub(crate) fn name(&self) -> &'static str {
        self.0.name()
    }

    pub(crate) fn capabilities(&self) -> &TierCapabilities {
        self.0.capabilities()
    }

    pub(crate) fn usage(&self) -> TierUsage {
        self.0.usage()
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
        let put = self.caught("put", self.0.put(source)).await?;
        match &put {
            Put::Stored(stored) if stored.record.len() > MAX_RECORD_BYTES => {
                Err(self.broken("tier returned a record above 1 MiB").with("segment", meta.id))
            }
            _ => Ok(put),
        }
    }

    pub(crate) async fn remove(&self, segments: &[StoredSegment]) -> Result<()> {
        self.caught("remove", self.0.remove(segments)).await
    }

    pub(crate) async fn close(&self) -> Result<()> {
        self.caught("close", self.0.close()).await
    }

    /// Scans; every batch is checked against the request.
    pub(crate) fn scan(&self, request: ScanRequest) -> BoxStream<'static, Result<SegmentBatch>> {
        let capabilities = self.capabilities();
        let beyond = (request.predicate.is_some() && !capabilities.predicate)
            || (!request.order.is_empty() && !capabilities.order)
            || (request.limit.is_some() && !capabilities.limit);
        if beyond {
            return failed(self.broken("scan asks for what the tier does not claim"));
        }
        let schema = match request.schema.project(&request.projection) {
            Ok(schema) => schema,
            Err(error) => return failed(error),
        };
        let check = ScanCheck {
            tier: self.clone(),
            schema,
            segments: request.segments.len(),
            batch_rows: request.batch_rows,
            current: 0,
            given: 0,
            limit: request.limit,
            ordered: !request.order.is_empty(),
        };
        let rows = self.caught_stream("scan", Arc::clone(&self.0).scan(request));
        rows.scan(check, |check, item| {
            futures::future::ready(Some(item.and_then(|batch| check.accept(batch))))
        })
        .boxed()
    }

    /// Aggregates; every batch is checked against the plan's state schema.
    pub(crate) fn aggregate(&self, request: AggregateRequest) -> BoxStream<'static, Result<RecordBatch>> {
        if !self.capabilities().aggregate || (request.predicate.is_some() && !self.capabilities().predicate) {
            return failed(self.broken("aggregate asks for what the tier does not claim"));
        }
        let schema = match request.plan.state_schema(&request.schema) {
            Ok(schema) => schema,
            Err(error) => return failed(error),
        };
        let tier = self.clone();
        let states = self.caught_stream("aggregate", Arc::clone(&self.0).aggregate(request));
        let check = move |batch: RecordBatch| {
            if batch.schema().fields() == schema.fields() {
                Ok(batch)
            } else {
                Err(tier.broken("tier returned states of another schema"))
            }
        };
        states.map(move |item| item.and_then(&check)).boxed()
    }

    async fn caught<T>(&self, operation: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
        let outcome = AssertUnwindSafe(call).catch_unwind().await;
        outcome
            .unwrap_or_else(|panic| Err(self.panicked(&*panic)))
            .map_err(|error| error.in_plugin(self.name()).during(operation))
    }

    fn caught_stream<T: Send + 'static>(
        &self,
        operation: &'static str,
        stream: BoxStream<'static, Result<T>>,
    ) -> BoxStream<'static, Result<T>> {
        let tier = self.clone();
        let caught = AssertUnwindSafe(stream).catch_unwind();
        let flat = caught.map(move |item| {
            let item = item.unwrap_or_else(|panic| Err(tier.panicked(&*panic)));
            item.map_err(|error| error.in_plugin(tier.name()).during(operation))
        });
        flat.boxed()
    }

    fn panicked(&self, panic: &(dyn std::any::Any + Send)) -> Error {
        self.broken("tier panicked").with("panic", panic_text(panic))
    }

    fn broken(&self, what: &'static str) -> Error {
        Error::new(ErrorKind::Internal, what).in_plugin(self.name())
    }
}

fn failed<T: Send + 'static>(error: Error) -> BoxStream<'static, Result<T>> {
    stream::once(futures::future::ready(Err(error))).boxed()
}

/// What a scan has promised.
struct ScanCheck {
    tier: GuardedTier,
    schema: SchemaRef,
    segments: usize,
    batch_rows: usize,
    /// The segment of the last batch.
    current: usize,
    /// Rows given that count towards the limit.
    given: u64,
    limit: Option<u64>,
    ordered: bool,
}

impl ScanCheck {
    fn accept(&mut self, batch: SegmentBatch) -> Result<SegmentBatch> {
        let rows = batch.rows.num_rows();
        if batch.segment >= self.segments || batch.segment < self.current {
            return Err(self
                .tier
                .broken("tier returned segments out of order")
                .with("segment", batch.segment));
        }
        if batch.rows.schema().fields() != self.schema.fields() {
            return Err(self
                .tier
                .broken("tier returned rows of another schema")
                .with("segment", batch.segment));
        }
        if rows == 0 || rows > self.batch_rows {
            return Err(self.tier.broken("tier returned a batch of the wrong size").with("rows", rows));
        }
        if self.ordered && batch.segment != self.current {
            self.given = 0;
        }
        self.current = batch.segment;
        self.given = self.given.saturating_add(rows as u64);
        if self.limit.is_some_and(|limit| self.given > limit) {
            return Err(self.tier.broken("tier returned more rows than the limit").with("rows", self.given));
        }
        Ok(batch)
    }
}
