//! Rows in memory: scanned and aggregated by the engine itself.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use tsds_compute::scan::SegmentScan;
use tsds_compute::{Aggregator, CompiledPredicate, SegmentPosition, sort_indices};
use tsds_hot::MemtableSnapshot;
use tsds_traits::{AggregatePlan, ColumnId, Predicate, Result, ScanRequest, Sequence, SortKey, TableSchema};

use super::plan::Plan;

/// A scan of memory, in the order of arrival or sorted. `ties` are appended to the order, since rows in memory are not in the
/// order of series and time yet.
pub(super) fn scan(plan: &Plan, columns: &[ColumnId], ties: &[SortKey]) -> Result<Vec<RecordBatch>> {
    let mut request = ScanRequest::new(Arc::clone(&plan.schema), Vec::new(), columns.to_vec());
    request.predicate = plan.predicate.clone();
    request.batch_rows = plan.batch_rows;
    // A sort needs every row; without one the limit can stop the scan.
    request.limit = plan.limit.filter(|_| plan.order.is_empty());
    let ids: Vec<ColumnId> = plan.schema.columns().iter().map(|column| column.id).collect();
    let mut scan = SegmentScan::new(&request)?;
    let mut output = Vec::new();
    for batch in plan.snapshot.memory.iter().flat_map(|memory| memory.batches.iter()) {
        if scan.is_done() {
            break;
        }
        output.extend(scan.push(&ids, batch)?);
    }
    output.extend(scan.finish_segment()?);
    let rows: Vec<RecordBatch> = output.into_iter().map(|batch| batch.rows).collect();
    if plan.order.is_empty() { Ok(rows) } else { sorted(plan, columns, ties, &rows) }
}

fn sorted(
    plan: &Plan,
    columns: &[ColumnId],
    ties: &[SortKey],
    rows: &[RecordBatch],
) -> Result<Vec<RecordBatch>> {
    let all = concat_batches(&plan.schema.project(columns)?, rows)?;
    let keys: Vec<SortKey> = plan.order.iter().chain(ties).copied().collect();
    let limit = plan.limit.and_then(|limit| usize::try_from(limit).ok());
    let indices = sort_indices(columns, &all, &keys, limit)?;
    let best = take_record_batch(&all, &indices)?;
    let rows = best.num_rows();
    Ok((0..rows).step_by(plan.batch_rows).map(|at| best.slice(at, plan.batch_rows.min(rows - at))).collect())
}

/// The states of memory's rows.
pub(super) fn aggregate(
    schema: &Arc<TableSchema>,
    memory: &[MemtableSnapshot],
    plan: &AggregatePlan,
    predicate: Option<&Predicate>,
) -> Result<Vec<RecordBatch>> {
    let ids: Vec<ColumnId> = schema.columns().iter().map(|column| column.id).collect();
    let predicate = predicate.map(|predicate| CompiledPredicate::new(predicate, schema)).transpose()?;
    let mut aggregator = Aggregator::new(Arc::clone(schema), plan.clone())?;
    let mut first_row = 0;
    for batch in memory.iter().flat_map(|memory| memory.batches.iter()) {
        let mask = predicate.as_ref().map(|predicate| predicate.evaluate(&ids, batch)).transpose()?;
        // Rows in memory arrived after every row in a segment.
        let position = SegmentPosition { sequence: Sequence(u64::MAX).0, first_row };
        aggregator.update(&ids, batch, position, mask.as_ref())?;
        first_row += batch.num_rows() as u64;
    }
    aggregator.states()
}
