//! Verified bytes of one row group to rows.

use std::sync::Arc;

use arrow_array::{Array, RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection, RowSelectionPolicy,
};
use parquet::errors::ParquetError;
use tsds_traits::{Error, Result, TableSchema};

use super::fetch::Verified;
use super::footer::{Footer, TextForm, decoding};
use crate::layout::from_file;
use crate::record::FileRecord;

/// Which part of a row group is decoded.
#[derive(Clone, Debug)]
pub(super) struct Part<'a> {
    pub(super) group: usize,
    /// Positions in the table's schema, in the order in which they are returned, each at most once.
    pub(super) columns: &'a [usize],
    pub(super) text: TextForm,
    /// Which rows; `None` for the first ones.
    pub(super) selection: Option<RowSelection>,
    /// Whether pages without selected rows are missing.
    pub(super) skips_pages: bool,
    /// How many rows come out.
    pub(super) rows: usize,
    /// How many rows a batch holds at most; positive.
    pub(super) batch_rows: usize,
}

/// Decodes rows of one row group and hands them over batch by batch.
///
/// # Errors
///
/// `Corrupt`, naming file and offset; what `visit` says.
pub(super) fn decode(
    footer: &Footer,
    verified: &Verified,
    record: &FileRecord,
    schema: &TableSchema,
    part: &Part<'_>,
    mut visit: impl FnMut(RecordBatch) -> Result<()>,
) -> Result<()> {
    let pages = footer.page_ranges(part.group, part.columns, None).unwrap_or_default();
    let offset = pages.ranges.iter().map(|range| range.start).min().unwrap_or_default();
    let mut reader = decoding(record, offset, || open(footer, verified, part))?;
    let mut rows = 0;
    while let Some(stored) = decoding(record, offset, || reader.next().transpose().map_err(Into::into))? {
        let batch = into_table(schema, part.columns, &stored)
            .map_err(|error| error.with("file", &record.path).with("offset", offset))?;
        rows += batch.num_rows();
        visit(batch)?;
    }
    if rows == part.rows {
        return Ok(());
    }
    Err(Error::corrupt("row group holds another number of rows than its footer says")
        .with("file", &record.path)
        .with("offset", offset)
        .with("rows", rows)
        .with("expected", part.rows))
}

/// Yields batches with the columns in the order of the file.
fn open(
    footer: &Footer,
    verified: &Verified,
    part: &Part<'_>,
) -> Result<ParquetRecordBatchReader, ParquetError> {
    let metadata = footer.arrow(part.text).clone();
    let mask = ProjectionMask::roots(metadata.parquet_schema(), part.columns.iter().copied());
    let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(verified.clone(), metadata)
        .with_row_groups(vec![part.group])
        .with_projection(mask)
        .with_batch_size(part.batch_rows)
        .with_limit(part.rows);
    if let Some(selection) = &part.selection {
        builder = builder.with_row_selection(selection.clone());
    }
    if part.skips_pages {
        // A mask would be laid over pages that are not there.
        builder = builder.with_row_selection_policy(RowSelectionPolicy::Selectors);
    }
    builder.build()
}

/// A decoded batch as columns of the table, in the order that is asked for.
fn into_table(schema: &TableSchema, columns: &[usize], stored: &RecordBatch) -> Result<RecordBatch> {
    let mut in_file: Vec<_> = columns.to_vec();
    in_file.sort_unstable();
    let mut arrays = Vec::with_capacity(columns.len());
    let mut fields = Vec::with_capacity(columns.len());
    for index in columns {
        let array = in_file.binary_search(index).ok().and_then(|at| stored.columns().get(at));
        let (Some(column), Some(array)) = (schema.columns().get(*index), array) else {
            return Err(Error::corrupt("file lacks a column of its table").with("column", index));
        };
        let array = from_file(column, Arc::clone(array))?;
        fields.push(Field::new(&column.name, array.data_type().clone(), column.nullable));
        arrays.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(stored.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
        .map_err(|error| Error::corrupt("columns of the file do not fit their table").with("cause", &error))
}
