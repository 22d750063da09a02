//! Asking two tiers the same, and how long they take.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use futures::TryStreamExt;
use tsds_compute::Aggregator;
use tsds_traits::{
    AggregateRequest, Clock, Error, ErrorKind, Put, Result, ScanRequest, SegmentHandle, SegmentSource,
    TableSchema, Tier,
};

use super::operations::{Operation, Request};
use super::outcome::{Measured, Timing};

/// A tier with the segments that it holds.
#[derive(Debug)]
pub(crate) struct Loaded {
    tier: Arc<dyn Tier>,
    segments: Vec<SegmentHandle>,
}

/// An operation is run again until it was measured so often, and for so long or so often.
const LEAST_RUNS: usize = 3;
const ENOUGH: Duration = Duration::from_secs(1);
const MOST_RUNS: usize = 15;

impl Loaded {
    pub(crate) fn new(tier: Arc<dyn Tier>) -> Self {
        Self { tier, segments: Vec::new() }
    }

    /// Stores a segment; the reason if there is no room for it, now or ever.
    pub(crate) async fn load(&mut self, source: Arc<dyn SegmentSource>) -> Result<Option<String>> {
        match self.tier.put(Arc::clone(&source)).await {
            Ok(Put::Stored(stored)) => {
                self.segments.push(SegmentHandle { meta: Arc::clone(source.meta()), record: stored.record });
                Ok(None)
            }
            Ok(Put::Declined(why)) => Ok(Some(why)),
            Err(error) if error.kind() == ErrorKind::NoSpace => Ok(Some(error.message().to_owned())),
            Err(error) => Err(error),
        }
    }

    async fn answer(&self, schema: &Arc<TableSchema>, operation: &Operation) -> Result<Answer> {
        let tier = Arc::clone(&self.tier);
        match operation.request(schema, self.segments.clone()) {
            Request::Scan(request) => {
                let batches = tier.scan(request.clone()).map_ok(|batch| batch.rows).try_collect().await?;
                Ok(Answer::Rows(request, batches))
            }
            Request::Aggregate(request) => {
                let states = tier.aggregate(request.clone()).try_collect().await?;
                Ok(Answer::States(request, states))
            }
        }
    }

    /// Runs an operation again and again; it has run before, so that nothing is cold.
    async fn time(
        &self,
        clock: &dyn Clock,
        schema: &Arc<TableSchema>,
        operation: &Operation,
    ) -> Result<Timing> {
        let (mut runs, mut spent) = (Vec::new(), Duration::ZERO);
        while runs.len() < LEAST_RUNS || (spent < ENOUGH && runs.len() < MOST_RUNS) {
            let start = clock.monotonic();
            let answer = self.answer(schema, operation).await?;
            let took = clock.monotonic().saturating_sub(start);
            drop(answer);
            runs.push(took);
            spent += took;
        }
        Ok(Timing::median(&runs))
    }
}

/// Measures an operation on both tiers, which must give the same answer.
///
/// # Errors
///
/// Those of the tiers; `Internal` if the answers differ.
pub(crate) async fn compare(
    clock: &dyn Clock,
    schema: &Arc<TableSchema>,
    operation: &Operation,
    (device, cpu): (&Loaded, &Loaded),
) -> Result<Measured> {
    let rows = device.segments.iter().map(|segment| segment.meta.rows).sum();
    let answer = device.answer(schema, operation).await?.finished()?;
    if answer != cpu.answer(schema, operation).await?.finished()? {
        return Err(Error::internal("the tier answers otherwise than tsds.warm.cpu")
            .with("operation", operation.name)
            .with("rows", rows)
            .in_plugin(device.tier.name()));
    }
    let returned = answer.num_rows() as u64;
    drop(answer);
    Ok(Measured {
        operation: operation.name,
        rows,
        returned,
        bytes: operation.bytes(rows, returned),
        device: device.time(clock, schema, operation).await?,
        cpu: cpu.time(clock, schema, operation).await?,
    })
}

/// What a tier answers.
enum Answer {
    Rows(ScanRequest, Vec<RecordBatch>),
    States(AggregateRequest, Vec<RecordBatch>),
}

impl Answer {
    /// The answer without what may differ between tiers.
    fn finished(self) -> Result<RecordBatch> {
        match self {
            Self::Rows(ScanRequest { schema, projection, .. }, batches) => {
                Ok(concat_batches(&schema.project(&projection)?, &batches)?)
            }
            Self::States(AggregateRequest { schema, plan, .. }, states) => {
                let mut aggregator = Aggregator::new(Arc::clone(&schema), plan.clone())?;
                states.iter().try_for_each(|batch| aggregator.merge_states(batch))?;
                let columns =
                    plan.group_by.len() + usize::from(plan.bucket.is_some()) + plan.aggregates.len();
                let names: Vec<String> = (0..columns).map(|column| format!("column {column}")).collect();
                let results = aggregator.finish(&names)?;
                let schema = tsds_compute::result_schema(&schema, &plan, &names)?;
                Ok(concat_batches(&schema, &results)?)
            }
        }
    }
}
