//! Aggregates.
//!
//! The groups of all segments go through one window of workers, in no particular order: states are exact, so that the
//! answer does not depend on it. A worker takes an aggregator from a pool, folds its group, and puts it back; there are never
//! more aggregators than workers. At the end their states are merged.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use tsds_compute::{Aggregator, SegmentPosition};
use tsds_traits::{AggregatePlan, AggregateRequest, Result};

use crate::filter::Filter;
use crate::read::{GroupReader, Matches, Reading, Target, Wanted, check_segments, distinct};
use crate::segment::Finder;
use crate::stop::Stop;

/// An aggregator that takes more memory than this gives its states away and starts anew: a group may have several states,
/// and so the number of groups does not decide how much memory an aggregate takes here.
const FLUSH_BYTES: usize = 64 << 20;

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
        let AggregateRequest { schema, segments, predicate, plan } = request;
        check_segments(schema, segments)?;
        let first = Aggregator::new(Arc::clone(schema), plan.clone())?;
        let filter = Filter::new(predicate.as_ref(), schema)?;
        let folded = plan.columns(schema);
        let columns = distinct(folded.iter().copied().chain(filter.columns()));
        Ok(Arc::new(Self {
            plan: plan.clone(),
            wanted: Arc::new(Wanted { filter, columns: folded, top: None }),
            reading: Arc::new(Reading { schema: Arc::clone(schema), columns, finder, stop }),
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
        let rest = stream::once(self.finish());
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

    /// Merges the states of all aggregators.
    async fn finish(self: Arc<Self>) -> Result<Vec<RecordBatch>> {
        let executor = Arc::clone(&self.reading.finder.world.executor);
        let job = move || {
            let mut aggregators = std::mem::take(&mut *self.idle()).into_iter();
            let Some(mut merged) = aggregators.next() else { return Ok(Vec::new()) };
            for other in aggregators {
                self.reading.stop.check()?;
                for states in other.states()? {
                    merged.merge_states(&states)?;
                }
            }
            merged.states()
        };
        (*executor).blocking(job).await
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
