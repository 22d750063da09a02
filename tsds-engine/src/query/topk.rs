//! The first rows of an order: segments are read best first, the best rows so far are kept, and reading stops when the
//! statistics prove that no other segment can have a better one.

use std::slice;
use std::sync::Arc;

use arrow_array::{RecordBatch, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tsds_compute::{RowOrder, sort_indices};
use tsds_traits::{ColumnId, Result, SortKey};

use super::hot;
use super::older::Bound;
use super::ordered::{positions, project};
use super::plan::{Part, PlacedSegment, Plan};
use super::unordered::limited;
use crate::version::SegmentEntry;

/// How many segments are asked for at once: enough to share a launch on a device, few enough to stop early.
const WAVE: usize = 32;
/// The hidden last column: which segment a row is from, in the order of arrival.
const ORDINAL: ColumnId = ColumnId(u32::MAX);

pub(super) async fn run(plan: Plan, limit: usize) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let plan = Arc::new(plan);
    let best = BestRows::new(&plan, limit)?;
    let started = Arc::clone(&plan);
    let rows = stream::once(async move {
        let rows = gather(&started, best).await?;
        let cut = (0..rows.num_rows()).step_by(started.batch_rows);
        let batches: Vec<_> =
            cut.map(|at| Ok(rows.slice(at, started.batch_rows.min(rows.num_rows() - at)))).collect();
        Ok::<_, tsds_traits::Error>(stream::iter(batches))
    })
    .try_flatten();
    Ok(limited(rows.boxed(), plan))
}

async fn gather(plan: &Arc<Plan>, mut best: BestRows) -> Result<RecordBatch> {
    let ordinals = plan.snapshot.table.segments.len() as u32;
    let (hot_plan, columns, ties) = (Arc::clone(plan), best.columns.clone(), plan.tie_keys());
    for batch in plan.core.blocking(move || hot::scan(&hot_plan, &columns, &ties)).await? {
        best.offer(ordinals, &batch)?;
    }
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
            }
        }
        best.shrink()?;
        if let Some(worst) = best.worst()? {
            waiting.retain(|candidate| worst.can_be_beaten_by(candidate.best.as_ref()));
        }
    }
    best.finish(plan)
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
    batches: Vec<RecordBatch>,
    rows: usize,
    /// Whether `batches` is one batch, sorted.
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
        Ok(Self { limit, columns, ids, schema, keys, first, batches: Vec::new(), rows: 0, sorted: false })
    }

    /// Adds rows of one segment, in that segment's order.
    fn offer(&mut self, ordinal: u32, batch: &RecordBatch) -> Result<()> {
        let mut columns = batch.columns().to_vec();
        columns.push(Arc::new(UInt32Array::from(vec![ordinal; batch.num_rows()])));
        self.batches.push(RecordBatch::try_new(Arc::clone(&self.schema), columns)?);
        self.rows += batch.num_rows();
        self.sorted = false;
        // Sorting now and then costs little, and keeps memory at a few times the limit.
        if self.rows > self.limit.saturating_mul(4).max(65_536) {
            self.shrink()?;
        }
        Ok(())
    }

    /// Sorts, and drops what is beyond the limit.
    fn shrink(&mut self) -> Result<()> {
        if self.sorted {
            return Ok(());
        }
        let all = concat_batches(&self.schema, &self.batches)?;
        let indices = sort_indices(&self.ids, &all, &self.keys, Some(self.limit))?;
        let best = take_record_batch(&all, &indices)?;
        self.rows = best.num_rows();
        self.batches = vec![best];
        self.sorted = true;
        Ok(())
    }

    /// The last of the best rows, once there are enough of them.
    fn worst(&self) -> Result<Option<Worst>> {
        let Some(batch) = self.batches.first().filter(|_| self.sorted && self.rows >= self.limit) else {
            return Ok(None);
        };
        let order = RowOrder::new(vec![self.first]);
        let row = batch.slice(self.rows - 1, 1);
        let prepared = order.prepare(&self.ids, &row)?;
        Ok(Some(Worst { order, row: prepared }))
    }

    fn finish(mut self, plan: &Plan) -> Result<RecordBatch> {
        self.shrink()?;
        let output = plan.output_schema()?;
        let empty = RecordBatch::new_empty(Arc::clone(&self.schema));
        let rows = self.batches.first().unwrap_or(&empty);
        project(rows, &positions(&plan.projection, &self.columns), &output)
    }
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
