//! Merging small batches as they come.
//!
//! A run is merged with the one before it while that one is at most twice as long, up to [`FULL_ROWS`]. Lengths of short
//! runs then more than double towards the front, so that n rows are in at most n / FULL_ROWS * 2 + log2(FULL_ROWS) runs,
//! and each row is copied at most log2(FULL_ROWS) times, however it came.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use tsds_traits::Result;

use super::footprint::held_bytes;

/// Runs of this many rows are not merged further.
const FULL_ROWS: usize = 16_384;
/// Nor are runs of this many bytes.
const FULL_BYTES: u64 = 4 << 20;

#[derive(Clone, Debug)]
pub(super) struct Run {
    batch: RecordBatch,
    bytes: u64,
}

impl Run {
    fn new(batch: RecordBatch) -> Self {
        Self { bytes: held_bytes(&batch), batch }
    }

    fn rows(&self) -> usize {
        self.batch.num_rows()
    }
}

/// All rows, in order of arrival.
#[derive(Debug, Default)]
pub(super) struct Runs {
    runs: Vec<Run>,
    rows: u64,
    bytes: u64,
}

impl Runs {
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn batches(&self) -> Arc<[RecordBatch]> {
        self.runs.iter().map(|run| run.batch.clone()).collect()
    }

    /// The runs at the end, in order, that `rows` more rows are to be merged with.
    pub(super) fn tail_to_merge(&self, mut rows: usize) -> Vec<Run> {
        let mut bytes = 0;
        let merged = self.runs.iter().rev().take_while(|run| {
            let merge = rows > 0
                && run.rows() <= 2 * rows
                && run.rows() + rows <= FULL_ROWS
                && run.bytes + bytes <= FULL_BYTES;
            (rows, bytes) = (rows + run.rows(), bytes + run.bytes);
            merge
        });
        let count = merged.count();
        self.runs.get(self.runs.len() - count..).map(<[Run]>::to_vec).unwrap_or_default()
    }

    /// Puts `run` in the place of the last `count` runs, which are in it.
    pub(super) fn replace_tail(&mut self, count: usize, run: Run) {
        for old in self.runs.drain(self.runs.len().saturating_sub(count)..) {
            self.rows -= old.rows() as u64;
            self.bytes -= old.bytes;
        }
        self.rows += run.rows() as u64;
        self.bytes += run.bytes;
        self.runs.push(run);
    }
}

/// One run of the rows of `tail` and `batch`.
pub(super) fn merge(schema: &SchemaRef, tail: &[Run], batch: RecordBatch) -> Result<Run> {
    if tail.is_empty() {
        return Ok(Run::new(RecordBatch::try_new(schema.clone(), batch.columns().to_vec())?));
    }
    let batches = tail.iter().map(|run| &run.batch).chain([&batch]);
    Ok(Run::new(concat_batches(schema, batches)?))
}
