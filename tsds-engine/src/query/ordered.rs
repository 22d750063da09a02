//! Queries with an order.
//!
//! With a small limit, the best rows so far are kept while segments are read best first ([`super::topk`]). Otherwise every
//! segment gives its own rows sorted, and the runs are merged; a segment is opened only when the merge reaches the least value
//! that its statistics allow, so that memory holds the segments that overlap and no others. One that is reached when half of
//! the memory is taken is sorted on disk instead ([`super::spill`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::RecordBatch;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tsds_compute::merge::{MergeInput, merge};
use tsds_traits::{ColumnId, Error, Result, SortKey};

use super::plan::{Part, Plan};
use super::spill::Spill;
use super::unordered::limited;
use super::{hot, topk};
use crate::version::SegmentEntry;

/// Up to this limit the candidates are kept in memory.
const MAX_CANDIDATES: u64 = 100_000;

pub(super) fn run(plan: Plan) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    match plan.limit {
        Some(0) => Ok(stream::empty().boxed()),
        Some(limit) if limit <= MAX_CANDIDATES => topk::run(Arc::new(plan), limit as usize),
        _ => run_merge(Arc::new(plan)),
    }
}

/// Merges what segments give sorted.
pub(super) fn run_merge(plan: Arc<Plan>) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let columns = plan.fetched_columns();
    let ties = plan.tie_keys();
    let keys: Vec<SortKey> = plan.order.iter().chain(&ties).copied().collect();
    let limit = plan.memory_limit;
    let memory = Arc::new(SortMemory::new(limit / 2));
    let spill = Arc::new(Spill::new(&plan, &columns, &keys)?);
    let sorter = Sorter { memory, spill };
    let mut inputs: Vec<(usize, MergeInput)> = Vec::new();
    for part in &plan.parts {
        for (ordinal, entry) in &part.segments {
            inputs.push((*ordinal, segment_input(&plan, part, *ordinal, entry, &columns, &sorter)));
        }
    }
    // Equal rows come in the order of arrival, which is the order of inputs.
    inputs.sort_by_key(|(ordinal, _)| *ordinal);
    let mut inputs: Vec<MergeInput> = inputs.into_iter().map(|(_, input)| input).collect();
    inputs.push(memory_input(&plan, &columns, ties));
    let schema = plan.schema.project(&columns)?;
    let merged = merge(inputs, schema, columns.clone(), keys, plan.limit, plan.size);
    let output = plan.output_schema()?;
    let positions = positions(&plan.projection, &columns);
    let projected = merged.map(move |item| project(&item?, &positions, &output));
    Ok(limited(projected.boxed(), plan))
}

fn segment_input(
    plan: &Arc<Plan>,
    part: &Part,
    ordinal: usize,
    entry: &Arc<SegmentEntry>,
    columns: &[ColumnId],
    sorter: &Sorter,
) -> MergeInput {
    let request = plan.request(part, &[(ordinal, Arc::clone(entry))], columns);
    let bound = plan.order.first().and_then(|key| part.view.best_value(entry, key));
    let lower_bound = bound.map(|value| vec![value]);
    let (reader, columns) = (part.reader(&plan.core), columns.to_vec());
    let sorter = sorter.clone();
    let held = plan.held_bytes(entry, &columns);
    let open = move || match sorter.memory.take(held) {
        Some(taken) => reader
            .rows(request, &columns)
            .map_ok(|(_, batch)| batch)
            .map(move |item| {
                let _ = &taken;
                item
            })
            .boxed(),
        None => {
            let mut unsorted = request;
            (unsorted.order, unsorted.limit) = (Vec::new(), None);
            let rows = reader.rows(unsorted, &columns).map_ok(|(_, batch)| batch);
            sorter.spill.segment(rows.boxed())
        }
    };
    MergeInput { lower_bound, open: Box::new(open) }
}

fn memory_input(plan: &Arc<Plan>, columns: &[ColumnId], ties: Vec<SortKey>) -> MergeInput {
    let (plan, columns) = (Arc::clone(plan), columns.to_vec());
    let rows = async move {
        let (core, size) = (Arc::clone(&plan.core), plan.size);
        let sorted = core.blocking(move || hot::sorted(&plan, &columns, &ties)).await?;
        // A batch is copied when the merge asks for it.
        let batches = stream::try_unfold((sorted, core), move |(mut sorted, core)| async move {
            let job = move || Ok((sorted.next(size)?, sorted));
            let (batch, sorted) = core.blocking(job).await?;
            Ok::<_, Error>(batch.map(|batch| (batch, (sorted, core))))
        });
        Ok::<_, Error>(batches)
    };
    MergeInput::of_stream(stream::once(rows).try_flatten().boxed())
}

/// Where each wanted column is among the fetched ones.
pub(super) fn positions(wanted: &[ColumnId], fetched: &[ColumnId]) -> Vec<usize> {
    wanted.iter().filter_map(|column| fetched.iter().position(|other| other == column)).collect()
}

/// The wanted columns of a batch.
pub(super) fn project(
    batch: &RecordBatch,
    positions: &[usize],
    schema: &arrow_schema::SchemaRef,
) -> Result<RecordBatch> {
    let projected = batch.project(positions)?;
    Ok(projected.with_schema(Arc::clone(schema))?)
}

/// Where segments are sorted.
#[derive(Clone)]
struct Sorter {
    memory: Arc<SortMemory>,
    spill: Arc<Spill>,
}

/// What sorting holds in memory, against its limit.
#[derive(Debug)]
struct SortMemory {
    limit: u64,
    used: AtomicU64,
}

#[derive(Debug)]
struct Taken {
    memory: Arc<SortMemory>,
    bytes: u64,
}

impl SortMemory {
    fn new(limit: u64) -> Self {
        Self { limit, used: AtomicU64::new(0) }
    }

    /// `None` if there is not so much left.
    fn take(self: &Arc<Self>, bytes: u64) -> Option<Taken> {
        let used = self.used.fetch_add(bytes, Ordering::AcqRel).saturating_add(bytes);
        let taken = Taken { memory: Arc::clone(self), bytes };
        (used <= self.limit).then_some(taken)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}
