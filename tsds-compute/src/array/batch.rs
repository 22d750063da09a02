//! A batch whose columns are known by id.

use arrow_array::{ArrayRef, RecordBatch};
use tsds_traits::{ColumnId, Error, Result};

/// A batch together with the ids of its columns.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'a> {
    ids: &'a [ColumnId],
    batch: &'a RecordBatch,
}

impl<'a> Columns<'a> {
    /// Pairs a batch with one id per column.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if there is not exactly one id per column.
    pub(crate) fn new(ids: &'a [ColumnId], batch: &'a RecordBatch) -> Result<Self> {
        if ids.len() == batch.num_columns() {
            Ok(Self { ids, batch })
        } else {
            Err(Error::invalid_input("a batch needs exactly one id per column")
                .with("ids", ids.len())
                .with("columns", batch.num_columns()))
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// The column with this id.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the batch lacks it.
    pub(crate) fn array(&self, id: ColumnId) -> Result<&'a ArrayRef> {
        self.ids
            .iter()
            .position(|own| *own == id)
            .map(|index| self.batch.column(index))
            .ok_or_else(|| Error::invalid_input("batch lacks a column that is needed").with("column", id))
    }
}
