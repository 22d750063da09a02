//! What a device cannot answer, the segment files can: a part of a query whose warm tier fails goes on without it.
//!
//! A scan's rows are a function of its request, so after a tier that panicked, did not answer or lost its device, the same
//! request is read from the segment files, without the rows that were passed on already. A tier that gave a wrong answer is
//! not trusted in what it said before either: if rows of this part were passed on, the query fails.

use std::sync::Arc;

use arrow_array::RecordBatch;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tsds_compute::BatchSize;
use tsds_traits::{AggregateRequest, ColumnId, Error, Result, ScanRequest};

use super::aggregate::plain_states;
use super::older::View;
use super::plan::{Part, Plan};
use super::unordered::scan_segments;
use crate::guard::{GuardedTier, is_broken_promise};
use crate::metrics::{self, QueryTimer};

/// Rows, each batch with the position of its segment in the request.
type Rows = BoxStream<'static, Result<(usize, RecordBatch)>>;

/// A tier, and what can answer instead.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    pub(super) tier: GuardedTier,
    pub(super) fallback: Option<GuardedTier>,
    pub(super) view: Arc<View>,
    pub(super) timer: QueryTimer,
}

impl Reader {
    /// Scans for what [`Plan::request`] made of these columns, and gives rows of the current schema, in batches of the size that
    /// is asked for: a tier need not look at bytes.
    pub(super) fn rows(&self, request: ScanRequest, columns: &[ColumnId]) -> Rows {
        let (view, columns) = (Arc::clone(&self.view), columns.to_vec());
        let size = BatchSize::new(request.batch_rows, request.batch_bytes);
        let parts = self.scan(request).map_ok(move |(at, batch)| {
            let parts = size.cut(&batch).into_iter().map(move |part| Ok((at, part)));
            stream::iter(parts)
        });
        let rows = parts.try_flatten();
        rows.map(move |item| item.and_then(|(at, batch)| Ok((at, view.rows(&columns, batch)?)))).boxed()
    }

    /// Scans the tier, and the fallback, if there is one, where that fails.
    fn scan(&self, request: ScanRequest) -> Rows {
        let Some(fallback) = &self.fallback else { return self.scan_of(&self.tier, request) };
        let scanning = Scanning {
            reader: self.clone(),
            rows: self.scan_of(&self.tier, request.clone()),
            again: Some((fallback.clone(), request)),
            passed_on: 0,
            skip: 0,
        };
        let rows = stream::try_unfold(scanning, |mut scanning| async move {
            Ok::<_, Error>(scanning.next().await?.map(|rows| (rows, scanning)))
        });
        rows.boxed()
    }

    fn scan_of(&self, tier: &GuardedTier, request: ScanRequest) -> Rows {
        self.timer.watch(tier, scan_segments(tier, request))
    }

    fn states_of(
        &self,
        tier: &GuardedTier,
        request: &AggregateRequest,
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let capabilities = tier.capabilities();
        let states = match capabilities.aggregate && (request.predicate.is_none() || capabilities.predicate) {
            true => tier.aggregate(request.clone()),
            false => plain_states(tier, request)?,
        };
        Ok(self.timer.watch(tier, states))
    }
}

struct Scanning {
    reader: Reader,
    rows: Rows,
    /// What else can be asked, until it is.
    again: Option<(GuardedTier, ScanRequest)>,
    /// Rows that the reader has.
    passed_on: usize,
    /// Rows of the second scan that the reader has already.
    skip: usize,
}

impl Scanning {
    async fn next(&mut self) -> Result<Option<(usize, RecordBatch)>> {
        loop {
            match self.rows.try_next().await {
                Ok(Some((segment, batch))) => {
                    let skipped = self.skip.min(batch.num_rows());
                    self.skip -= skipped;
                    if skipped < batch.num_rows() {
                        let rest = batch.slice(skipped, batch.num_rows() - skipped);
                        self.passed_on += rest.num_rows();
                        return Ok(Some((segment, rest)));
                    }
                }
                Ok(None) => return Ok(None),
                Err(error) => {
                    let untrusted = self.passed_on > 0 && is_broken_promise(&error);
                    match self.again.take() {
                        Some((fallback, request)) if !untrusted => {
                            self.reader.timer.failed(&error);
                            report(&error, &fallback);
                            self.skip = self.passed_on;
                            self.rows = self.reader.scan_of(&fallback, request);
                        }
                        _ => return Err(error),
                    }
                }
            }
        }
    }
}

/// The states of a part, of the current schema. Those of a tier that has a fallback are kept back until it has given all of
/// them: states that were merged cannot be taken back.
pub(super) fn aggregate_part(
    plan: &Arc<Plan>,
    part: &Part,
    request: AggregateRequest,
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let reader = part.reader(&plan.core);
    let view = Arc::clone(&part.view);
    let widened = move |item: Result<RecordBatch>| item.and_then(|batch| view.states(batch));
    let states = reader.states_of(&part.tier, &request)?;
    let Some(fallback) = &part.fallback else { return Ok(states.map(widened).boxed()) };
    let again_of = (reader, request);
    let fallback = fallback.clone();
    let kept = async move {
        let batches: Vec<RecordBatch> = match states.try_collect().await {
            Ok(batches) => batches,
            Err(error) => {
                let (reader, request) = again_of;
                reader.timer.failed(&error);
                report(&error, &fallback);
                return reader.states_of(&fallback, &request);
            }
        };
        Ok::<_, Error>(stream::iter(batches.into_iter().map(Ok)).boxed())
    };
    Ok(stream::once(kept).try_flatten().map(widened).boxed())
}

fn report(error: &Error, fallback: &GuardedTier) {
    metrics::failed_over(error);
    tracing::warn!(%error, fallback = fallback.name(), "a tier failed; its segments are read from their files");
}
