//! Sorting the rows of one segment.

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use tsds_traits::{ColumnId, Result, SortKey, TableSchema};

use crate::array::{BatchSize, conform, plain_row_bytes, record_batch};
use crate::sort::SortedBatches;

/// Gathers rows and sorts them at the end; with a limit it never keeps many more rows than that.
#[derive(Debug)]
pub(super) struct Ordered {
    columns: Vec<ColumnId>,
    /// Of those columns.
    schema: SchemaRef,
    order: Vec<SortKey>,
    limit: usize,
    size: BatchSize,
    /// Rows; equal ones in order of arrival.
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: u64,
    /// What the rows took when those beyond the limit were last dropped.
    kept_bytes: u64,
}

/// Below this many rows it is not worth dropping any,
const MIN_KEPT_ROWS: usize = 8_192;
/// nor below so many bytes.
const MIN_KEPT_BYTES: u64 = 16 << 20;

impl Ordered {
    /// # Errors
    ///
    /// As [`TableSchema::project`].
    pub(super) fn new(
        schema: &TableSchema,
        projection: &[ColumnId],
        order: &[SortKey],
        limit: u64,
        size: BatchSize,
    ) -> Result<Self> {
        let mut columns = Vec::with_capacity(projection.len() + order.len());
        for id in projection.iter().copied().chain(order.iter().map(|key| key.column)) {
            if !columns.contains(&id) {
                columns.push(id);
            }
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(Self {
            schema: schema.project(&columns)?,
            columns,
            order: order.to_vec(),
            limit,
            size,
            batches: Vec::new(),
            rows: 0,
            bytes: 0,
            kept_bytes: 0,
        })
    }

    /// The columns to push: projection and order, each once.
    pub(super) fn columns(&self) -> &[ColumnId] {
        &self.columns
    }

    pub(super) fn push(&mut self, arrays: Vec<ArrayRef>, rows: usize) -> Result<()> {
        let typed = arrays.iter().zip(self.schema.fields());
        let typed =
            typed.map(|(array, field)| conform(array, field.data_type())).collect::<Result<Vec<_>>>()?;
        self.bytes += plain_row_bytes(&typed, rows);
        self.batches.push(record_batch(&self.schema, typed, rows)?);
        self.rows += rows;
        let many_rows = self.rows / 2 > self.limit.max(MIN_KEPT_ROWS);
        let many_bytes = self.rows > self.limit && self.bytes / 2 > self.kept_bytes.max(MIN_KEPT_BYTES);
        if many_rows || many_bytes {
            // Equal rows stay in order of arrival, and all that comes later comes after them.
            let sorted = self.sorted()?;
            self.rows = sorted.rows();
            self.batches = sorted.into_batches(self.size)?;
            self.bytes =
                self.batches.iter().map(|batch| plain_row_bytes(batch.columns(), batch.num_rows())).sum();
            self.kept_bytes = self.bytes;
        }
        Ok(())
    }

    /// The sorted rows in batches: the arrays of `projection`, and how many rows they have.
    pub(super) fn finish(mut self, projection: &[ColumnId]) -> Result<Vec<(Vec<ArrayRef>, usize)>> {
        let mut sorted = self.sorted()?;
        let mut found = Vec::new();
        while let Some(batch) = sorted.next(self.size)? {
            let place = |id: &ColumnId| self.columns.iter().position(|own| own == id);
            let arrays = projection.iter().filter_map(place).map(|at| batch.column(at).clone());
            found.push((arrays.collect(), batch.num_rows()));
        }
        Ok(found)
    }

    fn sorted(&mut self) -> Result<SortedBatches> {
        let batches = std::mem::take(&mut self.batches);
        SortedBatches::new(&self.schema, &self.columns, batches, &self.order, Some(self.limit))
    }
}
