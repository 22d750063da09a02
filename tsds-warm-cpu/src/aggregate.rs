//! Aggregates.
//!
//! The groups of all segments go through one window of workers, in no particular order: states are exact, so that the
//! answer does not depend on it. A worker takes an aggregator from a pool, folds its group, and puts it back; there are never
//! more aggregators than workers.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use tsds_compute::{Aggregator, SegmentPosition};
use tsds_traits::{AggregatePlan, AggregateRequest, Result};

use crate::filter::Filter;
use crate::read::{GroupReader, Matches, Reading, Target, Wanted};
use crate::segment::Finder;
use tsds_device::residency::Stop;
use tsds_device::{check_segments, distinct};

/// An aggregator that takes more memory than this gives its states away and starts anew: a group may have several states,
/// and so the number of groups does not decide how much memory an aggregate takes here.
const FLUSH_BYTES: usize = 64 << 20;

/// Up to this many groups, states of several aggregators are merged here.
const MERGE_GROUPS: usize = 16_384;

/// An aggregate under way.
#[derive(Debug)]
pub(crate) struct Aggregation {
    plan: AggregatePlan,
    wanted: Arc<Wanted>,
    reading: Arc<Reading>,
    idle: Mutex<Vec<Aggregator>>,
}

impl Aggregation {
    /// Checks a request. No I/O.
    ///
    /// # Errors
    ///
    /// `InvalidInput`; `Unsupported` for a predicate, function or bucket that is not known.
    pub(crate) fn new(request: &AggregateRequest, finder: Finder, stop: Arc<Stop>) -> Result<Arc<Self>> {
        let AggregateRequest { schema, segments, predicate, plan, meter } = request;
        check_segments(schema, segments)?;
        let first = Aggregator::new(Arc::clone(schema), plan.clone())?;
        let filter = Filter::new(predicate.as_ref(), schema)?;
        let folded = plan.columns(schema);
        let columns = distinct(folded.iter().copied().chain(filter.columns()));
        Ok(Arc::new(Self {
            plan: plan.clone(),
            wanted: Arc::new(Wanted { filter, columns: folded, top: None }),
            reading: Arc::new(Reading {
                schema: Arc::clone(schema),
                columns,
                group_bytes: u64::MAX,
                finder,
                stop,
                meter: meter.clone(),
            }),
            idle: Mutex::new(vec![first]),
        }))
    }

    /// Answers it.
    pub(crate) fn run(self: Arc<Self>, targets: Vec<Target>) -> BoxStream<'static, Result<RecordBatch>> {
        let width = self.reading.width();
        let segments = self.reading.segments(targets, Box::new(|| true));
        let cutter = Arc::clone(&self);
        let groups = segments.map_ok(move |(_, segment)| {
            let groups: Vec<_> = segment.cuts().groups().collect();
            let reading = Arc::clone(&cutter.reading);
            stream::iter(groups.into_iter().map(move |group| Ok(reading.reader(segment.clone(), group))))
        });
        let worker = Arc::clone(&self);
        let early =
            groups.try_flatten().map(move |reader| Arc::clone(&worker).fold(reader)).buffer_unordered(width);
        let rest = stream::once(async move { self.finish() }).flatten();
        early.chain(rest).map_ok(|states| stream::iter(states.into_iter().map(Ok))).try_flatten().boxed()
    }

    /// Folds a group. Gives states only where there are too many to keep.
    async fn fold(self: Arc<Self>, reader: Result<GroupReader>) -> Result<Vec<RecordBatch>> {
        let reader = reader?;
        self.reading.stop.check()?;
        let wanted = Arc::clone(&self.wanted);
        let fold = move |found: Matches<'_>| self.fold_matches(found);
        Ok(reader.read(&wanted, None, fold).await?.unwrap_or_default())
    }

    fn fold_matches(&self, found: Matches<'_>) -> Result<Vec<RecordBatch>> {
        let mut aggregator = self.take()?;
        let sequence = found.meta().interval.upto.0;
        found.visit(|first_row, batch, mask| {
            let position = SegmentPosition { sequence, first_row };
            aggregator.update(&self.wanted.columns, batch, position, mask)
        })?;
        if aggregator.memory_bytes() > FLUSH_BYTES {
            return aggregator.states();
        }
        self.idle().push(aggregator);
        Ok(Vec::new())
    }

    /// The states of what is left: merged where that is little work, else as they are, since whoever asked merges anyway.
    fn finish(self: Arc<Self>) -> BoxStream<'static, Result<Vec<RecordBatch>>> {
        let width = self.reading.width();
        let mut aggregators = std::mem::take(&mut *self.idle());
        let groups: usize = aggregators.iter().map(Aggregator::groups).sum();
        let shares = match groups <= MERGE_GROUPS {
            true => vec![aggregators],
            false => aggregators.drain(..).map(|aggregator| vec![aggregator]).collect(),
        };
        let states = move |share| {
            let aggregation = Arc::clone(&self);
            async move {
                let executor = Arc::clone(&aggregation.reading.finder.world.executor);
                (*executor).blocking(move || aggregation.states(share)).await
            }
        };
        stream::iter(shares).map(states).buffer_unordered(width).boxed()
    }

    fn states(&self, aggregators: Vec<Aggregator>) -> Result<Vec<RecordBatch>> {
        let mut aggregators = aggregators.into_iter();
        let Some(mut merged) = aggregators.next() else { return Ok(Vec::new()) };
        for other in aggregators {
            self.reading.stop.check()?;
            for states in other.states()? {
                merged.merge_states(&states)?;
            }
        }
        merged.states()
    }

    fn take(&self) -> Result<Aggregator> {
        let idle = self.idle().pop();
        match idle {
            Some(aggregator) => Ok(aggregator),
            None => Aggregator::new(Arc::clone(&self.reading.schema), self.plan.clone()),
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Aggregator>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
