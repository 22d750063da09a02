//! The second pass: batches of a table from all files, in their order.

use std::sync::Arc;

use arrow_array::RecordBatch;
use csv::ByteRecord;
use tsds_traits::{Error, Result};

use super::build::BatchBuilder;
use super::check::expect_width;
use super::header::Header;
use super::plan::Plan;
use super::source::{Lines, Records, Source};
use super::{BadRow, OnError};

/// The rows of all files as batches.
pub(crate) struct Rows {
    files: std::vec::IntoIter<(Source, Header)>,
    open: Option<(Source, Header, Records)>,
    plan: Arc<Plan>,
    builder: BatchBuilder,
    batch_rows: usize,
    on_error: OnError,
    record: ByteRecord,
}

/// A stretch of the files.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Its rows; none at the end of the last file.
    pub(crate) batch: Option<RecordBatch>,
    /// How many rows were left out before it.
    pub(crate) skipped: u64,
}

impl Rows {
    /// Reads `files` as `plan` says, whose types must be known.
    pub(crate) fn new(
        files: Vec<(Source, Header)>,
        plan: Arc<Plan>,
        batch_rows: usize,
        on_error: OnError,
    ) -> Self {
        let builder = BatchBuilder::new(plan.schema());
        let record = ByteRecord::new();
        Self {
            files: files.into_iter(),
            open: None,
            plan,
            builder,
            batch_rows: batch_rows.max(1),
            on_error,
            record,
        }
    }

    /// The next batch. Blocking.
    ///
    /// # Errors
    ///
    /// What stops reading, and with [`OnError::Stop`] a bad row: the first pass had found it, so the file has changed.
    pub(crate) fn next_chunk(&mut self) -> Result<Chunk> {
        let mut skipped = 0;
        while self.builder.rows() < self.batch_rows {
            let Some((source, header, records)) = &mut self.open else {
                match self.files.next() {
                    Some((source, header)) => {
                        let mut records = source.records()?;
                        records.next(&mut self.record)?;
                        self.open = Some((source, header, records));
                        continue;
                    }
                    None => break,
                }
            };
            if !records.next(&mut self.record)? {
                self.open = None;
                continue;
            }
            let row = expect_width(&self.record, header)
                .and_then(|()| self.builder.row(source, &self.record, header, &self.plan));
            match (row, self.on_error) {
                (Ok(()), _) => {}
                (Err(_), OnError::Skip) => skipped += 1,
                (Err(message), OnError::Stop) => {
                    let line = Lines::of(source)?.line_of(&self.record)?;
                    let bad = BadRow { file: source.name.clone(), line, message };
                    return Err(Error::invalid_input("a file changed while it was imported").with("row", bad));
                }
            }
        }
        let batch = if self.builder.rows() == 0 { None } else { Some(self.builder.finish()?) };
        Ok(Chunk { batch, skipped })
    }
}
