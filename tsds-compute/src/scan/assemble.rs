//! Batches of the right size.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use tsds_traits::{Result, SegmentBatch};

use crate::array::{BatchSize, plain_row_bytes, record_batch};

/// Cuts what is too large and joins what is small.
#[derive(Debug)]
pub(super) struct Assembler {
    schema: SchemaRef,
    size: BatchSize,
    /// Each with its bytes.
    pending: Vec<(RecordBatch, u64)>,
    pending_rows: usize,
    pending_bytes: u64,
}

impl Assembler {
    pub(super) fn new(schema: SchemaRef, size: BatchSize) -> Self {
        Self { schema, size, pending: Vec::new(), pending_rows: 0, pending_bytes: 0 }
    }

    pub(super) fn push(&mut self, batch: RecordBatch) {
        let bytes = plain_row_bytes(batch.columns(), batch.num_rows());
        self.pending_rows += batch.num_rows();
        self.pending_bytes += bytes;
        self.pending.push((batch, bytes));
    }

    /// What is ready. Batches of at least half the size go as they are, without a copy.
    pub(super) fn take(&mut self, segment: usize) -> Result<Vec<SegmentBatch>> {
        let is_small = self.pending_rows * 2 < self.size.rows && self.pending_bytes < self.size.bytes / 2;
        if is_small { Ok(Vec::new()) } else { self.flush(segment) }
    }

    /// Everything.
    pub(super) fn flush(&mut self, segment: usize) -> Result<Vec<SegmentBatch>> {
        (self.pending_rows, self.pending_bytes) = (0, 0);
        let mut parts = Vec::new();
        let (mut joined, mut bytes) = (Vec::new(), 0_u64);
        for (batch, own) in std::mem::take(&mut self.pending) {
            // Together they would be cut again, and might not fit into one array.
            if bytes > 0 && bytes + own > self.size.bytes {
                parts.extend(self.cut(std::mem::take(&mut joined))?);
                bytes = 0;
            }
            bytes += own;
            joined.push(batch);
        }
        parts.extend(self.cut(joined)?);
        Ok(parts.into_iter().map(|rows| SegmentBatch { segment, rows }).collect())
    }

    fn cut(&self, batches: Vec<RecordBatch>) -> Result<Vec<RecordBatch>> {
        let joined = match batches.as_slice() {
            [] => return Ok(Vec::new()),
            [single] => single.clone(),
            many if self.schema.fields().is_empty() => {
                record_batch(&self.schema, Vec::new(), many.iter().map(RecordBatch::num_rows).sum())?
            }
            many => concat_batches(&self.schema, many)?,
        };
        Ok(self.size.cut(&joined))
    }
}
