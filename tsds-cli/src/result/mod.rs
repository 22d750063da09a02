//! Query results as a table, CSV, JSON lines or Arrow IPC, written batch by batch.

mod cell;
mod csv;
mod file;
mod ipc;
mod json;
mod table;
mod time;

use std::io::{self, Write};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

pub(crate) use file::file_writer;

/// How a result is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// Comma-separated values with a header line.
    Csv,
    /// One JSON object a row, each on a line.
    Json,
    /// An Arrow IPC stream.
    Arrow,
}

/// Writes a result, batch by batch, in memory that does not grow with it.
pub(crate) trait ResultWriter {
    /// Writes the next rows.
    ///
    /// # Errors
    ///
    /// What writing says.
    fn write(&mut self, batch: &RecordBatch) -> io::Result<()>;

    /// Writes what comes last.
    ///
    /// # Errors
    ///
    /// What writing says.
    fn finish(&mut self) -> io::Result<()>;
}

/// Starts a result with this schema.
///
/// # Errors
///
/// What writing says.
pub(crate) fn writer(
    format: Format,
    schema: &SchemaRef,
    target: Box<dyn Write + Send>,
) -> io::Result<Box<dyn ResultWriter + Send>> {
    Ok(match format {
        Format::Table => Box::new(table::TableWriter::new(schema, target)),
        Format::Csv => Box::new(csv::CsvWriter::new(schema, target)?),
        Format::Json => Box::new(json::JsonWriter::new(schema, target)?),
        Format::Arrow => Box::new(ipc::IpcWriter::new(schema, target)?),
    })
}

/// How many bytes of text are gathered before they are written.
const TEXT_BUFFER: usize = 64 * 1024;

#[cfg(test)]
mod tests;
