//! Sorting the rows of one segment, and finding the first ones of a part of it.

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use tsds_compute::sort_indices;
use tsds_traits::{ColumnId, Result, SortKey};

use super::group::slices;

/// The first `limit` rows of one row group in `order`, equal rows by row number. Batches are in storage order.
pub(super) fn first_of_group(
    ids: &[ColumnId],
    order: &[SortKey],
    batches: &[RecordBatch],
    limit: usize,
) -> Result<Vec<RecordBatch>> {
    Ok(sort(ids, order, batches, Some(limit))?.into_iter().collect())
}

/// The rows of a segment in `order`, equal rows in the order in which they come: runs are in storage order, or each is
/// sorted like this already.
pub(super) fn sort_segment(
    ids: &[ColumnId],
    order: &[SortKey],
    runs: &[RecordBatch],
    limit: Option<usize>,
    batch_rows: usize,
) -> Result<Vec<RecordBatch>> {
    let sorted = sort(ids, order, runs, limit)?;
    Ok(sorted.map(|sorted| slices(&sorted, batch_rows)).unwrap_or_default())
}

fn sort(
    ids: &[ColumnId],
    order: &[SortKey],
    batches: &[RecordBatch],
    limit: Option<usize>,
) -> Result<Option<RecordBatch>> {
    let Some(first) = batches.first() else { return Ok(None) };
    let rows = concat_batches(&first.schema(), batches)?;
    let indices = sort_indices(ids, &rows, order, limit)?;
    Ok(Some(take_record_batch(&rows, &indices)?))
}
