//! Scans.
//!
//! A scan is a pipeline over the groups of its segments. Segments are opened in request order; the groups of all of them go
//! through one window of as many workers as the machine has cores, which find and gather their rows; groups come out in
//! order, and those of a segment whose rows must be sorted are sorted when its last group is through. Nothing runs beyond
//! the window, and nothing at all unless the stream is polled. Where groups are large the window is narrower: what is read ahead
//! is limited by bytes, too.

mod order;
mod plan;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::RecordBatch;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use tsds_compute::{expected_bytes, expected_long_bytes};
use tsds_traits::{Result, ScanRequest, SegmentBatch, SegmentHandle};

use crate::read::{Bound, GroupReader, GroupRows, Matches, Reading, Target};
use crate::segment::{Finder, GROUP_ROWS, LONG_BLOCK_BYTES, Segment};
use plan::ScanPlan;
use tsds_device::residency::Stop;

/// What is read ahead, in batches.
const BATCHES_AHEAD: u64 = 16;
/// How large a group is, in batches.
const BATCHES_OF_GROUP: u64 = 4;

/// A scan under way.
#[derive(Debug)]
pub(crate) struct Scan {
    plan: ScanPlan,
    reading: Arc<Reading>,
    /// How many groups are worked on at the same time.
    width: usize,
}

/// One group of one segment.
struct Unit {
    position: usize,
    reader: GroupReader,
    /// Whether it is the last group of its segment.
    last: bool,
    /// Whether rows come in the wanted order as they are stored.
    sorted: bool,
    /// How many rows of the limit are used up, by this segment or by the whole request.
    delivered: Arc<AtomicU64>,
}

/// What a group gives.
enum Found {
    /// Rows that are ready.
    Batches(Vec<RecordBatch>),
    /// Rows that are to be sorted with those of the other groups.
    Candidates(GroupRows),
}

/// Finished rows, or all candidates of a segment, with its position.
enum Ready {
    Batches(usize, Vec<RecordBatch>),
    Candidates(usize, Vec<GroupRows>),
}

impl Scan {
    /// Checks a request. No I/O.
    ///
    /// # Errors
    ///
    /// `InvalidInput`; `Unsupported` for a predicate that is not known.
    pub(crate) fn new(request: &ScanRequest, finder: Finder, stop: Arc<Stop>) -> Result<Arc<Self>> {
        let plan = ScanPlan::new(request)?;
        let (schema, columns) = (Arc::clone(&request.schema), plan.columns.clone());
        let meter = request.meter.clone();
        let group_bytes = request.batch_bytes.saturating_mul(BATCHES_OF_GROUP);
        let reading = Reading { schema, columns, group_bytes, finder, stop, meter };
        let width = reading.width().min(groups_ahead(request, &reading));
        Ok(Arc::new(Self { plan, reading: Arc::new(reading), width }))
    }

    /// Answers it.
    pub(crate) fn run(self: Arc<Self>, targets: Vec<Target>) -> BoxStream<'static, Result<SegmentBatch>> {
        let width = self.width;
        let limit = self.plan.limit;
        let delivered = Arc::new(AtomicU64::new(0));

        let segments = self.reading.segments(targets, self.wants_more(&delivered));
        let cutter = Arc::clone(&self);
        let units = segments.map_ok(move |(position, segment)| {
            stream::iter(cutter.units(position, &segment, &delivered).into_iter().map(Ok))
        });
        let worker = Arc::clone(&self);
        let found = units.try_flatten().map(move |unit| Arc::clone(&worker).work(unit)).buffered(width);
        let mut waiting = Vec::new();
        let ready = found.try_filter_map(move |(unit, found)| {
            std::future::ready(Ok(deliver(&unit, found, limit, &mut waiting)))
        });
        let finished = ready.map(move |ready| Arc::clone(&self).finish(ready)).buffered(width);
        let batches = finished.map_ok(|(segment, batches)| {
            stream::iter(batches.into_iter().map(move |rows| Ok(SegmentBatch { segment, rows })))
        });
        batches.try_flatten().boxed()
    }

    /// Whether another segment can change the answer: not if a limit over the whole request is used up.
    fn wants_more(&self, delivered: &Arc<AtomicU64>) -> Box<dyn Fn() -> bool + Send> {
        let limit = self.plan.limit.filter(|_| self.plan.order.is_empty());
        let delivered = Arc::clone(delivered);
        Box::new(move || limit.is_none_or(|limit| delivered.load(Ordering::Acquire) < limit))
    }

    fn units(&self, position: usize, segment: &Segment, request_delivered: &Arc<AtomicU64>) -> Vec<Unit> {
        let sorted = order::is_stored(&self.plan.order, &self.reading.schema, segment.meta());
        let delivered = match self.plan.order.is_empty() {
            true => Arc::clone(request_delivered),
            false => Arc::default(),
        };
        let bound = match sorted {
            true => None,
            false => Bound::new(&self.reading.schema, &self.plan.order),
        };
        let groups = segment.cuts().groups().map(|group| Unit {
            position,
            last: group.index + 1 == segment.cuts().group_count(),
            reader: GroupReader { bound: bound.clone(), ..self.reading.reader(segment.clone(), group) },
            sorted,
            delivered: Arc::clone(&delivered),
        });
        groups.collect()
    }

    /// Finds the rows of a group.
    async fn work(self: Arc<Self>, unit: Result<Unit>) -> Result<(Unit, Found)> {
        let unit = unit?;
        self.reading.stop.check()?;
        let left = self.plan.limit.map(|limit| limit.saturating_sub(unit.delivered.load(Ordering::Acquire)));
        if left == Some(0) {
            return Ok((unit, Found::Batches(Vec::new())));
        }
        let reader = unit.reader.clone();
        let found = if unit.sorted {
            let scan = Arc::clone(&self);
            let batches =
                move |found: Matches<'_>| scan.plan.batches(&scan.plan.stored.columns, &found.gather()?);
            reader.read(&self.plan.stored, left, batches).await?.map(Found::Batches)
        } else {
            let wanted = match reader.bound.as_ref().and_then(|bound| bound.term()) {
                Some(term) => Arc::new(self.plan.unsorted.with_term(&term)),
                None => Arc::clone(&self.plan.unsorted),
            };
            let candidates = |found: Matches<'_>| found.gather();
            reader.read(&wanted, None, candidates).await?.map(Found::Candidates)
        };
        Ok((unit, found.unwrap_or(Found::Batches(Vec::new()))))
    }

    /// Sorts what must be sorted.
    async fn finish(self: Arc<Self>, ready: Result<Ready>) -> Result<(usize, Vec<RecordBatch>)> {
        let (position, candidates) = match ready? {
            Ready::Batches(position, batches) => return Ok((position, batches)),
            Ready::Candidates(position, candidates) => (position, candidates),
        };
        let executor = Arc::clone(&self.reading.finder.world.executor);
        let job = move || {
            self.reading.stop.check()?;
            let plan = &self.plan;
            let columns = &plan.unsorted.columns;
            let mut sorted = order::sort(candidates, columns, &plan.order, plan.limit)?;
            let mut batches = Vec::new();
            while let Some(rows) = sorted.next(plan.size)? {
                let rows = GroupRows { rows: rows.num_rows(), columns: rows.columns().to_vec() };
                batches.extend(plan.batches(columns, &rows)?);
            }
            Ok((position, batches))
        };
        (*executor).blocking(job).await
    }
}

/// How many groups of the request have room in what may be read ahead; at least one.
fn groups_ahead(request: &ScanRequest, reading: &Reading) -> usize {
    let bytes = |segment: &SegmentHandle| {
        let meta = &segment.meta;
        let group = meta.rows.min(GROUP_ROWS);
        let all = expected_bytes(meta, &request.schema, &reading.columns);
        (u128::from(all) * u128::from(group) / u128::from(meta.rows.max(1))) as u64
    };
    // A group has one block at least.
    let block = |segment: &SegmentHandle| {
        expected_long_bytes(&segment.meta, &request.schema, &reading.columns).min(LONG_BLOCK_BYTES)
    };
    let largest = request.segments.iter().map(bytes).max().unwrap_or(0).min(reading.group_bytes);
    let each = request.segments.iter().map(block).max().unwrap_or(0).max(largest).max(1);
    // What is sorted is held until the segments before it are through.
    let sorted = |segment: &SegmentHandle| {
        let (all, rows) =
            (expected_bytes(&segment.meta, &request.schema, &reading.columns), segment.meta.rows);
        (u128::from(all) * u128::from(rows.min(request.limit.unwrap_or(rows))) / u128::from(rows.max(1)))
            as u64
    };
    let is_sorted = !request.order.is_empty() && request.segments.len() > 1;
    let sorted = request.segments.iter().filter(|_| is_sorted).map(sorted).max().unwrap_or(0);
    let each = each.max(sorted);
    let ahead = request.batch_bytes.saturating_mul(BATCHES_AHEAD) / each;
    usize::try_from(ahead).unwrap_or(usize::MAX).max(1)
}

/// Counts rows against the limit, and holds back the candidates of a segment until its last group is through.
fn deliver(unit: &Unit, found: Found, limit: Option<u64>, waiting: &mut Vec<GroupRows>) -> Option<Ready> {
    match found {
        Found::Batches(batches) => {
            let before = unit.delivered.load(Ordering::Acquire);
            let left = limit.map_or(u64::MAX, |limit| limit.saturating_sub(before));
            let batches = cut(batches, left);
            let rows: u64 = batches.iter().map(|batch| batch.num_rows() as u64).sum();
            unit.delivered.store(before + rows, Ordering::Release);
            if !batches.is_empty() {
                return Some(Ready::Batches(unit.position, batches));
            }
        }
        Found::Candidates(rows) => waiting.push(rows),
    }
    let complete = unit.last && !waiting.is_empty();
    complete.then(|| Ready::Candidates(unit.position, std::mem::take(waiting)))
}

/// The first `left` rows: groups that were worked on at the same time did not know of each other.
fn cut(batches: Vec<RecordBatch>, mut left: u64) -> Vec<RecordBatch> {
    let mut kept = Vec::with_capacity(batches.len());
    for batch in batches {
        if left == 0 {
            break;
        }
        let rows = usize::try_from(left).unwrap_or(usize::MAX).min(batch.num_rows());
        left -= rows as u64;
        kept.push(batch.slice(0, rows));
    }
    kept
}
