//! Aggregates against an aggregator that gets all rows at once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::Arc;

use arrow_array::RecordBatch;
use common::*;
use futures::TryStreamExt;
use tsds_compute::{Aggregator, CompiledPredicate, SegmentPosition};
use tsds_traits::{
    Aggregate, AggregatePlan, AggregateRequest, ColumnId, Comparison, ErrorKind, Function, Predicate,
    SegmentHandle, Tier, TimeBucket, Value,
};

fn all_columns() -> Vec<ColumnId> {
    schema().columns().iter().map(|column| column.id).collect()
}

fn aggregate(function: Function, column: Option<ColumnId>) -> Aggregate {
    Aggregate { function, column }
}

fn plan(group_by: Vec<ColumnId>, bucket: Option<TimeBucket>) -> AggregatePlan {
    let aggregates = vec![
        aggregate(Function::Count, None),
        aggregate(Function::Sum, Some(LOAD)),
        aggregate(Function::Avg, Some(CORES)),
        aggregate(Function::Min, Some(LOAD)),
        aggregate(Function::Max, Some(NOTE)),
        aggregate(Function::First, Some(LOAD)),
        aggregate(Function::Last, Some(NOTE)),
    ];
    AggregatePlan { group_by, bucket, aggregates }
}

fn finish(aggregator: Aggregator, plan: &AggregatePlan) -> Vec<String> {
    let names = plan.group_by.len() + usize::from(plan.bucket.is_some()) + plan.aggregates.len();
    let names: Vec<_> = (0..names).map(|index| format!("c{index}")).collect();
    rows_of(&aggregator.finish(&names).unwrap())
}

fn model(sources: &[Arc<MemorySource>], predicate: Option<&Predicate>, plan: &AggregatePlan) -> Vec<String> {
    let mut aggregator = Aggregator::new(schema(), plan.clone()).unwrap();
    for source in sources {
        let rows = source.rows();
        let mask = predicate.map(|predicate| {
            let predicate = CompiledPredicate::new(predicate, &schema()).unwrap();
            predicate.evaluate(&all_columns(), &rows).unwrap()
        });
        let position = SegmentPosition { sequence: source.meta.interval.upto.0, first_row: 0 };
        aggregator.update(&all_columns(), &rows, position, mask.as_ref()).unwrap();
    }
    finish(aggregator, plan)
}

fn check(predicate: Option<Predicate>, plan: AggregatePlan) {
    let (machine, world) = sim(1);
    let tier = tier(&world);
    let sources: Vec<_> = [(1, 5_000), (2, 17), (3, 1_024)].map(|(id, n)| MemorySource::sample(id, n)).into();
    let states: Vec<RecordBatch> = machine.block_on(async {
        let mut segments = Vec::new();
        for source in &sources {
            segments.push(handle(source, &put(&tier, source).await.unwrap()));
        }
        let request = AggregateRequest {
            predicate: predicate.clone(),
            ..AggregateRequest::new(schema(), segments, plan.clone())
        };
        Arc::clone(&tier).aggregate(request).try_collect().await.unwrap()
    });
    let expected_schema = plan.state_schema(&schema()).unwrap();
    let mut merged = Aggregator::new(schema(), plan.clone()).unwrap();
    for batch in &states {
        assert_eq!(batch.schema(), expected_schema);
        merged.merge_states(batch).unwrap();
    }
    assert_eq!(finish(merged, &plan), model(&sources, predicate.as_ref(), &plan), "{predicate:?}");
}

fn minutes() -> Option<TimeBucket> {
    Some(TimeBucket::Units { width: 60_000_000, origin: 0 })
}

fn cores_below(value: u64) -> Predicate {
    Predicate::Compare { column: CORES, comparison: Comparison::Less, value: Value::UInt(value) }
}

#[test]
fn groups_and_buckets_over_many_files_are_those_of_all_rows_at_once() {
    check(None, plan(vec![HOST], minutes()));
    check(None, plan(vec![NOTE, HOST], None));
    check(None, plan(vec![], minutes()));
    check(None, plan(vec![], None));
}

#[test]
fn a_predicate_selects_the_rows_that_are_folded() {
    check(Some(cores_below(40)), plan(vec![HOST], minutes()));
    check(Some(cores_below(1)), plan(vec![HOST], None));
    check(Some(cores_below(0)), plan(vec![HOST], None));
    check(Some(cores_below(1_000)), plan(vec![], None));
    let host = Predicate::Compare {
        column: HOST,
        comparison: Comparison::Equal,
        value: Value::Text("host-001".into()),
    };
    check(Some(host), plan(vec![], minutes()));
}

#[test]
fn aggregates_that_read_nothing_but_the_predicate_or_no_column_at_all_are_right() {
    let count = |group_by| AggregatePlan {
        group_by,
        bucket: None,
        aggregates: vec![aggregate(Function::Count, None)],
    };
    check(None, count(vec![]));
    check(Some(cores_below(40)), count(vec![]));
    check(Some(cores_below(40)), count(vec![CORES]));
}

#[test]
fn absent_segments_and_senseless_plans_are_refused() {
    let (machine, world) = sim(2);
    let tier = tier(&world);
    let stranger = MemorySource::sample(9, 10);
    let handle = SegmentHandle { meta: Arc::clone(&stranger.meta), record: bytes::Bytes::new() };
    let run = |segments: Vec<SegmentHandle>, plan: AggregatePlan| {
        let request = AggregateRequest::new(schema(), segments, plan);
        machine.block_on(async {
            Arc::clone(&tier).aggregate(request).try_collect::<Vec<_>>().await.map(|states| states.len())
        })
    };
    assert_eq!(run(vec![handle], plan(vec![], None)).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(run(vec![], plan(vec![ColumnId(99)], None)).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(run(vec![], plan(vec![HOST], None)).unwrap(), 0);
}
