//! An Arrow IPC stream or file.

use std::io::{self, Write};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_cast::cast;
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};

use super::ResultWriter;

pub(super) struct IpcWriter {
    stream: StreamWriter<Box<dyn Write + Send>>,
}

impl IpcWriter {
    pub(super) fn new(schema: &SchemaRef, target: Box<dyn Write + Send>) -> io::Result<Self> {
        Ok(Self { stream: StreamWriter::try_new(target, schema).map_err(as_io)? })
    }
}

impl ResultWriter for IpcWriter {
    fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        self.stream.write(batch).map_err(as_io)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.stream.finish().map_err(as_io)?;
        self.stream.get_mut().flush()
    }
}

/// An IPC file, compressed with zstd. Such a file has one dictionary for a column, but the rows of a result come with one each:
/// so text is written as such.
pub(super) struct IpcFileWriter {
    file: FileWriter<Box<dyn Write + Send>>,
    schema: SchemaRef,
}

impl IpcFileWriter {
    pub(super) fn new(schema: &SchemaRef, target: Box<dyn Write + Send>) -> io::Result<Self> {
        let fields = schema.fields().iter().map(|field| match field.data_type() {
            DataType::Dictionary(..) => Arc::new(Field::clone(field).with_data_type(DataType::Utf8)),
            _ => Arc::clone(field),
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let options =
            IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD)).map_err(as_io)?;
        let file = FileWriter::try_new_with_options(target, &schema, options).map_err(as_io)?;
        Ok(Self { file, schema })
    }
}

impl ResultWriter for IpcFileWriter {
    fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let columns = batch.columns().iter().zip(self.schema.fields());
        let columns = columns.map(|(array, field)| cast(array, field.data_type()));
        let columns = columns.collect::<Result<Vec<_>, _>>().map_err(as_io)?;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(as_io)?;
        self.file.write(&batch).map_err(as_io)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.file.finish().map_err(as_io)?;
        self.file.get_mut().flush()
    }
}

/// A broken pipe must stay one.
fn as_io(error: ArrowError) -> io::Error {
    match error {
        ArrowError::IoError(_, error) => error,
        other => io::Error::other(other),
    }
}
