//! Aggregates: the merged states are the model's.

use std::sync::Arc;

use proptest::prelude::*;
use tsds_traits::{
    Aggregate, AggregatePlan, AggregateRequest, ErrorKind, Function, Predicate, SegmentHandle, SegmentMeta,
    Tier,
};

use super::bench::{TierBench, aggregate, offer_all, sensor_segments, store_all, stored_segment, with_tier};
use super::edges::store_edges;
use crate::CaseResult;
use crate::case::{Case, cases};
use crate::data::queries::{self, functions_of};
use crate::data::segments::{Row, Segment};
use crate::data::{schemas, segments};
use crate::fixture::TierFixture;
use crate::model;
use crate::outcome::{ensure, ensure_eq, ensure_error, ensure_same_sequence};

pub(super) fn cases() -> Vec<Case<dyn TierFixture>> {
    cases![
        [claims Aggregate] every_function_of_every_type_gives_the_right_state,
        [claims Aggregate] any_plan_gives_the_right_states,
        [claims Aggregate] groups_without_a_row_do_not_occur,
        [claims Aggregate] an_aggregate_of_an_absent_segment_gives_not_found,
        [claims Aggregate, claims Predicate] any_plan_with_a_predicate_gives_the_right_states,
        [claims Aggregate, claims Predicate] nothing_that_matches_gives_no_group,
    ]
}

/// Fails unless the merged states are the model's.
pub(super) async fn ensure_aggregate(
    tier: &Arc<dyn Tier>,
    segments: &[Segment],
    handles: &[SegmentHandle],
    predicate: Option<Predicate>,
    plan: &AggregatePlan,
) -> CaseResult {
    let Some(schema) = segments.first().map(|segment| segment.schema.clone()) else {
        return Ok(());
    };
    let rows: Vec<(&SegmentMeta, &[Row])> =
        segments.iter().map(|segment| (&*segment.meta, &segment.rows[..])).collect();
    let expected = model::aggregate(&schema, &rows, predicate.as_ref(), plan);
    let request = AggregateRequest {
        predicate,
        ..AggregateRequest::new(schema.clone(), handles.to_vec(), plan.clone())
    };
    let states = aggregate(tier, request).await?;
    let actual = model::merge_states(&schema, plan, &states)?;
    let groups = |groups: model::Group| groups.into_iter().collect::<Vec<_>>();
    ensure_same_sequence(&groups(actual), &groups(expected), "groups of an aggregate")
}

fn every_function_of_every_type_gives_the_right_state(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        for (segment, handle) in store_edges(&tier, |segment| segment).await? {
            let schema = segment.schema.clone();
            let (segments, handles) = ([segment], [handle]);
            for column in schema.columns() {
                for function in functions_of(column) {
                    let aggregates = vec![Aggregate { function, column: Some(column.id) }];
                    for group_by in [vec![], schema.sort_columns()[..1].to_vec()] {
                        let plan = AggregatePlan { group_by, bucket: None, aggregates: aggregates.clone() };
                        let what = || format!("{} of {}", function.name(), column.data_type);
                        ensure_aggregate(&tier, &segments, &handles, None, &plan)
                            .await
                            .map_err(|failure| failure.during(what()))?;
                    }
                }
            }
        }
        Ok(())
    })
}

fn any_plan_gives_the_right_states(bench: &TierBench) -> CaseResult {
    let strategy = schemas::any_schema()
        .prop_flat_map(|schema| (segments::segments(&schema, 3, 130), queries::plans(&schema)));
    bench.for_all(&strategy, |(segments, plan)| {
        with_tier(bench, async |tier| {
            let (taken, handles) = offer_all(&tier, &segments).await?;
            ensure_aggregate(&tier, &taken, &handles, None, &plan).await
        })
    })
}

fn any_plan_with_a_predicate_gives_the_right_states(bench: &TierBench) -> CaseResult {
    let strategy = schemas::any_schema().prop_flat_map(|schema| {
        let query = (queries::predicates(&schema), queries::plans(&schema));
        (segments::segments(&schema, 3, 130), query)
    });
    bench.for_all(&strategy, |(segments, (predicate, plan))| {
        with_tier(bench, async |tier| {
            let (taken, handles) = offer_all(&tier, &segments).await?;
            ensure_aggregate(&tier, &taken, &handles, Some(predicate.clone()), &plan).await
        })
    })
}

fn count_all() -> AggregatePlan {
    let aggregates = vec![Aggregate { function: Function::Count, column: None }];
    AggregatePlan { group_by: vec![], bucket: None, aggregates }
}

fn groups_without_a_row_do_not_occur(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        let segments = sensor_segments(1, 10)?;
        store_all(&tier, &segments).await?;
        let request = AggregateRequest::new(segments[0].schema.clone(), vec![], count_all());
        let states = aggregate(&tier, request).await?;
        let groups = model::merge_states(&segments[0].schema, &count_all(), &states)?;
        ensure_eq(&groups.len(), &0, "groups of no segments")
    })
}

fn nothing_that_matches_gives_no_group(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        let segments = sensor_segments(2, 10)?;
        let handles = store_all(&tier, &segments).await?;
        for answer in [Some(false), None] {
            let never = Some(Predicate::Constant(answer));
            ensure_aggregate(&tier, &segments, &handles, never, &count_all()).await?;
        }
        Ok(())
    })
}

fn an_aggregate_of_an_absent_segment_gives_not_found(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        let segments = sensor_segments(2, 10)?;
        let handles = store_all(&tier, &segments).await?;
        tier.remove(&[stored_segment(&handles[1])]).await?;
        let request = AggregateRequest::new(segments[0].schema.clone(), handles, count_all());
        let result = aggregate(&tier, request).await;
        let named =
            matches!(&result, Err(error) if error.to_string().contains(&segments[1].id().to_string()));
        ensure(named || result.is_ok(), || format!("the error does not name the segment: {result:?}"))?;
        ensure_error(result, ErrorKind::NotFound, "an aggregate of an absent segment")
    })
}
