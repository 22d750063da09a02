//! The first rows of a group in some order.

use arrow_buffer::BooleanBufferBuilder;
use tsds_compute::sort_indices;
use tsds_traits::{ColumnId, Result, SortKey};

use super::gather::GroupRows;
use crate::filter::Selection;

/// Those of the selected rows, whose keys are `keyed`, that come first.
///
/// # Errors
///
/// As [`sort_indices`].
pub(crate) fn first_rows(
    selection: Selection,
    rows: usize,
    keyed: &GroupRows,
    columns: &[ColumnId],
    order: &[SortKey],
    limit: usize,
) -> Result<Selection> {
    let first = sort_indices(columns, &keyed.batch()?, order, Some(limit))?;
    let mut kept = vec![false; keyed.rows];
    for position in first.values() {
        if let Some(kept) = kept.get_mut(*position as usize) {
            *kept = true;
        }
    }
    let mut bits = BooleanBufferBuilder::new(rows);
    match selection {
        Selection::Rows(selected) => {
            bits.append_n(rows, false);
            let kept = selected.set_indices().zip(kept).filter(|(_, kept)| *kept);
            kept.for_each(|(row, _)| bits.set_bit(row, true));
        }
        _ => bits.append_slice(&kept),
    }
    Ok(Selection::of(bits.finish()))
}
