//! Batches of the right size.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use tsds_traits::{Result, SegmentBatch};

use crate::array::record_batch;

/// Cuts what is too large and joins what is small.
#[derive(Debug)]
pub(super) struct Assembler {
    schema: SchemaRef,
    batch_rows: usize,
    pending: Vec<RecordBatch>,
    pending_rows: usize,
}

impl Assembler {
    pub(super) fn new(schema: SchemaRef, batch_rows: usize) -> Self {
        Self { schema, batch_rows, pending: Vec::new(), pending_rows: 0 }
    }

    pub(super) fn push(&mut self, batch: RecordBatch) {
        self.pending_rows += batch.num_rows();
        self.pending.push(batch);
    }

    /// What is ready. Batches of at least half the size go as they are, without a copy.
    pub(super) fn take(&mut self, segment: usize) -> Result<Vec<SegmentBatch>> {
        if self.pending_rows * 2 < self.batch_rows { Ok(Vec::new()) } else { self.flush(segment) }
    }

    /// Everything.
    pub(super) fn flush(&mut self, segment: usize) -> Result<Vec<SegmentBatch>> {
        let rows = std::mem::take(&mut self.pending_rows);
        let pending = std::mem::take(&mut self.pending);
        let joined = match pending.as_slice() {
            [] => return Ok(Vec::new()),
            [single] => single.clone(),
            _ if self.schema.fields().is_empty() => record_batch(&self.schema, Vec::new(), rows)?,
            many => concat_batches(&self.schema, many)?,
        };
        let starts = (0..rows).step_by(self.batch_rows);
        let parts = starts.map(|start| joined.slice(start, self.batch_rows.min(rows - start)));
        Ok(parts.map(|rows| SegmentBatch { segment, rows }).collect())
    }
}
