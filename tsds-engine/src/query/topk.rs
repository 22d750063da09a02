//! The first rows of an order: segments are read best first, the best rows so far are kept, and reading stops when the
//! statistics prove that no other segment can have a better one. Rows that take too much memory to be kept are merged instead
//! ([`run_merge`]), which can go on on disk.

use std::slice;
use std::sync::Arc;

use arrow_array::{RecordBatch, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tsds_compute::{BatchSize, RowBytes, RowOrder, SortedBatches};
use tsds_traits::{ColumnId, Result, SortKey};

use super::hot;
use super::older::Bound;
use super::ordered::{positions, project, run_merge};
use super::plan::{Part, PlacedSegment, Plan};
use super::unordered::limited;
use crate::version::SegmentEntry;

/// How many segments are asked for at once: enough to share a launch on a device, few enough to stop early.
const WAVE: usize = 32;
/// The hidden last column: which segment a row is from, in the order of arrival.
const ORDINAL: ColumnId = ColumnId(u32::MAX);

pub(super) fn run(plan: Arc<Plan>, limit: usize) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let best = BestRows::new(&plan, limit)?;
    if expected_bytes(&plan, limit, &best.columns) > best.most_bytes {
        return run_merge(plan);
    }
    let started = Arc::clone(&plan);
    let rows = stream::once(async move {
        match gather(&started, best).await? {
            Some(batches) => Ok(stream::iter(batches.into_iter().map(Ok)).boxed()),
            // Nothing was given yet.
            None => run_merge(Arc::clone(&started)),
        }
    })
    .try_flatten();
    Ok(limited(rows.boxed(), plan))
}

/// About what so many rows take, where they are as large as they can be on an average over a segment.
fn expected_bytes(plan: &Plan, limit: usize, columns: &[ColumnId]) -> u64 {
    let segments = plan.parts.iter().flat_map(|part| &part.segments);
    let of_row = |entry: &SegmentEntry| plan.held_bytes(entry, columns) / entry.meta.rows.max(1);
    let row_bytes = segments.clone().map(|(_, entry)| of_row(entry)).max().unwrap_or(0);
    let rows: u64 = segments.map(|(_, entry)| entry.meta.rows).sum();
    row_bytes.saturating_mul(rows.min(limit as u64))
}

/// The best rows; `None` if they take too much memory.
async fn gather(plan: &Arc<Plan>, mut best: BestRows) -> Result<Option<Vec<RecordBatch>>> {
    let ordinals = plan.snapshot.table.segments.len() as u32;
    let (hot_plan, columns, ties) = (Arc::clone(plan), best.columns.clone(), plan.tie_keys());
    let mut hot = plan.core.blocking(move || hot::sorted(&hot_plan, &columns, &ties)).await?;
    while let Some(batch) = hot.next(plan.size)? {
        best.offer(ordinals, &batch)?;
        if best.is_too_large() {
            return Ok(None);
        }
    }
    drop(hot);
    best.shrink()?;
    let mut waiting = best_first(plan);
    while !waiting.is_empty() {
        let wave: Vec<Candidate> = waiting.drain(..waiting.len().min(WAVE)).collect();
        for (part, segments) in by_part(plan, &wave) {
            let request = plan.request(part, &segments, &best.columns);
            let mut rows = part.reader(&plan.core).rows(request, &best.columns);
            while let Some((segment, batch)) = rows.try_next().await? {
                let ordinal = segments.get(segment).map_or(0, |(ordinal, _)| *ordinal as u32);
                best.offer(ordinal, &batch)?;
                if best.is_too_large() {
                    return Ok(None);
                }
            }
        }
        best.shrink()?;
        if let Some(worst) = best.worst()? {
            waiting.retain(|candidate| worst.can_be_beaten_by(candidate.best.as_ref()));
        }
    }
    best.finish(plan).map(Some)
}

/// A segment that may have rows among the best.
struct Candidate {
    part: usize,
    ordinal: usize,
    entry: Arc<SegmentEntry>,
    /// What none of its rows comes before; unknown if `None`.
    best: Option<Bound>,
}

/// All segments, those that may hold the very best rows first; unknown ones before all.
fn best_first(plan: &Plan) -> Vec<Candidate> {
    let Some(key) = plan.order.first() else { return Vec::new() };
    let mut candidates: Vec<Candidate> = Vec::new();
    for (index, part) in plan.parts.iter().enumerate() {
        candidates.extend(part.segments.iter().map(|(ordinal, entry)| Candidate {
            part: index,
            ordinal: *ordinal,
            entry: Arc::clone(entry),
            best: part.view.best_value(entry, key),
        }));
    }
    let order = RowOrder::new(vec![*key]);
    candidates.sort_by(|a, b| match (&a.best, &b.best) {
        (Some(a), Some(b)) => order.compare_bounds(slice::from_ref(a), slice::from_ref(b)),
        (a, b) => a.is_some().cmp(&b.is_some()),
    });
    candidates
}

/// The segments of a wave by part, in the order of chunks and arrival.
fn by_part<'a>(plan: &'a Plan, wave: &[Candidate]) -> Vec<(&'a Part, Vec<PlacedSegment>)> {
    let parts = plan.parts.iter().enumerate().map(|(index, part)| {
        let of_part = wave.iter().filter(|candidate| candidate.part == index);
        let mut segments: Vec<_> =
            of_part.map(|candidate| (candidate.ordinal, Arc::clone(&candidate.entry))).collect();
        segments.sort_by_key(|(ordinal, _)| *ordinal);
        (part, segments)
    });
    parts.filter(|(_, segments)| !segments.is_empty()).collect()
}

/// The best rows so far, and some more that were not compared yet.
struct BestRows {
    limit: usize,
    columns: Vec<ColumnId>,
    /// `columns`, then the ordinal.
    ids: Vec<ColumnId>,
    schema: SchemaRef,
    keys: Vec<SortKey>,
    first: SortKey,
    size: BatchSize,
    /// What the best rows may take.
    most_bytes: u64,
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: u64,
    /// What the best rows took when the others were last dropped.
    kept_bytes: u64,
    /// Whether `batches` are the best rows, sorted.
    sorted: bool,
}

impl BestRows {
    fn new(plan: &Plan, limit: usize) -> Result<Self> {
        let columns = plan.fetched_columns();
        let first = *plan.order.first().ok_or_else(|| super::unplanned("an ordered query has no order"))?;
        let mut keys: Vec<SortKey> = plan.order.iter().chain(&plan.tie_keys()).copied().collect();
        keys.push(SortKey { column: ORDINAL, descending: false, nulls_first: false });
        let mut fields: Vec<_> = plan.schema.project(&columns)?.fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new("ordinal", DataType::UInt32, false)));
        let ids = columns.iter().copied().chain([ORDINAL]).collect();
        let schema = Arc::new(Schema::new(fields));
        Ok(Self {
            limit,
            columns,
            ids,
            schema,
            keys,
            first,
            size: plan.size,
            most_bytes: plan.memory_limit / 4,
            batches: Vec::new(),
            rows: 0,
            bytes: 0,
            kept_bytes: 0,
            sorted: false,
        })
    }

    /// Adds rows of one segment, in that segment's order.
    fn offer(&mut self, ordinal: u32, batch: &RecordBatch) -> Result<()> {
        let mut columns = batch.columns().to_vec();
        columns.push(Arc::new(UInt32Array::from(vec![ordinal; batch.num_rows()])));
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        self.rows += batch.num_rows();
        self.bytes += bytes_of(&batch);
        self.batches.push(batch);
        self.sorted = false;
        // Sorting now and then costs little, and keeps memory at a few times the limit.
        let many_rows = self.rows > self.limit.saturating_mul(4).max(65_536);
        let many_bytes =
            self.rows > self.limit && self.bytes > self.kept_bytes.saturating_mul(2).max(self.most_bytes / 2);
        if many_rows || many_bytes {
            self.shrink()?;
        }
        Ok(())
    }

    /// Whether even the best rows take too much; until they are known, whether all do by far.
    fn is_too_large(&self) -> bool {
        self.kept_bytes > self.most_bytes || self.bytes > self.most_bytes.saturating_mul(3)
    }

    /// Sorts, and drops what is beyond the limit.
    fn shrink(&mut self) -> Result<()> {
        if self.sorted {
            return Ok(());
        }
        let batches = std::mem::take(&mut self.batches);
        let best = SortedBatches::new(&self.schema, &self.ids, batches, &self.keys, Some(self.limit))?;
        self.rows = best.rows();
        self.batches = best.into_batches(self.size)?;
        self.bytes = self.batches.iter().map(bytes_of).sum();
        self.kept_bytes = self.bytes;
        self.sorted = true;
        Ok(())
    }

    /// The last of the best rows, once there are enough of them.
    fn worst(&self) -> Result<Option<Worst>> {
        let Some(batch) = self.batches.last().filter(|_| self.sorted && self.rows >= self.limit) else {
            return Ok(None);
        };
        let order = RowOrder::new(vec![self.first]);
        let row = batch.slice(batch.num_rows() - 1, 1);
        let prepared = order.prepare(&self.ids, &row)?;
        Ok(Some(Worst { order, row: prepared }))
    }

    fn finish(mut self, plan: &Plan) -> Result<Vec<RecordBatch>> {
        self.shrink()?;
        let output = plan.output_schema()?;
        let positions = positions(&plan.projection, &self.columns);
        self.batches.iter().map(|rows| project(rows, &positions, &output)).collect()
    }
}

fn bytes_of(batch: &RecordBatch) -> u64 {
    RowBytes::of_batch(batch).of(0..batch.num_rows())
}

struct Worst {
    order: RowOrder,
    row: tsds_compute::KeyedBatch,
}

impl Worst {
    /// Whether a segment whose rows do not come before `best` can have a row that is better, or equal and then better by
    /// what breaks ties.
    fn can_be_beaten_by(&self, best: Option<&Bound>) -> bool {
        let Some(best) = best else { return true };
        self.order.compare_bound(slice::from_ref(best), &self.row, 0).is_le()
    }
}
