//! All rows of a source, checked.

use arrow_array::{Array, RecordBatch};
use futures::StreamExt;
use tsds_traits::{Column, Error, Result, SegmentMeta, SegmentSource};

/// Reads all rows of a segment and checks that they are what its metadata and schema say.
///
/// # Errors
///
/// `Corrupt` if they are not, or the source is damaged; as for I/O.
pub async fn read_rows(source: &dyn SegmentSource) -> Result<Vec<RecordBatch>> {
    let mut batches = Vec::new();
    let mut stream = source.batches();
    while let Some(batch) = stream.next().await {
        batches.push(batch?);
    }
    let (meta, schema) = (source.meta(), source.schema());
    let rows: u64 = batches.iter().map(|batch| batch.num_rows() as u64).sum();
    if rows != meta.rows {
        return Err(Error::corrupt("source has another number of rows than its metadata")
            .with("segment", meta.id)
            .with("rows", rows)
            .with("claimed", meta.rows));
    }
    for batch in &batches {
        let types = batch.schema_ref().fields().iter().map(|field| field.data_type());
        if !types.eq(schema.columns().iter().map(|column| &column.data_type)) {
            return Err(Error::corrupt("source has batches of another schema").with("segment", meta.id));
        }
        for (column, array) in schema.columns().iter().zip(batch.columns()) {
            check_nulls(meta, column, array)?;
        }
    }
    Ok(batches)
}

/// A null in a column that has none would fail every query later.
///
/// # Errors
///
/// `Corrupt` if there is one.
pub fn check_nulls(meta: &SegmentMeta, column: &Column, array: &dyn Array) -> Result<()> {
    if column.nullable || array.null_count() == 0 {
        return Ok(());
    }
    Err(Error::corrupt("segment has a null in a column that is declared without")
        .with("segment", meta.id)
        .with("column", &column.name))
}
