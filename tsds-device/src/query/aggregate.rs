//! Aggregates: waves fold runs of rows on the device; what comes back are states.

use std::sync::Arc;

use arrow_array::RecordBatch;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use tsds_compute::{Aggregator, Bucketer, SegmentPosition};
use tsds_traits::{AggregatePlan, AggregateRequest, ColumnId, Function, Result, Value, ValueClass};

use super::states::States;
use super::{Context, PlannedWave, Reading};
use crate::device::Device;
use crate::kernel::reduce;
use crate::request::check_segments;
use crate::residency::Stop;
use crate::segment::DeviceSegment;
use crate::wave::{Fold, FoldPlan, Folded, PartRows, Wave};

/// With more buckets in a wave than this, and than it has rows, rows are folded on the host: looking buckets up would be all
/// the work.
const MAX_BUCKETS: u64 = 1 << 16;

/// An aggregate under way.
#[derive(Debug)]
pub(crate) struct Aggregation<D: Device> {
    reading: Reading<D>,
    plan: AggregatePlan,
    fold: FoldPlan,
    bucketer: Option<Bucketer>,
}

impl<D: Device> Aggregation<D> {
    /// Answers a request over segments, which are those of the request in its order.
    ///
    /// # Errors
    ///
    /// `InvalidInput`; `Unsupported` for a predicate, function or bucket that is not known.
    pub(crate) fn run(
        context: Arc<Context<D>>,
        request: &AggregateRequest,
        segments: impl FnOnce() -> Result<Vec<Arc<DeviceSegment<D>>>>,
        stop: Arc<Stop>,
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let AggregateRequest { schema, predicate, plan, meter, .. } = request;
        check_segments(schema, &request.segments)?;
        // Refuses what is not known.
        Aggregator::new(Arc::clone(schema), plan.clone())?;
        let bucketer = plan.bucket.map(|bucket| Bucketer::new(bucket, schema.time_unit())).transpose()?;
        let time = schema.time_column().id;
        let columns = plan.columns(schema).into_iter().chain([time]).collect();
        let reading =
            Reading::new(context, schema, predicate.as_ref(), (columns, Vec::new()), segments, stop, meter)?;
        let fold = FoldPlan {
            groups: plan.group_by.clone(),
            bucket: plan.bucket,
            time,
            columns: folded_columns(plan, schema),
        };
        let aggregation = Arc::new(Self { reading, plan: plan.clone(), fold, bucketer });
        let waves = aggregation.reading.waves();
        let states = stream::iter(waves)
            .then(move |wave| Arc::clone(&aggregation).states_of(wave))
            .map_ok(|states| stream::iter(states.into_iter().map(Ok)));
        Ok(states.try_flatten().boxed())
    }

    /// The states of the rows of a wave.
    async fn states_of(self: Arc<Self>, planned: PlannedWave<D>) -> Result<Vec<RecordBatch>> {
        let wave = self.reading.begin(planned).await?;
        let starts = if self.adds_up(&wave)? { self.bucket_starts(&wave)? } else { None };
        let Some(starts) = starts else {
            let found = wave.compared(wave.all_rows()?, &self.reading.columns).await?;
            return self.on_host(&wave, found).await;
        };
        let Some(folded) = self.folded(&wave, &starts).await? else {
            let found = wave.compared(wave.all_rows()?, &self.reading.columns).await?;
            return self.on_host(&wave, found).await;
        };
        if folded.is_empty() {
            return Ok(Vec::new());
        }
        let states = States {
            wave,
            plan: self.plan.clone(),
            fold: self.fold.clone(),
            schema: Arc::clone(&self.reading.schema),
            bucketer: self.bucketer,
            folded,
        };
        states.batches().await
    }

    /// Whether every sum that is asked for is a sum of numbers on the device.
    fn adds_up(&self, wave: &Wave<D>) -> Result<bool> {
        let sums =
            self.plan.aggregates.iter().filter(|one| matches!(one.function, Function::Sum | Function::Avg));
        for column in sums.filter_map(|one| one.column) {
            for part in &wave.parts {
                if !part.segment.column(column)?.meaning.adds_up() {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// The runs of the rows that match, folded; `None` if that is not worthwhile.
    async fn folded(&self, wave: &Wave<D>, starts: &[Vec<i64>]) -> Result<Option<Folded<D>>> {
        let predicate = self.reading.predicate.as_ref();
        match wave.fold_encoded(predicate, &self.fold, starts).await? {
            Fold::Done(folded) => return Ok(Some(folded)),
            Fold::TooMany => return Ok(None),
            Fold::Unfit => {}
        }
        let rows = wave.matching(predicate).await?;
        if rows.count() == 0 {
            return Ok(Some(Folded::nothing(rows)));
        }
        wave.fold(rows, &self.fold, starts).await
    }

    /// The bucket starts of each part; `None` if there are too many.
    fn bucket_starts(&self, wave: &Wave<D>) -> Result<Option<Vec<Vec<i64>>>> {
        let Some(bucketer) = &self.bucketer else {
            return Ok(Some(vec![Vec::new(); wave.parts.len()]));
        };
        let mut all = Vec::with_capacity(wave.parts.len());
        let mut left = wave.all_rows()?.count().max(MAX_BUCKETS);
        for part in &wave.parts {
            // Of the rows themselves: what a segment says of its times nobody has checked.
            let stats = part.part()?.stats(self.fold.time);
            let bound = |value: Option<&Option<Value>>| match value {
                Some(Some(Value::Int(time))) => Some(*time),
                _ => None,
            };
            let first = bound(stats.map(|stats| &stats.min));
            let Some((first, last)) = first.zip(bound(stats.map(|stats| &stats.max))) else {
                return Ok(None);
            };
            let mut starts = Vec::new();
            let mut next = Some(first);
            while let Some(time) = next.filter(|time| *time <= last) {
                if left == 0 {
                    return Ok(None);
                }
                left -= 1;
                let span = bucketer.span_of(time);
                starts.push(span.start);
                next = span.last.checked_add(1);
            }
            all.push(starts);
        }
        Ok(Some(all))
    }

    /// Filters and folds all rows on the host.
    async fn on_host(self: Arc<Self>, wave: &Wave<D>, found: Vec<PartRows>) -> Result<Vec<RecordBatch>> {
        let positions = wave.parts.iter().map(|part| {
            let sequence = part.segment.meta.interval.upto.0;
            Ok(SegmentPosition { sequence, first_row: part.part()?.first_row })
        });
        let positions = positions.collect::<Result<Vec<_>>>()?;
        let executor = Arc::clone(&wave.world.executor);
        let job = move || {
            let Reading { schema, columns, predicate, stop, .. } = &self.reading;
            let mut aggregator = Aggregator::new(Arc::clone(schema), self.plan.clone())?;
            for (part, position) in found.into_iter().zip(positions) {
                stop.check()?;
                let predicate = predicate.as_ref();
                let mask = predicate.map(|predicate| predicate.evaluate(columns, &part.rows)).transpose()?;
                aggregator.update(columns, &part.rows, position, mask.as_ref())?;
            }
            aggregator.states()
        };
        (*executor).blocking(job).await
    }
}

/// The aggregated columns, each once, with all that the functions over it want.
fn folded_columns(plan: &AggregatePlan, schema: &tsds_traits::TableSchema) -> Vec<(Option<ColumnId>, u32)> {
    let mut columns: Vec<(Option<ColumnId>, u32)> = Vec::new();
    for one in &plan.aggregates {
        let flags = wanted(one.function, one.column, schema);
        match columns.iter_mut().find(|(column, _)| *column == one.column) {
            Some((_, known)) => *known |= flags,
            None => columns.push((one.column, flags)),
        }
    }
    columns
}

/// What a device has to find for a function.
fn wanted(function: Function, column: Option<ColumnId>, schema: &tsds_traits::TableSchema) -> u32 {
    let class = column.and_then(|id| schema.column(id)).and_then(|column| ValueClass::of(&column.data_type));
    match function {
        Function::Min | Function::Max => reduce::EXTREMES,
        Function::First | Function::Last => reduce::EDGES,
        Function::Sum | Function::Avg => match class {
            Some(ValueClass::F64) => reduce::SUM_FLOAT64,
            Some(ValueClass::F32) => reduce::SUM_FLOAT32,
            Some(ValueClass::UInt) => reduce::SUM_UNSIGNED,
            _ => reduce::SUM_SIGNED,
        },
        _ => 0,
    }
}
