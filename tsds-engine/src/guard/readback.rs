//! Reads back what a tier says it stored, before anything relies on it.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::RecordBatch;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use tsds_traits::{ColumnId, Error, Result, ScanRequest, SegmentHandle, SegmentSource, Stored};

use super::tier::GuardedTier;

/// Compares a stored segment with its source, value by value.
///
/// # Errors
///
/// `Internal`, naming the tier, if any value differs; what the scan says, as a failed put; what the source says.
pub(super) async fn compare(
    tier: &GuardedTier,
    source: &Arc<dyn SegmentSource>,
    stored: &Stored,
) -> Result<()> {
    let schema = source.schema();
    let columns: Vec<ColumnId> = schema.columns().iter().map(|column| column.id).collect();
    let handle = SegmentHandle { meta: Arc::clone(source.meta()), record: stored.record.clone() };
    let request = ScanRequest::new(Arc::clone(schema), vec![handle], columns);
    let mut expected = Rows::new(source.batches());
    let name = tier.name();
    let found = tier.scan(request).map_ok(|batch| batch.rows);
    let found = found.map_err(move |error| not_given_back(name, error));
    let mut found = Rows::new(found.boxed());
    let mut row = 0;
    loop {
        let common = expected.ready().await?.min(found.ready().await?);
        let differs = if common == 0 {
            expected.ready().await? != found.ready().await?
        } else {
            expected.take(common) != found.take(common)
        };
        if differs {
            return Err(tier
                .broken("put", "tier says it stored a segment but gives other rows back")
                .with("segment", source.meta().id)
                .with("from_row", row));
        }
        if common == 0 {
            return Ok(());
        }
        row += common;
    }
}

fn not_given_back(tier: &'static str, error: Error) -> Error {
    Error::new(error.kind(), "tier says it stored a segment but does not give it back")
        .with("cause", &error)
        .in_plugin(tier)
        .during("put")
        .with_source(error)
}

/// A stream of rows, cut anew.
struct Rows {
    batches: BoxStream<'static, Result<RecordBatch>>,
    waiting: VecDeque<RecordBatch>,
}

impl Rows {
    fn new(batches: BoxStream<'static, Result<RecordBatch>>) -> Self {
        Self { batches: batches.fuse().boxed(), waiting: VecDeque::new() }
    }

    /// How many rows can be taken now; none at the end.
    async fn ready(&mut self) -> Result<usize> {
        loop {
            match self.waiting.front().map(RecordBatch::num_rows) {
                Some(0) => drop(self.waiting.pop_front()),
                Some(rows) => return Ok(rows),
                None => match self.batches.try_next().await? {
                    Some(batch) => self.waiting.push_back(batch),
                    None => return Ok(0),
                },
            }
        }
    }

    /// The columns of the next `rows` rows, of those that are ready.
    fn take(&mut self, rows: usize) -> Vec<arrow_array::ArrayRef> {
        let Some(front) = self.waiting.pop_front() else { return Vec::new() };
        let taken = front.slice(0, rows.min(front.num_rows()));
        let rest = front.slice(taken.num_rows(), front.num_rows() - taken.num_rows());
        if rest.num_rows() > 0 {
            self.waiting.push_front(rest);
        }
        taken.columns().to_vec()
    }
}
