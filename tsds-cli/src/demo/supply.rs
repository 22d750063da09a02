//! Batches made ahead, so that making them does not slow their ingest down.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::RecordBatch;
use futures::future::BoxFuture;
use tsds_traits::{Executor, Result};

use super::generate::Generator;

/// How many rows are made in one go.
const ROWS_PER_JOB: usize = 200_000;

/// The generator, and the batches that it made.
type Made = (Generator, Vec<RecordBatch>);

/// Hands out batches, with more being made meanwhile.
pub(crate) struct Supply {
    executor: Arc<dyn Executor>,
    ready: VecDeque<RecordBatch>,
    coming: Option<BoxFuture<'static, Result<Made>>>,
    idle: Option<Generator>,
    rows_left: u64,
    batch_rows: usize,
    /// With no more than this in stock, more is made.
    low: usize,
}

impl Supply {
    /// Makes `rows` rows in batches of `batch_rows`, and waits until there is something in stock.
    ///
    /// # Errors
    ///
    /// What making says.
    pub(crate) async fn start(
        executor: Arc<dyn Executor>,
        generator: Generator,
        rows: u64,
        batch_rows: usize,
    ) -> Result<Self> {
        let batch_rows = batch_rows.max(1);
        let low = (ROWS_PER_JOB / batch_rows).max(1);
        let idle = Some(generator);
        let mut supply =
            Self { executor, ready: VecDeque::new(), coming: None, idle, rows_left: rows, batch_rows, low };
        supply.restock();
        supply.receive().await?;
        supply.restock();
        Ok(supply)
    }

    /// The next batch; none at the end.
    ///
    /// # Errors
    ///
    /// What making says.
    pub(crate) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        if self.ready.is_empty() {
            self.receive().await?;
        }
        if self.ready.len() <= self.low {
            if self.coming.is_some() && self.ready.len() <= self.low / 2 {
                self.receive().await?;
            }
            self.restock();
        }
        Ok(self.ready.pop_front())
    }

    fn restock(&mut self) {
        if self.coming.is_some() || self.rows_left == 0 {
            return;
        }
        let Some(mut generator) = self.idle.take() else { return };
        let mut sizes = Vec::new();
        let mut planned = 0;
        while planned < ROWS_PER_JOB && self.rows_left > 0 {
            let rows = self.batch_rows.min(usize::try_from(self.rows_left).unwrap_or(usize::MAX));
            sizes.push(rows);
            planned += rows;
            self.rows_left -= rows as u64;
        }
        self.coming = Some((*self.executor).blocking(move || {
            let batches = sizes.into_iter().map(|rows| generator.batch(rows)).collect::<Result<Vec<_>>>()?;
            Ok((generator, batches))
        }));
    }

    async fn receive(&mut self) -> Result<()> {
        if let Some(coming) = self.coming.take() {
            let (generator, batches) = coming.await?;
            self.idle = Some(generator);
            self.ready.extend(batches);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::Mode;
    use arrow_select::concat::concat_batches;

    #[test]
    fn all_rows_come_in_order_and_in_batches_of_the_size_asked_for() {
        let runtime = tsds_io::Runtime::new(Some(1)).unwrap();
        let executor = runtime.world().executor;
        for (rows, batch_rows) in [(0, 10), (25, 10), (450_001, 60_000), (450_000, 1_000_000)] {
            let batches = runtime.block_on(async {
                let generator = Generator::new(Mode::Simple, 0);
                let mut supply =
                    Supply::start(Arc::clone(&executor), generator, rows, batch_rows).await.unwrap();
                let mut batches = Vec::new();
                while let Some(batch) = supply.next().await.unwrap() {
                    batches.push(batch);
                }
                batches
            });
            assert!(batches.iter().rev().skip(1).all(|batch| batch.num_rows() == batch_rows));
            let whole = concat_batches(&Mode::Simple.schema(), &batches).unwrap();
            assert_eq!(whole, Generator::new(Mode::Simple, 0).batch(rows as usize).unwrap());
        }
    }
}
