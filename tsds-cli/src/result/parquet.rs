//! A Parquet file, compressed with zstd, with statistics.

use std::io::{self, Write};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType, TimestampSecondType};
use arrow_array::{Array, ArrayRef, PrimitiveArray, RecordBatch};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::ResultWriter;
use crate::import::{SECONDS, UNIT_KEY};

/// A row group has at most this many rows,
const GROUP_ROWS: usize = 1 << 20;
/// and ends when it takes so much memory.
const GROUP_BYTES: usize = 128 << 20;
const ZSTD_LEVEL: i32 = 3;
const MILLIS_PER_SECOND: i64 = 1_000;

pub(super) struct ParquetWriter {
    writer: ArrowWriter<Box<dyn Write + Send>>,
    schema: SchemaRef,
}

impl ParquetWriter {
    pub(super) fn new(schema: &SchemaRef, target: Box<dyn Write + Send>) -> io::Result<Self> {
        let level = ZstdLevel::try_new(ZSTD_LEVEL).map_err(io::Error::other)?;
        let properties = WriterProperties::builder()
            .set_created_by(format!("tsds {}", env!("CARGO_PKG_VERSION")))
            .set_compression(Compression::ZSTD(level))
            .set_statistics_enabled(EnabledStatistics::Page)
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let schema = file_schema(schema);
        let writer = ArrowWriter::try_new(target, Arc::clone(&schema), Some(properties)).map_err(as_io)?;
        Ok(Self { writer, schema })
    }
}

impl ResultWriter for ParquetWriter {
    fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let columns =
            batch.columns().iter().zip(self.schema.fields()).map(|(array, field)| stored(array, field));
        let columns = columns.collect::<io::Result<Vec<_>>>()?;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(io::Error::other)?;
        self.writer.write(&batch).map_err(as_io)?;
        if self.writer.memory_size() > GROUP_BYTES {
            self.writer.flush().map_err(as_io)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.writer.finish().map_err(as_io)?;
        self.writer.inner_mut().flush()
    }
}

/// Parquet knows no seconds: times in seconds are stored in milliseconds, and the field's metadata, which stands in the Arrow
/// schema in the footer, names the unit.
fn file_schema(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Timestamp(TimeUnit::Second, zone) => {
            let mut metadata = field.metadata().clone();
            metadata.insert(UNIT_KEY.into(), SECONDS.into());
            let data_type = DataType::Timestamp(TimeUnit::Millisecond, zone.clone());
            Arc::new(Field::clone(field).with_data_type(data_type).with_metadata(metadata))
        }
        _ => Arc::clone(field),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn stored(array: &ArrayRef, field: &Field) -> io::Result<ArrayRef> {
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, zone) => {
            let seconds = array.as_primitive::<TimestampSecondType>();
            let millis = seconds.reinterpret_cast::<Int64Type>().try_unary::<_, TimestampMillisecondType, _>(|seconds| {
                seconds.checked_mul(MILLIS_PER_SECOND).ok_or_else(|| {
                    ArrowError::ComputeError(format!(
                        "column {}: {seconds} s cannot be written in milliseconds, and Parquet has no seconds",
                        field.name()
                    ))
                })
            });
            let millis: PrimitiveArray<TimestampMillisecondType> = millis.map_err(io::Error::other)?;
            Ok(Arc::new(millis.with_timezone_opt(zone.clone())))
        }
        // The writer takes a code for null whose text is null for a value.
        data_type @ DataType::Dictionary(..) if array.as_any_dictionary().values().null_count() > 0 => {
            cast(array, &DataType::Utf8).and_then(|texts| cast(&texts, data_type)).map_err(io::Error::other)
        }
        _ => Ok(Arc::clone(array)),
    }
}

/// A broken pipe must stay one.
fn as_io(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}
