//! Parquet files, batch by batch.
//!
//! The decoder is right for files that are right. What it allocates, and how deep it goes, is told by lengths in the file: so
//! these are looked over first.

mod chunk;
mod delta;
mod pages;
mod thrift;

use std::io;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader};
use parquet::arrow::parquet_to_arrow_field_levels;
use parquet::basic::Type;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::ParquetMetaDataReader;
use tsds_traits::Result;

use super::super::input::{Input, InputBytes};
use super::contain::decoding;
use super::file::Batches;
use super::types::is_text;
use pages::CheckedGroups;
use thrift::check_footer;

/// How many rows are decoded at once.
const BATCH_ROWS: usize = 16_384;
/// The length of the footer, and the magic.
const TAIL_BYTES: u64 = 8;
/// A longer footer is not read.
const MAX_FOOTER: u64 = 128 << 20;

/// Reads the footer. Blocking.
pub(super) fn read_footer(input: &Input) -> Result<ArrowReaderMetadata> {
    let bytes = input.bytes()?;
    decoding(&input.name, || {
        let footer = footer(&bytes)?;
        let metadata = Arc::new(ParquetMetaDataReader::decode_metadata(&footer)?);
        let metadata = ArrowReaderMetadata::try_new(metadata, ArrowReaderOptions::new())?;
        let schema = decoded_schema(&metadata);
        let options = ArrowReaderOptions::new().with_schema(schema);
        ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options)
    })
}

/// The bytes of the footer, looked over.
fn footer(bytes: &InputBytes) -> ParquetResult<Vec<u8>> {
    let failed = |error: io::Error| ParquetError::External(Box::new(error));
    let refused = |why: &'static str| ParquetError::General(why.into());
    let tail_at = bytes.len().checked_sub(TAIL_BYTES).ok_or_else(|| refused("the file is too short"))?;
    let mut len = [0; 4];
    bytes.read_exact_at(&mut len, tail_at).map_err(failed)?;
    let len = u64::from(u32::from_le_bytes(len));
    let start = tail_at.checked_sub(len).filter(|_| len <= MAX_FOOTER);
    let start = start.ok_or_else(|| refused("the length of the footer cannot be"))?;
    let mut footer = vec![0; bytes.checked_len(start, len).map_err(failed)?];
    bytes.read_exact_at(&mut footer, start).map_err(failed)?;
    check_footer(&footer).map_err(|why| refused(why.text()))?;
    Ok(footer)
}

/// The schema that the decoder is asked for: text with offsets that bound its length, whatever form the file suggests; and the
/// times of old Spark in microseconds, which hold every time that those can express.
fn decoded_schema(metadata: &ArrowReaderMetadata) -> SchemaRef {
    let stored = metadata.parquet_schema().root_schema().get_fields();
    let fields = metadata.schema().fields().iter().enumerate().map(|(index, field)| {
        let is_int96 = stored
            .get(index)
            .is_some_and(|stored| stored.is_primitive() && stored.get_physical_type() == Type::INT96);
        let data_type = match field.data_type() {
            data_type if is_text(data_type) => DataType::Utf8,
            DataType::Timestamp(_, zone) if is_int96 => {
                DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
            }
            _ => return Arc::clone(field),
        };
        Arc::new(Field::clone(field).with_data_type(data_type))
    });
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), metadata.schema().metadata().clone()))
}

/// The batches of one file.
pub(super) struct ParquetBatches {
    name: String,
    reader: ParquetRecordBatchReader,
    /// For each column that is asked for, its place among those that are decoded.
    order: Vec<usize>,
}

impl ParquetBatches {
    /// Starts to read some columns, which come in this order. Blocking.
    pub(super) fn open(input: &Input, metadata: &ArrowReaderMetadata, columns: &[usize]) -> Result<Self> {
        let bytes = input.bytes()?;
        let mut in_file = columns.to_vec();
        in_file.sort_unstable();
        let order = columns.iter().filter_map(|column| in_file.binary_search(column).ok()).collect();
        let reader = decoding(&input.name, || {
            let mask = ProjectionMask::roots(metadata.parquet_schema(), in_file);
            let hint = Some(metadata.schema().fields());
            let levels = parquet_to_arrow_field_levels(metadata.parquet_schema(), mask, hint)?;
            let groups = CheckedGroups::new(bytes, metadata.metadata())?;
            ParquetRecordBatchReader::try_new_with_row_groups(&levels, &groups, BATCH_ROWS, None)
        })?;
        Ok(Self { name: input.name.clone(), reader, order })
    }
}

impl Batches for ParquetBatches {
    fn next(&mut self) -> Result<Option<RecordBatch>> {
        let (reader, order) = (&mut self.reader, &self.order);
        decoding(&self.name, || {
            let batch = reader.next().transpose()?;
            batch.map(|batch| batch.project(order)).transpose()
        })
    }
}
