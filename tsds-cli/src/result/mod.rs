//! Query results as a table, CSV, JSON lines, Arrow IPC or Parquet, written batch by batch.

mod cell;
mod csv;
mod file;
mod ipc;
mod json;
mod parquet;
mod payload;
mod table;
mod time;

use std::io::{self, Write};
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

pub(crate) use file::{FileWriter, file_writer};

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
    /// An Arrow IPC file, which is also Feather version 2.
    ArrowFile,
    /// A Parquet file.
    Parquet,
}

impl Format {
    /// The format that the ending of a file's name says.
    pub(crate) fn of_ending(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        Some(match ending.as_str() {
            "csv" => Self::Csv,
            "json" | "jsonl" | "ndjson" => Self::Json,
            "arrows" => Self::Arrow,
            "arrow" | "feather" => Self::ArrowFile,
            "parquet" => Self::Parquet,
            _ => return None,
        })
    }

    /// The ending of the names of files of this format.
    pub(crate) fn ending(self) -> &'static str {
        match self {
            Self::Table => "txt",
            Self::Csv => "csv",
            Self::Json => "jsonl",
            Self::Arrow => "arrows",
            Self::ArrowFile => "arrow",
            Self::Parquet => "parquet",
        }
    }

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Arrow => "arrow",
            Self::ArrowFile => "arrow-file",
            Self::Parquet => "parquet",
        }
    }

    /// Whether it is nothing that a person can read.
    pub(crate) fn is_binary(self) -> bool {
        matches!(self, Self::Arrow | Self::ArrowFile | Self::Parquet)
    }
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
        Format::ArrowFile => Box::new(ipc::IpcFileWriter::new(schema, target)?),
        Format::Parquet => Box::new(parquet::ParquetWriter::new(schema, target)?),
    })
}

/// How many bytes of text are gathered before they are written.
const TEXT_BUFFER: usize = 64 * 1024;

#[cfg(test)]
mod tests;
