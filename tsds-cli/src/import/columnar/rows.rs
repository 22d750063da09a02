//! The second pass: batches from one file.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use tsds_traits::Result;

use super::super::plan::Plan;
use super::super::rows::{FileRows, changed};
use super::super::{BadRow, OnError, Place};
use super::convert::{Converter, Purpose};
use super::file::{Batches, ColumnarFile};

/// How many rows are converted at once.
const STRETCH: usize = 65_536;

/// The rows of one file as batches.
pub(crate) struct ColumnarRows {
    batches: Box<dyn Batches>,
    converter: Converter,
    schema: SchemaRef,
    on_error: OnError,
    /// What was decoded and not yet converted.
    decoded: RecordBatch,
    /// What was converted and not yet given out.
    ready: VecDeque<RecordBatch>,
    ready_rows: usize,
    /// How many rows of the file have been converted.
    row: u64,
}

/// Starts to read a file as `plan` says, whose types must be known. Blocking.
pub(in super::super) fn rows(
    file: &ColumnarFile,
    plan: &Arc<Plan>,
    on_error: OnError,
) -> Result<ColumnarRows> {
    let converter = Converter::new(file, plan, Purpose::Write)?;
    let schema = plan.schema();
    Ok(ColumnarRows {
        batches: file.batches(converter.fields())?,
        converter,
        decoded: RecordBatch::new_empty(Arc::clone(&schema)),
        schema,
        on_error,
        ready: VecDeque::new(),
        ready_rows: 0,
        row: 0,
    })
}

impl ColumnarRows {
    /// Converts some more rows; false at the end.
    fn advance(&mut self, skipped: &mut u64) -> Result<bool> {
        while self.decoded.num_rows() == 0 {
            let Some(batch) = self.batches.next()? else { return Ok(false) };
            self.decoded = batch;
        }
        let rows = self.decoded.num_rows().min(STRETCH);
        let stretch = self.decoded.slice(0, rows);
        self.decoded = self.decoded.slice(rows, self.decoded.num_rows() - rows);
        let converted = self.converter.convert(&stretch)?;
        if let (OnError::Stop, Some((index, message))) = (self.on_error, converted.bad.first_key_value()) {
            let place = Place::Row(self.row + *index as u64 + 1);
            let (file, message) = (self.converter.file().to_owned(), message.clone());
            return Err(changed(&BadRow { file, place, message }));
        }
        *skipped += converted.bad.len() as u64;
        self.row += rows as u64;
        let good = self.converter.good_rows(&self.schema, converted)?;
        if good.num_rows() > 0 {
            self.ready_rows += good.num_rows();
            self.ready.push_back(good);
        }
        Ok(true)
    }

    /// The first rows of those that are ready.
    fn take(&mut self, rows: usize) -> Result<Option<RecordBatch>> {
        let mut wanted = rows.min(self.ready_rows);
        let mut pieces = Vec::new();
        while wanted > 0
            && let Some(batch) = self.ready.pop_front()
        {
            let rows = batch.num_rows().min(wanted);
            if rows < batch.num_rows() {
                self.ready.push_front(batch.slice(rows, batch.num_rows() - rows));
            }
            pieces.push(batch.slice(0, rows));
            wanted -= rows;
            self.ready_rows -= rows;
        }
        match pieces.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one.clone())),
            pieces => Ok(Some(concat_batches(&self.schema, pieces)?)),
        }
    }
}

impl FileRows for ColumnarRows {
    fn next(&mut self, rows: usize, skipped: &mut u64) -> Result<Option<RecordBatch>> {
        while self.ready_rows < rows && self.advance(skipped)? {}
        self.take(rows)
    }
}
