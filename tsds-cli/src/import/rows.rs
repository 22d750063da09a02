//! The second pass: batches of a table from all files, in their order. No batch has rows of two files.

use std::sync::Arc;

use arrow_array::RecordBatch;
use tsds_engine::BatchId;
use tsds_traits::{Error, Result};

use super::files::InputFile;
use super::once::batch_id;
use super::plan::Plan;
use super::{BadRow, OnError};

/// The rows of one file.
pub(super) trait FileRows: Send {
    /// The next rows, so many but at the end of the file; nothing beyond it. Adds how many were left out before them. Blocking.
    ///
    /// # Errors
    ///
    /// What stops reading, and with [`OnError::Stop`] a bad row: the first pass had found it, so the file has [`changed`].
    fn next(&mut self, rows: usize, skipped: &mut u64) -> Result<Option<RecordBatch>>;
}

/// What to say about a bad row that the first pass did not see.
pub(super) fn changed(bad: &BadRow) -> Error {
    Error::invalid_input("a file changed while it was imported").with("row", bad)
}

/// The rows of all files as batches.
pub(crate) struct Rows {
    files: std::vec::IntoIter<InputFile>,
    open: Option<OpenFile>,
    plan: Arc<Plan>,
    batch_rows: usize,
    on_error: OnError,
}

struct OpenFile {
    name: String,
    rows: Box<dyn FileRows>,
    /// How many batches it has given.
    batches: u64,
}

/// A stretch of the files.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Its rows; none at the end of the last file.
    pub(crate) batch: Option<NamedBatch>,
    /// How many rows were left out before it.
    pub(crate) skipped: u64,
}

/// Rows, and the name under which they are written once.
#[derive(Debug)]
pub(crate) struct NamedBatch {
    /// The same whenever the same rows come from the same place.
    pub(crate) id: BatchId,
    /// The rows.
    pub(crate) rows: RecordBatch,
}

impl Rows {
    /// Reads `files` as `plan` says, whose types must be known.
    pub(crate) fn new(files: Vec<InputFile>, plan: Arc<Plan>, batch_rows: usize, on_error: OnError) -> Self {
        Self { files: files.into_iter(), open: None, plan, batch_rows: batch_rows.max(1), on_error }
    }

    /// The next batch. Blocking.
    ///
    /// # Errors
    ///
    /// As [`FileRows::next`].
    pub(crate) fn next_chunk(&mut self) -> Result<Chunk> {
        let mut skipped = 0;
        loop {
            let Some(open) = &mut self.open else {
                match self.files.next() {
                    Some(file) => {
                        let name = file.input().name.clone();
                        let rows = file.rows(&self.plan, self.on_error)?;
                        self.open = Some(OpenFile { name, rows, batches: 0 });
                        continue;
                    }
                    None => return Ok(Chunk { batch: None, skipped }),
                }
            };
            let Some(rows) = open.rows.next(self.batch_rows, &mut skipped)? else {
                self.open = None;
                continue;
            };
            let id = batch_id(&open.name, open.batches, &rows)?;
            open.batches += 1;
            return Ok(Chunk { batch: Some(NamedBatch { id, rows }), skipped });
        }
    }
}
