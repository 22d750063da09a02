//! The second pass: batches from one file.

use std::sync::Arc;

use arrow_array::RecordBatch;
use csv::ByteRecord;
use tsds_traits::Result;

use super::super::header::Header;
use super::super::plan::Plan;
use super::super::rows::{FileRows, changed};
use super::super::{BadRow, OnError, Place};
use super::build::BatchBuilder;
use super::check::expect_width;
use super::source::{Lines, Records, Source};

/// The rows of one file as batches.
pub(crate) struct CsvRows {
    source: Source,
    header: Header,
    records: Records,
    plan: Arc<Plan>,
    builder: BatchBuilder,
    record: ByteRecord,
    on_error: OnError,
}

impl CsvRows {
    /// Starts to read a file as `plan` says, whose types must be known. Blocking.
    pub(crate) fn open(source: Source, header: Header, plan: &Arc<Plan>, on_error: OnError) -> Result<Self> {
        let mut records = source.records()?;
        let mut record = ByteRecord::new();
        records.next(&mut record)?;
        let builder = BatchBuilder::new(plan.schema());
        Ok(Self { source, header, records, plan: Arc::clone(plan), builder, record, on_error })
    }
}

impl FileRows for CsvRows {
    fn next(&mut self, rows: usize, skipped: &mut u64) -> Result<Option<RecordBatch>> {
        while self.builder.rows() < rows && self.records.next(&mut self.record)? {
            let row = expect_width(&self.record, &self.header)
                .and_then(|()| self.builder.row(&self.source, &self.record, &self.header, &self.plan));
            match (row, self.on_error) {
                (Ok(()), _) => {}
                (Err(_), OnError::Skip) => *skipped += 1,
                (Err(message), OnError::Stop) => {
                    let line = Lines::of(&self.source)?.line_of(&self.record)?;
                    let file = self.source.input().name.clone();
                    return Err(changed(&BadRow { file, place: Place::Line(line), message }));
                }
            }
        }
        if self.builder.rows() == 0 { Ok(None) } else { self.builder.finish().map(Some) }
    }
}
