//! CSV files.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use csv::{ByteRecord, Reader, ReaderBuilder};
use tsds_traits::{Error, Result};

use super::super::header::name_columns;
use super::super::input::{Input, InputBytes, InputStream};

/// A record beyond this is an unclosed quote, not a row.
const MAX_RECORD_BYTES: u64 = 64 << 20;
const READ_BUFFER: usize = 1 << 20;

/// How files are read.
#[derive(Clone, Debug)]
pub(crate) struct ReadOptions {
    /// What stands between fields of CSV.
    pub(crate) delimiter: u8,
    /// Which text stands for null, in CSV besides an empty field.
    pub(crate) null: Option<String>,
}

/// One CSV file.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(super) input: Input,
    options: Arc<ReadOptions>,
}

impl Source {
    /// A file that is read so.
    pub(crate) fn new(input: Input, options: &Arc<ReadOptions>) -> Self {
        Self { input, options: Arc::clone(options) }
    }

    /// The file.
    pub(crate) fn input(&self) -> &Input {
        &self.input
    }

    /// Starts to read it from the beginning. Blocking.
    pub(super) fn records(&self) -> Result<Records> {
        let since_record = Arc::new(AtomicU64::new(0));
        let stream = FileStream {
            stream: InputStream::new(self.input.bytes()?, 0),
            since_record: Arc::clone(&since_record),
        };
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(self.options.delimiter)
            .buffer_capacity(READ_BUFFER)
            .from_reader(stream);
        Ok(Records { file: self.input.name.clone(), reader, since_record })
    }

    /// Whether a field stands for null.
    pub(super) fn is_null(&self, field: &str) -> bool {
        field.is_empty()
            || self.options.null.as_deref().is_some_and(|null| field == null || field.trim() == null)
    }

    /// The names of the columns. Blocking.
    ///
    /// # Errors
    ///
    /// What is wrong with the first line, by file.
    pub(crate) fn read_names(&self) -> Result<Vec<String>> {
        let mut records = self.records()?;
        let mut first = ByteRecord::new();
        if !records.next(&mut first)? {
            return Err(Error::invalid_input("file is empty; its first line must name the columns")
                .with("file", &self.input.name));
        }
        let mut second = ByteRecord::new();
        let fields = records.next(&mut second)?.then(|| second.len());
        name_columns(&first, fields).map_err(|error| error.with("file", &self.input.name))
    }
}

/// The records of one file, in order, with the first line as the first record.
pub(super) struct Records {
    file: String,
    reader: Reader<FileStream>,
    since_record: Arc<AtomicU64>,
}

impl Records {
    /// Reads the next record; false at the end. Blocking.
    pub(super) fn next(&mut self, record: &mut ByteRecord) -> Result<bool> {
        self.since_record.store(0, Ordering::Relaxed);
        self.reader.read_byte_record(record).map_err(|error| {
            let line = error.position().map_or_else(|| self.reader.position().line(), csv::Position::line);
            Error::from(io::Error::from(error)).with("file", &self.file).with("line", line)
        })
    }
}

/// Finds the lines of records, which the CSV reader counts wrongly after blank lines: asked in the order of the file, it
/// reads the file once more at most.
#[derive(Debug)]
pub(super) struct Lines {
    file: InputBytes,
    offset: u64,
    line: u64,
}

impl Lines {
    /// Starts at the beginning of a file. Blocking.
    pub(super) fn of(source: &Source) -> Result<Self> {
        Ok(Self { file: source.input.bytes()?, offset: 0, line: 1 })
    }

    /// The line on which a record begins, from 1. Blocking.
    pub(super) fn line_of(&mut self, record: &ByteRecord) -> Result<u64> {
        let start = record.position().map_or(0, csv::Position::byte);
        let mut buffer = vec![0; READ_BUFFER];
        // First to where the reader began to look, then over the blank lines that it skipped there.
        loop {
            let wanted =
                usize::try_from(start.saturating_sub(self.offset)).unwrap_or(usize::MAX).min(buffer.len());
            let wanted = if wanted == 0 { 1 } else { wanted };
            let read = self.file.read_at(buffer.get_mut(..wanted).unwrap_or_default(), self.offset)?;
            let bytes = buffer.get(..read).unwrap_or_default();
            if bytes.is_empty() || (self.offset >= start && !matches!(bytes, [b'\r' | b'\n'])) {
                return Ok(self.line);
            }
            self.line += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
            self.offset += read as u64;
        }
    }
}

/// A file as a stream that ends where a row is too long.
struct FileStream {
    stream: InputStream,
    since_record: Arc<AtomicU64>,
}

impl Read for FileStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        if self.since_record.fetch_add(read as u64, Ordering::Relaxed) > MAX_RECORD_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a row takes more than 64 MiB; a double quote is probably never closed",
            ));
        }
        Ok(read)
    }
}
