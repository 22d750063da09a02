//! Rows in memory: scanned and aggregated by the engine itself.

use std::sync::Arc;

use arrow_array::RecordBatch;
use tsds_compute::scan::SegmentScan;
use tsds_compute::{Aggregator, CompiledPredicate, SegmentPosition, SortedBatches};
use tsds_hot::MemtableSnapshot;
use tsds_traits::{ColumnId, Result, ScanRequest, Sequence, SortKey};

use super::older::View;
use super::plan::Plan;
use super::unplanned;

/// A scan of memory, in the order of arrival.
pub(super) fn scan(plan: &Plan, columns: &[ColumnId]) -> Result<Vec<RecordBatch>> {
    // A sort needs every row; without one the limit can stop the scan.
    let mut left = plan.limit.filter(|_| plan.order.is_empty());
    let mut rows: Vec<RecordBatch> = Vec::new();
    for (view, memory) in by_version(plan)? {
        if view.is_never() {
            continue;
        }
        let mut request = ScanRequest::new(Arc::clone(view.schema()), Vec::new(), view.present(columns));
        request.predicate = view.predicate.clone();
        (request.batch_rows, request.batch_bytes) = (plan.size.rows, plan.size.bytes);
        request.limit = left;
        let found = scan_version(&request, memory)?;
        let given: u64 = found.iter().map(|batch| batch.num_rows() as u64).sum();
        left = left.map(|left| left.saturating_sub(given));
        let found = found.into_iter().map(|batch| view.rows(columns, batch));
        rows.extend(found.collect::<Result<Vec<_>>>()?);
    }
    Ok(rows)
}

/// The memtables, oldest first, those of one schema version together.
fn by_version(plan: &Plan) -> Result<Vec<(&Arc<View>, &[MemtableSnapshot])>> {
    let runs = plan.snapshot.memory.chunk_by(|a, b| a.schema.version() == b.schema.version());
    let with_view = runs.map(|memory| {
        let view = memory.first().and_then(|first| plan.views.get(&first.schema.version()));
        Ok((view.ok_or_else(|| unplanned("rows in memory have no view"))?, memory))
    });
    with_view.collect()
}

/// The rows of memtables of one schema version, in the order of arrival.
fn scan_version(request: &ScanRequest, memory: &[MemtableSnapshot]) -> Result<Vec<RecordBatch>> {
    let ids: Vec<ColumnId> = request.schema.columns().iter().map(|column| column.id).collect();
    let mut scan = SegmentScan::new(request)?;
    let mut output = Vec::new();
    for batch in memory.iter().flat_map(|memory| memory.batches.iter()) {
        if scan.is_done() {
            break;
        }
        output.extend(scan.push(&ids, batch)?);
    }
    output.extend(scan.finish_segment()?);
    Ok(output.into_iter().map(|batch| batch.rows).collect())
}

/// A scan of memory, sorted. `ties` are appended to the order, since rows in memory are not in the order of series and time yet.
pub(super) fn sorted(plan: &Plan, columns: &[ColumnId], ties: &[SortKey]) -> Result<SortedBatches> {
    let rows = scan(plan, columns)?;
    let keys: Vec<SortKey> = plan.order.iter().chain(ties).copied().collect();
    let limit = plan.limit.and_then(|limit| usize::try_from(limit).ok());
    SortedBatches::new(&plan.schema.project(columns)?, columns, rows, &keys, limit)
}

/// The states of memory's rows.
pub(super) fn aggregate(plan: &Plan) -> Result<Vec<RecordBatch>> {
    let mut states = Vec::new();
    // Counted over all memtables: it breaks ties between them.
    let mut first_row = 0;
    for (view, memory) in by_version(plan)? {
        let schema = view.schema();
        let wanted = view.plan().ok_or_else(|| unplanned("no aggregate was planned"))?;
        let ids: Vec<ColumnId> = schema.columns().iter().map(|column| column.id).collect();
        let predicate = view.predicate.as_ref();
        let predicate = predicate.map(|predicate| CompiledPredicate::new(predicate, schema)).transpose()?;
        let mut aggregator = Aggregator::new(Arc::clone(schema), wanted.clone())?;
        for batch in memory.iter().flat_map(|memory| memory.batches.iter()) {
            let mask = predicate.as_ref().map(|predicate| predicate.evaluate(&ids, batch)).transpose()?;
            // Rows in memory arrived after every row in a segment.
            let position = SegmentPosition { sequence: Sequence(u64::MAX).0, first_row };
            aggregator.update(&ids, batch, position, mask.as_ref())?;
            first_row += batch.num_rows() as u64;
        }
        for batch in aggregator.states()? {
            states.push(view.states(batch)?);
        }
    }
    Ok(states)
}
