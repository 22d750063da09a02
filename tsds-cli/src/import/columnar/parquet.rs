//! Parquet files, batch by batch.

use std::io::BufReader;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Type;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};
use tsds_traits::Result;

use super::super::input::{Input, InputBytes, InputStream};
use super::contain::decoding;
use super::file::Batches;
use super::types::is_text;

/// How many rows are decoded at once.
const BATCH_ROWS: usize = 16_384;

impl Length for InputBytes {
    fn len(&self) -> u64 {
        Self::len(self)
    }
}

impl ChunkReader for InputBytes {
    type T = BufReader<InputStream>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(BufReader::new(InputStream::new(self.clone(), start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let failed = |error: std::io::Error| ParquetError::External(Box::new(error));
        let mut bytes = vec![0; self.checked_len(start, length as u64).map_err(failed)?];
        self.read_exact_at(&mut bytes, start).map_err(failed)?;
        Ok(bytes.into())
    }
}

/// Reads the footer. Blocking.
pub(super) fn read_footer(input: &Input) -> Result<ArrowReaderMetadata> {
    let bytes = input.bytes()?;
    decoding(&input.name, || {
        let metadata = ArrowReaderMetadata::load(&bytes, ArrowReaderOptions::new())?;
        let schema = decoded_schema(&metadata);
        let options = ArrowReaderOptions::new().with_schema(schema);
        ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options)
    })
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
            ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, metadata.clone())
                .with_projection(mask)
                .with_batch_size(BATCH_ROWS)
                .build()
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
