//! Segments with more rows than two bytes count, and than one dispatch of workgroups holds. Tiers with little room cannot take
//! them.

use std::sync::Arc;

use tsds_traits::{
    Aggregate, AggregatePlan, Comparison, Function, Predicate, ScanRequest, SegmentHandle, SortKey, Tier,
    Value,
};

use super::aggregate::ensure_aggregate;
use super::bench::{TierBench, ensure_scan, plain_scan, store, with_tier};
use crate::CaseResult;
use crate::case::{Case, cases};
use crate::data::schemas;
use crate::data::segments::{Row, Segment};
use crate::fixture::TierFixture;

pub(super) fn cases() -> Vec<Case<dyn TierFixture>> {
    cases![
        [lacks Room] long_segments_are_read_to_the_last_row,
        [lacks Room, claims Predicate] a_predicate_finds_each_row_of_a_long_segment,
        [lacks Room, claims Limit] a_limit_ends_within_a_long_segment,
        [lacks Room, claims Order, claims Limit] an_order_covers_the_whole_of_a_long_segment,
        [lacks Room, claims Aggregate] an_aggregate_covers_the_whole_of_a_long_segment,
    ]
}

/// Where a 16-bit row number, or the number of groups of one dispatch, ends, and beyond what is a unit of work anywhere.
const LENGTHS: [usize; 2] = [(1 << 16) - 1, (1 << 17) + 5];

/// Calls `check` with a tier that holds one long segment. Its times ascend, its values descend.
fn with_long_segment(
    bench: &TierBench,
    check: impl AsyncFn(&Arc<dyn Tier>, &[Segment], &[SegmentHandle]) -> CaseResult,
) -> CaseResult {
    let schema = schemas::readings()?;
    for length in LENGTHS {
        let row = |row: usize| -> Row { vec![Some(Value::Int(row as i64)), Some(Value::Int(-(row as i64)))] };
        let segments = [Segment::new(&schema, 1, 0, (0..length).map(row).collect())];
        let stored = with_tier(bench, async |tier| {
            let handles = [segments[0].handle(&store(&tier, &segments[0]).await?.record)];
            check(&tier, &segments, &handles).await
        });
        stored.map_err(|failure| failure.during(format!("a segment of {length} rows")))?;
    }
    Ok(())
}

/// Rows at the borders, and the last one.
fn some_rows(segment: &Segment) -> Vec<i64> {
    let last = segment.rows.len() as i64 - 1;
    [0, 255, 256, 32_767, 32_768, 65_534, 65_535, 65_536, 131_071, 131_072, last]
        .into_iter()
        .filter(|row| *row <= last)
        .collect()
}

fn long_segments_are_read_to_the_last_row(bench: &TierBench) -> CaseResult {
    with_long_segment(bench, async |tier, segments, handles| {
        for batch_rows in [1_000, 1 << 17] {
            let plain = plain_scan(&segments[0].schema, handles);
            ensure_scan(tier, segments, &ScanRequest { batch_rows, ..plain }).await?;
        }
        Ok(())
    })
}

fn a_predicate_finds_each_row_of_a_long_segment(bench: &TierBench) -> CaseResult {
    with_long_segment(bench, async |tier, segments, handles| {
        let schema = &segments[0].schema;
        let columns = [(schema.time_column().id, 1), (schema.columns()[1].id, -1)];
        for (column, sign) in columns {
            let values: Vec<Value> =
                some_rows(&segments[0]).into_iter().map(|row| Value::Int(row * sign)).collect();
            let compare =
                |comparison, value: &Value| Predicate::Compare { column, comparison, value: value.clone() };
            let mut predicates: Vec<Predicate> =
                values.iter().map(|value| compare(Comparison::Equal, value)).collect();
            predicates.extend(values.last().map(|value| compare(Comparison::NotEqual, value)));
            predicates.push(Predicate::In { column, values, has_null: false });
            for predicate in predicates {
                let request = ScanRequest { predicate: Some(predicate), ..plain_scan(schema, handles) };
                ensure_scan(tier, segments, &request).await?;
            }
        }
        Ok(())
    })
}

fn a_limit_ends_within_a_long_segment(bench: &TierBench) -> CaseResult {
    with_long_segment(bench, async |tier, segments, handles| {
        for limit in [1, 65_536, 131_072, 131_073] {
            let plain = plain_scan(&segments[0].schema, handles);
            let request = ScanRequest { limit: Some(limit), batch_rows: 50_000, ..plain };
            ensure_scan(tier, segments, &request).await?;
        }
        Ok(())
    })
}

fn an_order_covers_the_whole_of_a_long_segment(bench: &TierBench) -> CaseResult {
    with_long_segment(bench, async |tier, segments, handles| {
        let schema = &segments[0].schema;
        let column = schema.columns()[1].id;
        for (descending, limit) in
            [(false, None), (false, Some(5)), (true, Some(65_536)), (true, Some(131_075))]
        {
            let order = vec![SortKey { column, descending, nulls_first: false }];
            ensure_scan(tier, segments, &ScanRequest { order, limit, ..plain_scan(schema, handles) }).await?;
        }
        Ok(())
    })
}

fn an_aggregate_covers_the_whole_of_a_long_segment(bench: &TierBench) -> CaseResult {
    with_long_segment(bench, async |tier, segments, handles| {
        let column = segments[0].schema.columns()[1].id;
        let of = |function| Aggregate { function, column: Some(column) };
        let functions = [Function::Count, Function::Sum, Function::Min, Function::Max, Function::Last];
        let plan = AggregatePlan { group_by: vec![], bucket: None, aggregates: functions.map(of).to_vec() };
        ensure_aggregate(tier, segments, handles, None, &plan).await
    })
}
