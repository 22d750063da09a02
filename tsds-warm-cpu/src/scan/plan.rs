//! A checked scan request.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use tsds_compute::{BatchSize, RowBytes, conform};
use tsds_device::{check_segments, distinct};
use tsds_traits::{ColumnId, Error, Result, ScanRequest, SortKey};

use crate::filter::Filter;
use crate::read::{GroupRows, Top, Wanted};

/// A checked scan request.
#[derive(Debug)]
pub(crate) struct ScanPlan {
    /// Every column that is read.
    pub(crate) columns: Vec<ColumnId>,
    pub(crate) order: Vec<SortKey>,
    pub(crate) limit: Option<u64>,
    /// Of segments that are stored in order.
    pub(crate) stored: Arc<Wanted>,
    /// Of segments whose rows must be sorted.
    pub(crate) unsorted: Arc<Wanted>,
    projection: Vec<ColumnId>,
    output: SchemaRef,
    pub(crate) size: BatchSize,
}

impl ScanPlan {
    /// # Errors
    ///
    /// `InvalidInput`; `Unsupported` for a predicate that is not known.
    pub(crate) fn new(request: &ScanRequest) -> Result<Self> {
        let schema = &request.schema;
        if request.batch_rows == 0 {
            return Err(Error::invalid_input("a batch needs room for at least one row"));
        }
        check_segments(schema, &request.segments)?;
        let output = schema.project(&request.projection)?;
        let filter = Filter::new(request.predicate.as_ref(), schema)?;
        for key in &request.order {
            if schema.column(key.column).is_none() {
                return Err(Error::invalid_input("order names an unknown column").with("column", key.column));
            }
        }
        let projected = distinct(request.projection.iter().copied());
        let keys = request.order.iter().map(|key| key.column);
        let with_keys = distinct(request.projection.iter().copied().chain(keys));
        let columns = distinct(with_keys.iter().copied().chain(filter.columns()));
        let top = request.limit.map(|limit| Top {
            order: request.order.clone(),
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
        });
        Ok(Self {
            columns,
            order: request.order.clone(),
            limit: request.limit,
            stored: Arc::new(Wanted { filter: filter.clone(), columns: projected, top: None }),
            unsorted: Arc::new(Wanted { filter, columns: with_keys, top }),
            projection: request.projection.clone(),
            output,
            size: BatchSize::new(request.batch_rows, request.batch_bytes),
        })
    }

    /// Rows of `columns` as batches of the projection, in the schema's types.
    ///
    /// # Errors
    ///
    /// `Corrupt` for values that do not fit the schema.
    pub(crate) fn batches(&self, columns: &[ColumnId], rows: &GroupRows) -> Result<Vec<RecordBatch>> {
        // Of text that is still in codes what it comes to without them.
        let sizes = RowBytes::new(&rows.columns);
        let mut batches = Vec::new();
        let mut start = 0;
        while start < rows.rows {
            let len = sizes.end(start..rows.rows, self.size) - start;
            let arrays = self.projection.iter().zip(self.output.fields()).map(|(id, field)| {
                let array =
                    columns.iter().position(|own| own == id).and_then(|index| rows.columns.get(index));
                let array = array.ok_or_else(|| {
                    Error::internal("a projected column was not gathered").with("column", id)
                })?;
                conform(&array.slice(start, len), field.data_type())
            });
            let arrays = arrays.collect::<Result<Vec<_>>>()?;
            let options = RecordBatchOptions::new().with_row_count(Some(len));
            let batch = RecordBatch::try_new_with_options(Arc::clone(&self.output), arrays, &options)
                .map_err(|error| {
                    Error::corrupt("segment has values that do not fit its schema").with("cause", error)
                })?;
            batches.push(batch);
            start += len;
        }
        Ok(batches)
    }
}
