//! Scans.
//!
//! A scan is a pipeline over the groups of its segments. Segments are opened in request order; the groups of all of them go
//! through one window of as many workers as the machine has cores, which find and gather their rows; groups come out in
//! order, and those of a segment whose rows must be sorted are sorted when its last group is through. Nothing runs beyond
//! the window, and nothing at all unless the stream is polled.

mod gather;
mod group;
mod order;
mod plan;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::RecordBatch;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use tsds_traits::{Error, Result, ScanRequest, SegmentBatch, SegmentHandle};

use crate::segment::{Finder, Group, MemorySegment, Segment};
use crate::stop::Stop;
use gather::GroupRows;
pub(crate) use group::GroupReader;
pub(crate) use plan::ScanPlan;

/// A segment of a request, as it is at the first poll.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// Pinned, and held until the stream ends.
    Pinned(Arc<MemorySegment>),
    /// Not pinned.
    Elsewhere(SegmentHandle),
}

/// A scan under way.
#[derive(Debug)]
pub(crate) struct Scan {
    plan: ScanPlan,
    finder: Finder,
    stop: Arc<Stop>,
}

/// One group of one segment.
struct Unit {
    position: usize,
    segment: Segment,
    group: Group,
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

/// Finished rows, or all candidates of a segment.
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
        Ok(Arc::new(Self { plan: ScanPlan::new(request)?, finder, stop }))
    }

    /// Answers it.
    pub(crate) fn run(self: Arc<Self>, targets: Vec<Target>) -> BoxStream<'static, Result<SegmentBatch>> {
        let width = self.finder.world.executor.parallelism().max(1);
        let (opener, cutter, worker, finisher) =
            (Arc::clone(&self), Arc::clone(&self), Arc::clone(&self), Arc::clone(&self));
        let request_delivered = Arc::new(AtomicU64::new(0));

        let (unordered, limit, delivered) =
            (self.plan.order.is_empty(), self.plan.limit, Arc::clone(&request_delivered));
        let wanted =
            move || !unordered || limit.is_none_or(|limit| delivered.load(Ordering::Acquire) < limit);
        let opened = stream::iter(targets.into_iter().enumerate())
            .take_while(move |_| std::future::ready(wanted()))
            .map(move |(position, target)| Arc::clone(&opener).open(position, target))
            .buffered(width);
        let units = opened.map_ok(move |(position, segment)| {
            stream::iter(cutter.units(position, &segment, &request_delivered).into_iter().map(Ok))
        });
        let found = units
            .try_flatten()
            .map(move |unit: Result<Unit>| {
                let worker = Arc::clone(&worker);
                async move { worker.work(unit?).await }
            })
            .buffered(width);
        let (mut waiting, limit) = (Vec::new(), self.plan.limit);
        let ready = found.try_filter_map(move |(unit, found)| {
            std::future::ready(Ok(deliver(&unit, found, limit, &mut waiting)))
        });
        let finished = ready
            .map(move |ready| {
                let finisher = Arc::clone(&finisher);
                async move { finisher.finish(ready?).await }
            })
            .buffered(width);
        let batches = finished.map_ok(|(segment, batches)| {
            stream::iter(batches.into_iter().map(move |rows| Ok(SegmentBatch { segment, rows })))
        });
        batches.try_flatten().boxed()
    }

    async fn open(self: Arc<Self>, position: usize, target: Target) -> Result<(usize, Segment)> {
        let segment = match target {
            Target::Pinned(segment) => Segment::Memory(segment),
            Target::Elsewhere(handle) => {
                self.finder.open(&handle, &self.plan.schema, &self.plan.columns).await?
            }
        };
        Ok((position, segment))
    }

    fn units(&self, position: usize, segment: &Segment, request_delivered: &Arc<AtomicU64>) -> Vec<Unit> {
        let sorted = order::is_stored(&self.plan.order, &self.plan.schema, segment.meta());
        let delivered = match self.plan.order.is_empty() {
            true => Arc::clone(request_delivered),
            false => Arc::default(),
        };
        let groups = segment.cuts().group_count();
        let unit = |group: Group| Unit {
            position,
            segment: segment.clone(),
            last: group.index + 1 == groups,
            group,
            sorted,
            delivered: Arc::clone(&delivered),
        };
        segment.cuts().groups().map(unit).collect()
    }

    /// Finds and gathers the rows of a group.
    async fn work(self: Arc<Self>, unit: Unit) -> Result<(Unit, Found)> {
        self.stop.check()?;
        let left = self.plan.limit.map(|limit| limit.saturating_sub(unit.delivered.load(Ordering::Acquire)));
        if left == Some(0) {
            return Ok((unit, Found::Batches(Vec::new())));
        }
        let reader = GroupReader {
            world: self.finder.world.clone(),
            codecs: Arc::clone(&self.finder.codecs),
            stop: Arc::clone(&self.stop),
            segment: unit.segment.clone(),
            group: unit.group.clone(),
        };
        let scan = Arc::clone(&self);
        let found = if unit.sorted {
            let finish = move |rows: GroupRows| scan.plan.batches(&scan.plan.stored.columns, &rows);
            Found::Batches(reader.read(&self.plan.stored, left, finish).await?.unwrap_or_default())
        } else {
            let rows = reader.read(&self.plan.unsorted, None, Ok).await?;
            rows.map_or_else(|| Found::Batches(Vec::new()), Found::Candidates)
        };
        Ok((unit, found))
    }

    /// Sorts what must be sorted.
    async fn finish(self: Arc<Self>, ready: Ready) -> Result<(usize, Vec<RecordBatch>)> {
        match ready {
            Ready::Batches(position, batches) => Ok((position, batches)),
            Ready::Candidates(position, candidates) => {
                let executor = Arc::clone(&self.finder.world.executor);
                let job = move || {
                    self.stop.check()?;
                    let plan = &self.plan;
                    let columns = &plan.unsorted.columns;
                    let sorted = order::sort(candidates, columns, &plan.order, plan.limit)?;
                    Ok((position, plan.batches(columns, &sorted)?))
                };
                (*executor).blocking(job).await
            }
        }
    }
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

/// Refuses segments that are not of the request's schema version.
///
/// # Errors
///
/// `InvalidInput`.
pub(crate) fn check_segments(schema: &tsds_traits::TableSchema, segments: &[SegmentHandle]) -> Result<()> {
    match segments.iter().find(|segment| {
        segment.meta.table != schema.table() || segment.meta.schema_version != schema.version()
    }) {
        None => Ok(()),
        Some(other) => {
            Err(Error::invalid_input("segment is of another table or schema version than the request")
                .with("segment", other.meta.id)
                .with("schema_version", other.meta.schema_version)
                .with("requested", schema.version()))
        }
    }
}
