//! An Arrow IPC stream.

use std::io::{self, Write};

use arrow_array::RecordBatch;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, SchemaRef};

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

/// A broken pipe must stay one.
fn as_io(error: ArrowError) -> io::Error {
    match error {
        ArrowError::IoError(_, error) => error,
        other => io::Error::other(other),
    }
}
