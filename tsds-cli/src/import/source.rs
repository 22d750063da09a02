//! CSV files, read through the file system of the world.

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use csv::{ByteRecord, Reader, ReaderBuilder};
use tsds_traits::{Error, OpenMode, Result, Vfs, VfsFile};

use super::header::{Header, name_columns};

/// A record beyond this is an unclosed quote, not a row.
const MAX_RECORD_BYTES: u64 = 64 << 20;
const READ_BUFFER: usize = 1 << 20;

/// How CSV is read.
#[derive(Clone, Debug)]
pub(crate) struct ReadOptions {
    /// What stands between fields.
    pub(crate) delimiter: u8,
    /// What stands for null, besides an empty field.
    pub(crate) null: Option<String>,
}

/// One CSV file.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// The path, as it was given.
    pub(crate) name: String,
    /// The name without directory and ending.
    pub(crate) stem: String,
    /// How long it is.
    pub(crate) bytes: u64,
    path: PathBuf,
    vfs: Arc<dyn Vfs>,
    options: Arc<ReadOptions>,
    /// What all files together have given so far.
    read: Arc<AtomicU64>,
}

impl Source {
    /// Finds a file. Blocking.
    pub(crate) fn open(
        vfs: &Arc<dyn Vfs>,
        path: PathBuf,
        options: &Arc<ReadOptions>,
        read: &Arc<AtomicU64>,
    ) -> Result<Self> {
        let name = path.display().to_string();
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let file = vfs.open(&path, OpenMode::Read).map_err(|error| unreadable(&name, error))?;
        let bytes = file.len().map_err(|error| unreadable(&name, error))?;
        Ok(Self {
            name,
            stem,
            bytes,
            path,
            vfs: Arc::clone(vfs),
            options: Arc::clone(options),
            read: Arc::clone(read),
        })
    }

    /// Starts to read it from the beginning. Blocking.
    pub(crate) fn records(&self) -> Result<Records> {
        let file =
            self.vfs.open(&self.path, OpenMode::Read).map_err(|error| unreadable(&self.name, error))?;
        let since_record = Arc::new(AtomicU64::new(0));
        let stream = FileStream {
            file,
            offset: 0,
            since_record: Arc::clone(&since_record),
            read: Arc::clone(&self.read),
        };
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(self.options.delimiter)
            .buffer_capacity(READ_BUFFER)
            .from_reader(stream);
        Ok(Records { file: self.name.clone(), reader, since_record })
    }

    /// Whether a field stands for null.
    pub(crate) fn is_null(&self, field: &str) -> bool {
        field.is_empty()
            || self.options.null.as_deref().is_some_and(|null| field == null || field.trim() == null)
    }
}

/// The names of the columns, which are the same in all files, and where each file has them. Blocking.
///
/// # Errors
///
/// What a file lacks or repeats, by file.
pub(crate) fn read_headers(sources: &[Source]) -> Result<(Vec<String>, Vec<Header>)> {
    let mut headers = Vec::with_capacity(sources.len());
    let mut names: Vec<String> = Vec::new();
    for source in sources {
        let mut records = source.records()?;
        let mut first = ByteRecord::new();
        if !records.next(&mut first)? {
            return Err(Error::invalid_input("file is empty; its first line must name the columns")
                .with("file", &source.name));
        }
        let mut second = ByteRecord::new();
        let fields = records.next(&mut second)?.then(|| second.len());
        let own = name_columns(&first, fields).map_err(|error| error.with("file", &source.name))?;
        if names.is_empty() {
            names.clone_from(&own);
        }
        headers.push(Header::new(&names, &own).map_err(|error| error.with("file", &source.name))?);
    }
    Ok((names, headers))
}

/// The records of one file, in order, with the first line as the first record.
pub(crate) struct Records {
    file: String,
    reader: Reader<FileStream>,
    since_record: Arc<AtomicU64>,
}

impl Records {
    /// Reads the next record; false at the end. Blocking.
    pub(crate) fn next(&mut self, record: &mut ByteRecord) -> Result<bool> {
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
    file: Arc<dyn VfsFile>,
    offset: u64,
    line: u64,
}

impl Lines {
    /// Starts at the beginning of a file. Blocking.
    pub(super) fn of(source: &Source) -> Result<Self> {
        let file =
            source.vfs.open(&source.path, OpenMode::Read).map_err(|error| unreadable(&source.name, error))?;
        Ok(Self { file, offset: 0, line: 1 })
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

fn unreadable(name: &str, error: io::Error) -> Error {
    let kind = Error::from(io::Error::from(error.kind())).kind();
    Error::new(kind, "cannot read the file").with("file", name).with("cause", error)
}

/// A file as a stream.
struct FileStream {
    file: Arc<dyn VfsFile>,
    offset: u64,
    since_record: Arc<AtomicU64>,
    read: Arc<AtomicU64>,
}

impl Read for FileStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        if self.since_record.fetch_add(read as u64, Ordering::Relaxed) > MAX_RECORD_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a row takes more than 64 MiB; a double quote is probably never closed",
            ));
        }
        Ok(read)
    }
}
