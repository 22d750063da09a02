//! What a device cannot answer, the segment files can: a part of a query whose warm tier fails goes on without it.
//!
//! A scan's rows are a function of its request, so after a tier that panicked, did not answer or lost its device, the same
//! request is read from the segment files, without the rows that were passed on already. A tier that gave a wrong answer is
//! not trusted in what it said before either: if rows of this part were passed on, the query fails.

use arrow_array::RecordBatch;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tsds_traits::{AggregateRequest, Error, Result, ScanRequest};

use super::aggregate::plain_states;
use super::plan::{Part, Plan};
use super::unordered::scan_segments;
use crate::guard::{GuardedTier, is_broken_promise};

/// Rows, each batch with the position of its segment in the request.
type Rows = BoxStream<'static, Result<(usize, RecordBatch)>>;

/// Scans a tier, and the fallback, if there is one, where that fails.
pub(super) fn scan_part(tier: &GuardedTier, fallback: Option<&GuardedTier>, request: ScanRequest) -> Rows {
    let Some(fallback) = fallback else { return scan_segments(tier, request) };
    let scanning = Scanning {
        rows: scan_segments(tier, request.clone()),
        again: Some((fallback.clone(), request)),
        passed_on: 0,
        skip: 0,
    };
    let rows = stream::try_unfold(scanning, |mut scanning| async move {
        Ok::<_, Error>(scanning.next().await?.map(|rows| (rows, scanning)))
    });
    rows.boxed()
}

struct Scanning {
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
                            report(&error, &fallback);
                            self.skip = self.passed_on;
                            self.rows = scan_segments(&fallback, request);
                        }
                        _ => return Err(error),
                    }
                }
            }
        }
    }
}

/// The states of a part. Those of a tier that has a fallback are kept back until it has given all of them: states that were
/// merged cannot be taken back.
pub(super) fn aggregate_part(
    plan: &Plan,
    part: &Part,
    request: AggregateRequest,
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let states = states_of(plan, &part.tier, &request)?;
    let Some(fallback) = &part.fallback else { return Ok(states) };
    let again = states_of(plan, fallback, &request)?;
    let fallback = fallback.clone();
    let kept = async move {
        let batches: Vec<RecordBatch> = match states.try_collect().await {
            Ok(batches) => batches,
            Err(error) => {
                report(&error, &fallback);
                return Ok(again);
            }
        };
        Ok::<_, Error>(stream::iter(batches.into_iter().map(Ok)).boxed())
    };
    Ok(stream::once(kept).try_flatten().boxed())
}

fn states_of(
    plan: &Plan,
    tier: &GuardedTier,
    request: &AggregateRequest,
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let capabilities = tier.capabilities();
    if capabilities.aggregate && (plan.predicate.is_none() || capabilities.predicate) {
        return Ok(tier.aggregate(request.clone()));
    }
    plain_states(tier, request)
}

fn report(error: &Error, fallback: &GuardedTier) {
    tracing::warn!(%error, fallback = fallback.name(), "a tier failed; its segments are read from their files");
}
