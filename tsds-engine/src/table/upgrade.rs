//! Rows of an older schema version as rows of a newer one: columns that were added are null, wider ones hold the same values.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use tsds_traits::{ColumnId, Error, Result, TableSchema};

use super::widen::widen;

/// From one version of a table's schema to another one that was made of it. Columns are told by their ids, so that names do
/// not matter.
#[derive(Clone, Debug)]
pub(crate) struct Upgrade {
    old: Arc<TableSchema>,
    new: Arc<TableSchema>,
}

impl Upgrade {
    pub(crate) fn new(old: &Arc<TableSchema>, new: &Arc<TableSchema>) -> Self {
        Self { old: Arc::clone(old), new: Arc::clone(new) }
    }

    pub(crate) fn old(&self) -> &Arc<TableSchema> {
        &self.old
    }

    pub(crate) fn new_schema(&self) -> &Arc<TableSchema> {
        &self.new
    }

    /// Whether there is nothing to do.
    pub(crate) fn is_none(&self) -> bool {
        self.old.version() == self.new.version()
    }

    /// Those of the columns that the older version has, in the same order.
    pub(crate) fn present(&self, columns: &[ColumnId]) -> Vec<ColumnId> {
        columns.iter().copied().filter(|id| self.old.index_of(*id).is_some()).collect()
    }

    /// Rows with the [`Upgrade::present`] ones of `columns`, as rows with all of `columns`.
    ///
    /// # Errors
    ///
    /// `Internal` if the batch has other columns.
    pub(crate) fn rows(&self, columns: &[ColumnId], batch: &RecordBatch) -> Result<RecordBatch> {
        let schema = self.new.project(columns)?;
        let mut given = batch.columns().iter();
        let arrays = columns.iter().zip(schema.fields()).map(|(id, field)| {
            if self.old.index_of(*id).is_none() {
                return Ok(new_null_array(field.data_type(), batch.num_rows()));
            }
            let array = given.next().ok_or_else(|| {
                Error::internal("rows of an older schema version lack a column").with("column", id)
            })?;
            widen(array, field.data_type())
        });
        let arrays = arrays.collect::<Result<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(schema, arrays, &options)?)
    }

    /// A whole batch of the older version.
    ///
    /// # Errors
    ///
    /// `Internal` if it is not.
    pub(crate) fn batch(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        // The older version may have its columns in another order.
        let (mut columns, mut arrays) = (Vec::new(), Vec::new());
        for column in self.new.columns() {
            columns.push(column.id);
            if let Some(index) = self.old.index_of(column.id) {
                arrays.push(index);
            }
        }
        self.rows(&columns, &batch.project(&arrays)?)
    }
}
