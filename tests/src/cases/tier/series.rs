//! Segments of several long series: whoever cuts a segment where series begin has several pieces here, of which statistics
//! prove some, rule out others and leave the rest to be looked at.

use std::sync::Arc;

use tsds_traits::{
    Aggregate, AggregatePlan, ColumnId, Comparison, Function, Predicate, ScanRequest, SegmentHandle, SortKey,
    Tier, Value,
};

use super::aggregate::ensure_aggregate;
use super::bench::{TierBench, ensure_scan, plain_scan, store, with_tier};
use crate::CaseResult;
use crate::case::{Case, cases};
use crate::claims::Claim;
use crate::data::schemas;
use crate::data::segments::{Row, Segment};
use crate::fixture::TierFixture;

pub(super) fn cases() -> Vec<Case<dyn TierFixture>> {
    cases![
        [claims Predicate] predicates_find_the_rows_of_every_series,
        [claims Predicate, claims Order, claims Limit] orders_and_limits_reach_into_every_series,
        [claims Predicate, claims Aggregate] aggregates_take_in_every_series,
    ]
}

const SERIES: i64 = 7;
const ROWS: i64 = 300;

/// Series with one value, with many, with nulls between them, and with nothing but nulls. The last column is the same
/// within two series each.
fn segment() -> CaseResult<Segment> {
    let schema = schemas::sensors()?;
    let row = |series: i64, row: i64| -> Row {
        let value = match series {
            3 if row % 3 == 0 => None,
            5 => None,
            1 | 3 => Some(Value::F64(series as f64 + row as f64 / 1_000.0)),
            constant => Some(Value::F64(constant as f64)),
        };
        vec![
            Some(Value::Text(format!("host-{series}"))),
            Some(Value::Int((row * 7 + series) * 1_000_000)),
            value,
            (series != 6 || row % 50 == 0).then_some(Value::Int(series / 2)),
        ]
    };
    let rows = (0..SERIES).flat_map(|series| (0..ROWS).map(move |number| row(series, number))).collect();
    Ok(Segment::new(&schema, 1, 0, rows))
}

/// What picks whole series, parts of series, and series that do not lie side by side.
fn predicates(segment: &Segment) -> Vec<Predicate> {
    let columns: Vec<ColumnId> = segment.schema.columns().iter().map(|column| column.id).collect();
    let (host, time, value, count) = (columns[0], columns[1], columns[2], columns[3]);
    let compare = |column, comparison, value| Predicate::Compare { column, comparison, value };
    let among = |column, values: Vec<Value>| Predicate::In { column, values, has_null: false };
    let float = Value::F64;
    let half = compare(time, Comparison::Less, Value::Int(ROWS * 7 / 2 * 1_000_000));
    let apart = among(value, [0.0, 4.0, 6.0].map(float).to_vec());
    let mut all = vec![
        compare(value, Comparison::Equal, float(4.0)),
        compare(value, Comparison::GreaterOrEqual, float(3.1)),
        compare(value, Comparison::Less, float(1.1)),
        among(value, [0.0, 1.1, 2.0].map(float).to_vec()),
        apart.clone(),
        among(host, ["host-1", "host-4", "host-6"].map(|name| Value::Text(name.into())).to_vec()),
        among(count, [0, 2].map(Value::Int).to_vec()),
        Predicate::IsNull(value),
        Predicate::Not(Box::new(apart.clone())),
        half.clone(),
        Predicate::And(vec![apart.clone(), half.clone()]),
        Predicate::And(vec![
            compare(count, Comparison::NotEqual, Value::Int(1)),
            apart.clone(),
            half.clone(),
        ]),
        Predicate::Or(vec![apart, Predicate::IsNull(count)]),
        Predicate::Or(vec![compare(value, Comparison::Greater, float(5.0)), half]),
    ];
    all.push(compare(host, Comparison::GreaterOrEqual, Value::Text("host-5".into())));
    all
}

/// Calls `check` with a tier that holds the segment, for each predicate.
fn for_every_predicate(
    bench: &TierBench,
    check: impl AsyncFn(&Arc<dyn Tier>, &[Segment], &[SegmentHandle], Predicate) -> CaseResult,
) -> CaseResult {
    let segments = [segment()?];
    with_tier(bench, async |tier| {
        let handles = [segments[0].handle(&store(&tier, &segments[0]).await?.record)];
        for predicate in predicates(&segments[0]) {
            check(&tier, &segments, &handles, predicate.clone())
                .await
                .map_err(|failure| failure.during(format!("{predicate:?}")))?;
        }
        Ok(())
    })
}

fn predicates_find_the_rows_of_every_series(bench: &TierBench) -> CaseResult {
    for_every_predicate(bench, async |tier, segments, handles, predicate| {
        let plain = plain_scan(&segments[0].schema, handles);
        let columns = plain.projection.clone();
        // All columns; none of those that predicates read; one that is seldom null.
        for projection in [columns.clone(), columns[1..2].to_vec(), columns[2..3].to_vec()] {
            let predicate = Some(predicate.clone());
            ensure_scan(tier, segments, &ScanRequest { projection, predicate, ..plain.clone() }).await?;
        }
        if bench.claims.has(Claim::Limit) {
            for limit in [1, 299, 301, 650] {
                let (predicate, limit) = (Some(predicate.clone()), Some(limit));
                ensure_scan(tier, segments, &ScanRequest { predicate, limit, ..plain.clone() }).await?;
            }
        }
        Ok(())
    })
}

fn orders_and_limits_reach_into_every_series(bench: &TierBench) -> CaseResult {
    for_every_predicate(bench, async |tier, segments, handles, predicate| {
        let plain = plain_scan(&segments[0].schema, handles);
        for column in plain.projection.clone() {
            for (descending, nulls_first, limit) in
                [(false, false, 3), (true, true, 40), (true, false, 301), (false, true, 1_000)]
            {
                let request = ScanRequest {
                    predicate: Some(predicate.clone()),
                    order: vec![SortKey { column, descending, nulls_first }],
                    limit: Some(limit),
                    ..plain.clone()
                };
                ensure_scan(tier, segments, &request).await?;
            }
        }
        Ok(())
    })
}

fn aggregates_take_in_every_series(bench: &TierBench) -> CaseResult {
    for_every_predicate(bench, async |tier, segments, handles, predicate| {
        let columns = segments[0].schema.columns();
        let of = |function| Aggregate { function, column: Some(columns[2].id) };
        let aggregates =
            [Function::Count, Function::Sum, Function::Min, Function::First, Function::Last].map(of);
        for group_by in [vec![], vec![columns[0].id], vec![columns[3].id]] {
            let plan = AggregatePlan { group_by, bucket: None, aggregates: aggregates.to_vec() };
            ensure_aggregate(tier, segments, handles, Some(predicate.clone()), &plan).await?;
        }
        Ok(())
    })
}
