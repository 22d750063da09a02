//! Sorting the rows of several batches, whatever they take.

use arrow_array::{Array, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::concat::{concat, concat_batches};
use arrow_select::take::take_record_batch;
use tsds_traits::{ColumnId, Error, Result, SortKey};

use super::{KeyedBatch, RowOrder, sort_indices};
use crate::array::{BatchSize, RowBytes, pick, record_batch};

/// Rows that take no more than this are sorted as one batch: copying them once is faster than picking each from its own batch.
const JOINED_BYTES: u64 = 64 << 20;
/// Keys that take more are compared where they are: as one array their offsets could leave 32 bits.
const JOINED_KEY_BYTES: u64 = 1 << 30;

/// Several batches as one sequence of sorted rows, which are copied only as batches of them are taken. Memory: the batches, four
/// bytes a row, and what is taken.
#[derive(Debug)]
pub struct SortedBatches {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    sizes: Vec<RowBytes>,
    /// The number of the first row of each batch.
    starts: Vec<usize>,
    /// The numbers of the rows, in order.
    order: UInt32Array,
    taken: usize,
    bytes: u64,
}

impl SortedBatches {
    /// Sorts rows by `keys` and keeps the first `limit`; equal rows stay in order. `ids` names the columns, which are those of
    /// `schema`.
    ///
    /// # Errors
    ///
    /// As [`sort_indices`].
    pub fn new(
        schema: &SchemaRef,
        ids: &[ColumnId],
        batches: Vec<RecordBatch>,
        keys: &[SortKey],
        limit: Option<usize>,
    ) -> Result<Self> {
        Self::joining(schema, ids, batches, keys, limit, JOINED_BYTES, JOINED_KEY_BYTES)
    }

    fn joining(
        schema: &SchemaRef,
        ids: &[ColumnId],
        mut batches: Vec<RecordBatch>,
        keys: &[SortKey],
        limit: Option<usize>,
        joined_bytes: u64,
        joined_key_bytes: u64,
    ) -> Result<Self> {
        batches.retain(|batch| batch.num_rows() > 0);
        let mut sizes: Vec<RowBytes> = batches.iter().map(RowBytes::of_batch).collect();
        let bytes = sizes.iter().zip(&batches).map(|(sizes, rows)| sizes.of(0..rows.num_rows())).sum();
        if batches.len() > 1 && bytes <= joined_bytes {
            batches = vec![concat_batches(schema, &batches)?];
            sizes = batches.iter().map(RowBytes::of_batch).collect();
        }
        let mut starts = Vec::with_capacity(batches.len());
        let mut rows = 0_usize;
        for batch in &batches {
            starts.push(rows);
            rows += batch.num_rows();
        }
        if u32::try_from(rows).is_err() {
            return Err(Error::invalid_input("too many rows to sort at once").with("rows", rows));
        }
        let order = order_of(ids, &batches, &starts, keys, limit, joined_key_bytes)?;
        Ok(Self { schema: schema.clone(), batches, sizes, starts, order, taken: 0, bytes })
    }

    /// How many rows there are, with those that were taken.
    pub fn rows(&self) -> usize {
        self.order.len()
    }

    /// The next rows, as many as have room; `None` when all were taken.
    ///
    /// # Errors
    ///
    /// `Internal` where Arrow fails to copy rows.
    pub fn next(&mut self, size: BatchSize) -> Result<Option<RecordBatch>> {
        let rows = self.fitting(size);
        if rows == 0 {
            return Ok(None);
        }
        let wanted = self.order.slice(self.taken, rows);
        self.taken += rows;
        if let [single] = self.batches.as_slice() {
            let is_bare = self.schema.fields().is_empty();
            let batch = if is_bare { single.slice(0, rows) } else { take_record_batch(single, &wanted)? };
            return Ok(Some(batch));
        }
        let places: Vec<(usize, usize)> =
            wanted.values().iter().map(|row| place(&self.starts, *row as usize)).collect();
        Ok(Some(pick(&self.schema, &self.batches, places)?))
    }

    /// All rows that are left, in batches.
    ///
    /// # Errors
    ///
    /// As [`SortedBatches::next`].
    pub fn into_batches(mut self, size: BatchSize) -> Result<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next(size)? {
            batches.push(batch);
        }
        Ok(batches)
    }

    /// How many of the next rows make a batch.
    fn fitting(&self, size: BatchSize) -> usize {
        let left = (self.order.len() - self.taken).min(size.rows.max(1));
        if self.bytes <= size.bytes {
            return left;
        }
        let mut bytes = 0_u64;
        for (count, row) in self.order.values().iter().skip(self.taken).take(left).enumerate() {
            let (batch, row) = place(&self.starts, *row as usize);
            bytes += self.sizes.get(batch).map_or(0, |sizes| sizes.of(row..row + 1));
            if bytes > size.bytes {
                return count.max(1);
            }
        }
        left
    }
}

/// The batch of a row, and its number there.
fn place(starts: &[usize], row: usize) -> (usize, usize) {
    let batch = starts.partition_point(|start| *start <= row).saturating_sub(1);
    (batch, row - starts.get(batch).copied().unwrap_or(0))
}

/// The numbers of the rows in order.
fn order_of(
    ids: &[ColumnId],
    batches: &[RecordBatch],
    starts: &[usize],
    keys: &[SortKey],
    limit: Option<usize>,
    joined_key_bytes: u64,
) -> Result<UInt32Array> {
    match batches {
        [] => return Ok(UInt32Array::from(Vec::<u32>::new())),
        [single] => return sort_indices(ids, single, keys, limit),
        _ => {}
    }
    let mut key_ids: Vec<ColumnId> = Vec::with_capacity(keys.len());
    for key in keys {
        if !key_ids.contains(&key.column) {
            key_ids.push(key.column);
        }
    }
    let positions = key_ids.iter().map(|id| {
        let position = ids.iter().position(|own| own == id);
        position.ok_or_else(|| Error::invalid_input("batch lacks a column that is needed").with("column", id))
    });
    let positions = positions.collect::<Result<Vec<_>>>()?;
    let key_columns =
        batches.iter().map(|batch| Ok(batch.project(&positions)?)).collect::<Result<Vec<_>>>()?;
    let bytes: u64 = key_columns.iter().map(|keys| RowBytes::of_batch(keys).of(0..keys.num_rows())).sum();
    if bytes > joined_key_bytes {
        return compared(&key_ids, &key_columns, starts, keys, limit);
    }
    let Some(first) = key_columns.first() else { return Ok(UInt32Array::from(Vec::<u32>::new())) };
    let joined = (0..positions.len()).map(|column| {
        let arrays: Vec<&dyn Array> = key_columns.iter().map(|batch| batch.column(column).as_ref()).collect();
        Ok(concat(&arrays)?)
    });
    let joined = joined.collect::<Result<Vec<_>>>()?;
    let rows = key_columns.iter().map(RecordBatch::num_rows).sum();
    sort_indices(&key_ids, &record_batch(&first.schema(), joined, rows)?, keys, limit)
}

/// As [`sort_indices`], without joining keys.
fn compared(
    ids: &[ColumnId],
    batches: &[RecordBatch],
    starts: &[usize],
    keys: &[SortKey],
    limit: Option<usize>,
) -> Result<UInt32Array> {
    let order = RowOrder::new(keys.to_vec());
    let prepared = batches.iter().map(|batch| order.prepare(ids, batch));
    let prepared = prepared.collect::<Result<Vec<KeyedBatch>>>()?;
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let mut sorted: Vec<u32> = (0..rows as u32).collect();
    sorted.sort_by(|a, b| {
        let ((a, a_row), (b, b_row)) = (place(starts, *a as usize), place(starts, *b as usize));
        order.compare(&prepared[a], a_row, &prepared[b], b_row)
    });
    sorted.truncate(limit.unwrap_or(usize::MAX));
    Ok(UInt32Array::from(sorted))
}

#[cfg(test)]
#[path = "batches_tests.rs"]
mod tests;
