//! Sorting the rows of one segment.

use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_select::concat::concat_batches;
use arrow_select::take::{take, take_record_batch};
use tsds_traits::{ColumnId, Result, SortKey, TableSchema};

use crate::array::{conform, record_batch};
use crate::sort::sort_indices;

/// Gathers rows and sorts them at the end; with a limit it never keeps many more rows than that.
#[derive(Debug)]
pub(super) struct Ordered {
    columns: Vec<ColumnId>,
    order: Vec<SortKey>,
    limit: usize,
    /// Rows; equal ones in order of arrival.
    batches: Vec<RecordBatch>,
    rows: usize,
}

/// Below this many rows it is not worth dropping any.
const MIN_KEPT_ROWS: usize = 8_192;

impl Ordered {
    pub(super) fn new(projection: &[ColumnId], order: &[SortKey], limit: u64) -> Self {
        let mut columns = Vec::with_capacity(projection.len() + order.len());
        for id in projection.iter().copied().chain(order.iter().map(|key| key.column)) {
            if !columns.contains(&id) {
                columns.push(id);
            }
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Self { columns, order: order.to_vec(), limit, batches: Vec::new(), rows: 0 }
    }

    /// The columns to push: projection and order, each once.
    pub(super) fn columns(&self) -> &[ColumnId] {
        &self.columns
    }

    pub(super) fn push(&mut self, schema: &TableSchema, arrays: Vec<ArrayRef>, rows: usize) -> Result<()> {
        let output = schema.project(&self.columns)?;
        let typed = arrays.iter().zip(output.fields());
        let typed =
            typed.map(|(array, field)| conform(array, field.data_type())).collect::<Result<Vec<_>>>()?;
        self.batches.push(record_batch(&output, typed, rows)?);
        self.rows += rows;
        if self.rows / 2 > self.limit.max(MIN_KEPT_ROWS) {
            let joined = self.join()?;
            // Equal rows stay in order of arrival, and all that comes later comes after them.
            let kept = self.sorted(&joined)?;
            self.rows = kept.values().len();
            self.batches = vec![take_record_batch(&joined, &kept)?];
        }
        Ok(())
    }

    /// The sorted rows: the arrays of `projection`, and how many rows they have.
    pub(super) fn finish(mut self, projection: &[ColumnId]) -> Result<(Vec<ArrayRef>, usize)> {
        if self.rows == 0 {
            return Ok((Vec::new(), 0));
        }
        let joined = self.join()?;
        let order = self.sorted(&joined)?;
        // One by one: a batch without columns cannot be taken from.
        let sorted = projection.iter().filter_map(|id| self.columns.iter().position(|own| own == id));
        let sorted = sorted.map(|index| Ok(take(joined.column(index), &order, None)?));
        Ok((sorted.collect::<Result<Vec<_>>>()?, order.values().len()))
    }

    fn join(&mut self) -> Result<RecordBatch> {
        let batches = std::mem::take(&mut self.batches);
        match batches.as_slice() {
            [single] => Ok(single.clone()),
            many => Ok(concat_batches(many[0].schema_ref(), many)?),
        }
    }

    fn sorted(&self, joined: &RecordBatch) -> Result<UInt32Array> {
        sort_indices(&self.columns, joined, &self.order, Some(self.limit))
    }
}
