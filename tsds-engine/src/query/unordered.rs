//! Queries without an order: tier after tier, stopping as soon as there are enough rows.

use std::sync::Arc;

use arrow_array::RecordBatch;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tsds_compute::scan::{SegmentScan, needed_columns};
use tsds_traits::{ColumnId, Result, ScanRequest, SegmentBatch};

use super::hot;
use super::plan::{Part, Plan};
use crate::guard::GuardedTier;

/// Streams the rows: cold, then warm, then memory.
pub(super) fn run(plan: Plan) -> BoxStream<'static, Result<RecordBatch>> {
    if plan.limit == Some(0) {
        return stream::empty().boxed();
    }
    let plan = Arc::new(plan);
    let parts: Vec<Part> = plan.parts.clone();
    let planned = Arc::clone(&plan);
    let segments = stream::iter(parts).flat_map(move |part| {
        let request = planned.request(&part, &part.segments, &planned.projection);
        let rows = part.reader(&planned.core).rows(request, &planned.projection);
        rows.map_ok(|(_, batch)| batch)
    });
    let remembered = Arc::clone(&plan);
    let memory = stream::once(async move {
        let plan = Arc::clone(&remembered);
        let scanned = Arc::clone(&remembered);
        let batches = plan.core.blocking(move || hot::scan(&scanned, &scanned.projection)).await?;
        Ok::<_, tsds_traits::Error>(stream::iter(batches.into_iter().map(Ok)))
    })
    .try_flatten();
    limited(segments.chain(memory).boxed(), plan)
}

/// Cuts the stream at the limit, after which nothing more is polled, and keeps the plan, and with it the snapshot, until the
/// stream is gone.
pub(super) fn limited(
    rows: BoxStream<'static, Result<RecordBatch>>,
    plan: Arc<Plan>,
) -> BoxStream<'static, Result<RecordBatch>> {
    let left = plan.limit.unwrap_or(u64::MAX);
    stream::try_unfold((rows, left, plan), |(mut rows, left, plan)| async move {
        if left == 0 {
            return Ok(None);
        }
        let Some(batch) = rows.try_next().await? else { return Ok(None) };
        let take = left.min(batch.num_rows() as u64);
        Ok(Some((batch.slice(0, take as usize), (rows, left - take, plan))))
    })
    .boxed()
}

/// Scans with what the tier claims; the engine does the rest over a plain scan. Each batch comes with the position of its
/// segment in the request.
pub(super) fn scan_segments(
    tier: &GuardedTier,
    request: ScanRequest,
) -> BoxStream<'static, Result<(usize, RecordBatch)>> {
    let capabilities = tier.capabilities();
    let claimed = (request.predicate.is_none() || capabilities.predicate)
        && (request.order.is_empty() || capabilities.order)
        && (request.limit.is_none() || capabilities.limit);
    if claimed {
        return tier.scan(request).map_ok(|batch| (batch.segment, batch.rows)).boxed();
    }
    plain_scan(tier, request)
}

/// Reads every row of the needed columns and applies predicate, order and limit here.
fn plain_scan(tier: &GuardedTier, request: ScanRequest) -> BoxStream<'static, Result<(usize, RecordBatch)>> {
    let needed: Vec<ColumnId> = needed_columns(&request);
    let mut plain = ScanRequest::new(Arc::clone(&request.schema), request.segments.clone(), needed.clone());
    (plain.batch_rows, plain.batch_bytes) = (request.batch_rows, request.batch_bytes);
    plain.meter = request.meter.clone();
    let scan = match SegmentScan::new(&request) {
        Ok(scan) => scan,
        Err(error) => return stream::once(futures::future::ready(Err(error))).boxed(),
    };
    let scanning =
        PlainScan { rows: tier.scan(plain), scan, needed, segments: request.segments.len(), ended: false };
    let batches = stream::try_unfold(scanning, |mut scanning| async move {
        let batches = scanning.next().await?;
        Ok::<_, tsds_traits::Error>(batches.map(|batches| (batches, scanning)))
    });
    let flat = batches.map_ok(|batches| stream::iter(batches.into_iter().map(Ok))).try_flatten();
    flat.map_ok(|batch: SegmentBatch| (batch.segment, batch.rows)).boxed()
}

/// A plain scan, and what the engine makes of it.
struct PlainScan {
    rows: BoxStream<'static, Result<SegmentBatch>>,
    scan: SegmentScan,
    needed: Vec<ColumnId>,
    segments: usize,
    ended: bool,
}

impl PlainScan {
    async fn next(&mut self) -> Result<Option<Vec<SegmentBatch>>> {
        if self.ended || self.scan.is_done() {
            return Ok(None);
        }
        let read = self.rows.try_next().await?;
        let current = read.as_ref().map_or(self.segments, |batch| batch.segment);
        let mut output = Vec::new();
        while self.scan.segment() < current {
            output.extend(self.scan.finish_segment()?);
        }
        match read {
            Some(batch) => output.extend(self.scan.push(&self.needed, &batch.rows)?),
            None => self.ended = true,
        }
        Ok(Some(output))
    }
}
