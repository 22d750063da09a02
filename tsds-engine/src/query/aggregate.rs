//! Aggregates: every tier folds its own rows into states, the engine merges them.

use std::sync::Arc;

use arrow_array::RecordBatch;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tsds_compute::{Aggregator, BatchSize, CompiledPredicate, SegmentPosition, SortedBatches};
use tsds_traits::{AggregateRequest, ColumnId, Result, ScanRequest, SortKey};

use super::fallback::aggregate_part;
use super::plan::{Part, Plan, PlannedAggregate};
use super::unordered::limited;
use super::{Direction, hot, unplanned};
use crate::guard::GuardedTier;

/// Computes the groups, then streams them.
pub(super) async fn run(mut plan: Plan) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let aggregate = plan.aggregate.take().ok_or_else(|| unplanned("no aggregate was planned"))?;
    let plan = Arc::new(plan);
    let started = Arc::clone(&plan);
    let rows = stream::once(async move {
        let batches = compute(&started, aggregate).await?;
        let cut = batches.into_iter().flat_map(move |batch| started.size.cut(&batch));
        Ok::<_, tsds_traits::Error>(stream::iter(cut.map(Ok)))
    })
    .try_flatten();
    Ok(limited(rows.boxed(), plan))
}

async fn compute(plan: &Arc<Plan>, aggregate: PlannedAggregate) -> Result<Vec<RecordBatch>> {
    let limit = usize::try_from(plan.memory_limit).unwrap_or(usize::MAX);
    let mut merged =
        Aggregator::new(Arc::clone(&plan.schema), aggregate.plan.clone())?.with_memory_limit(limit);
    let memory = {
        let plan = Arc::clone(plan);
        let core = Arc::clone(&plan.core);
        stream::once(async move {
            let states = core.blocking(move || hot::aggregate(&plan)).await?;
            Ok::<_, tsds_traits::Error>(stream::iter(states.into_iter().map(Ok)))
        })
        .try_flatten()
        .boxed()
    };
    let mut sources = vec![memory];
    for part in &plan.parts {
        sources.push(part_states(plan, part)?);
    }
    let mut states = stream::select_all(sources);
    while let Some(batch) = states.try_next().await? {
        merged.merge_states(&batch)?;
    }
    let names = aggregate.names.clone();
    let groups = plan.core.blocking(move || merged.finish(&names)).await?;
    sorted(groups, &aggregate, plan.limit, plan.size)
}

/// The states of one tier's segments.
fn part_states(plan: &Arc<Plan>, part: &Part) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let view = &part.view;
    let wanted = view.plan().ok_or_else(|| unplanned("no aggregate was planned"))?;
    let segments = part.segments.iter().map(|(_, entry)| entry.handle()).collect();
    let mut request = AggregateRequest::new(Arc::clone(view.schema()), segments, wanted.clone());
    request.predicate = view.predicate.clone();
    request.meter = part.meter();
    aggregate_part(plan, part, request)
}

/// Over a plain scan, for a tier that does not aggregate.
pub(super) fn plain_states(
    tier: &GuardedTier,
    request: &AggregateRequest,
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let AggregateRequest { schema, segments, predicate, plan, meter } = request;
    let mut columns = plan.columns(schema);
    columns.extend(predicate.iter().flat_map(|predicate| predicate.columns()));
    columns.sort_unstable();
    columns.dedup();
    let mut scan = ScanRequest::new(Arc::clone(schema), segments.clone(), columns.clone());
    scan.meter = meter.clone();
    let predicate = predicate.as_ref().map(|one| CompiledPredicate::new(one, schema)).transpose()?;
    let mut aggregator = Aggregator::new(Arc::clone(schema), plan.clone())?;
    let intervals: Vec<u64> = segments.iter().map(|segment| segment.meta.interval.upto.0).collect();
    let mut rows = tier.scan(scan);
    let states = async move {
        let (mut segment, mut first_row) = (0, 0);
        while let Some(batch) = rows.try_next().await? {
            if batch.segment != segment {
                (segment, first_row) = (batch.segment, 0);
            }
            let mask = predicate.as_ref().map(|one| one.evaluate(&columns, &batch.rows)).transpose()?;
            let sequence = intervals.get(segment).copied().unwrap_or_default();
            aggregator.update(
                &columns,
                &batch.rows,
                SegmentPosition { sequence, first_row },
                mask.as_ref(),
            )?;
            first_row += batch.rows.num_rows() as u64;
        }
        Ok::<_, tsds_traits::Error>(stream::iter(aggregator.states()?.into_iter().map(Ok)))
    };
    Ok(stream::once(states).try_flatten().boxed())
}

/// Sorts the groups, if asked to; equal ones stay in the order of groups and buckets.
fn sorted(
    groups: Vec<RecordBatch>,
    aggregate: &PlannedAggregate,
    limit: Option<u64>,
    size: BatchSize,
) -> Result<Vec<RecordBatch>> {
    if aggregate.sort.is_empty() || groups.is_empty() {
        return Ok(groups);
    }
    let ids: Vec<ColumnId> = (0..aggregate.output.fields().len() as u32).map(ColumnId).collect();
    let keys: Vec<SortKey> = aggregate
        .sort
        .iter()
        .map(|(position, sort)| SortKey {
            column: ColumnId(*position as u32),
            descending: sort.direction == Direction::Descending,
            nulls_first: sort.nulls_first,
        })
        .collect();
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    SortedBatches::new(&aggregate.output, &ids, groups, &keys, limit)?.into_batches(size)
}
