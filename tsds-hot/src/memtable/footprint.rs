//! What batches hold in memory, as opposed to what they show.

use std::collections::HashSet;

use arrow_array::{Array, ArrayRef, RecordBatch, make_array};
use arrow_data::ArrayData;
use arrow_data::transform::MutableArrayData;
use tsds_compute::plain_bytes;
use tsds_traits::Result;

use crate::dictionary::used_values;

/// Holding this much more than is shown is not worth a copy.
const SLACK: u64 = 16 << 10;

/// The memory that a batch holds: each allocation behind it once.
pub(super) fn held_bytes(batch: &RecordBatch) -> u64 {
    let mut seen = HashSet::new();
    batch.columns().iter().map(|column| allocations(&column.to_data(), &mut seen)).sum()
}

fn allocations(data: &ArrayData, seen: &mut HashSet<usize>) -> u64 {
    let nulls = data.nulls().map(|nulls| nulls.buffer());
    let own: u64 = data
        .buffers()
        .iter()
        .chain(nulls)
        .filter(|buffer| buffer.capacity() > 0 && seen.insert(buffer.data_ptr().as_ptr() as usize))
        .map(|buffer| buffer.capacity() as u64)
        .sum();
    own + data.child_data().iter().map(|child| allocations(child, seen)).sum::<u64>()
}

/// The batch, as a copy of its rows alone if it holds more than twice as much as that, and without the values of
/// dictionaries that it hardly uses.
pub(super) fn compact(batch: &RecordBatch) -> Result<RecordBatch> {
    let wasteful = held_bytes(batch) > 2 * plain_bytes(batch) + SLACK;
    let columns = batch.columns().iter().map(|column| {
        let column = used_values(column)?;
        Ok(if wasteful { copied(&column)? } else { column })
    });
    Ok(RecordBatch::try_new(batch.schema(), columns.collect::<Result<Vec<_>>>()?)?)
}

fn copied(column: &ArrayRef) -> Result<ArrayRef> {
    let data = column.to_data();
    let mut copy = MutableArrayData::new(vec![&data], false, data.len());
    copy.try_extend(0, 0, data.len())?;
    Ok(make_array(copy.freeze()))
}
