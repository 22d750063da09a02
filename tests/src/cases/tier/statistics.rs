//! What metadata says of a segment's values may save work and never hides a row: not a NaN, which no bound covers, not a
//! null, and not a value beside bounds that are loose.

use arrow_schema::{DataType, TimeUnit};
use tsds_traits::{
    Aggregate, AggregatePlan, ColumnId, Comparison, Function, Predicate, ScanRequest, SortKey, Value,
};

use super::aggregate::ensure_aggregate;
use super::bench::{TierBench, ensure_scan, offer_all, plain_scan, with_tier};
use crate::CaseResult;
use crate::case::{Case, cases};
use crate::claims::Claim;
use crate::data::schemas::{self, ColumnSpec};
use crate::data::segments::{Row, Segment, Statistics};
use crate::fixture::TierFixture;

pub(super) fn cases() -> Vec<Case<dyn TierFixture>> {
    cases![
        [claims Predicate] statistics_never_hide_a_row,
        [claims Order] statistics_never_change_an_order,
    ]
}

/// Columns whose bounds are one value, or two that lie close, with what bounds do not cover beside them.
fn columns() -> Vec<(DataType, Vec<Option<Value>>)> {
    let (float, single) = (|value| Some(Value::F64(value)), |value| Some(Value::F32(value)));
    vec![
        (DataType::Float64, vec![float(5.0), float(5.0), float(f64::NAN)]),
        (DataType::Float64, vec![float(-f64::NAN), None, None]),
        (DataType::Float64, vec![float(-0.0), float(-0.0), None]),
        (DataType::Float64, vec![float(0.0), float(-0.0), float(f64::INFINITY)]),
        (DataType::Float32, vec![single(f32::NAN), single(5.0), None]),
        (DataType::Int64, vec![Some(Value::Int(5)), Some(Value::Int(5)), None]),
        (DataType::Int64, vec![Some(Value::Int(i64::MAX)), Some(Value::Int(i64::MIN)), None]),
        (DataType::Int64, vec![None, None, None]),
        (DataType::UInt64, vec![Some(Value::UInt(u64::MAX)), Some(Value::UInt(u64::MAX)), None]),
        (DataType::Boolean, vec![Some(Value::Bool(true)), Some(Value::Bool(true)), None]),
        (DataType::Utf8, vec![Some(Value::Text("b".into())), Some(Value::Text("b\0".into())), None]),
        (DataType::Utf8, vec![Some(Value::Text(String::new())), None, None]),
    ]
}

/// Literals at, below, above and between what is there, of the column's class.
fn literals(data_type: &DataType) -> Vec<Value> {
    match data_type {
        DataType::Float64 => {
            [-0.0, 0.0, 4.9, 5.0, 5.1, f64::INFINITY, f64::NEG_INFINITY, f64::NAN].map(Value::F64).to_vec()
        }
        DataType::Float32 => [0.0, 4.9, 5.0, 5.1, f32::INFINITY, f32::NAN].map(Value::F32).to_vec(),
        DataType::Int64 => [i64::MIN, 4, 5, 6, i64::MAX].map(Value::Int).to_vec(),
        DataType::UInt64 => [0, u64::MAX - 1, u64::MAX].map(Value::UInt).to_vec(),
        DataType::Boolean => [false, true].map(Value::Bool).to_vec(),
        _ => ["", "a", "b", "b\0", "c"].map(|text| Value::Text(text.into())).to_vec(),
    }
}

/// Everything that asks for one column, and its negation.
fn predicates(column: ColumnId, data_type: &DataType) -> Vec<Predicate> {
    let literals = literals(data_type);
    let compare = |comparison, value: &Value| Predicate::Compare { column, comparison, value: value.clone() };
    let mut all = vec![Predicate::IsNull(column), Predicate::IsNan(column)];
    for value in &literals {
        all.extend(Comparison::ALL.map(|comparison| compare(comparison, value)));
        all.push(Predicate::In { column, values: vec![value.clone()], has_null: false });
        // Half-open, closed and empty ranges.
        for upper in &literals {
            let lower = compare(Comparison::GreaterOrEqual, value);
            all.push(Predicate::And(vec![lower.clone(), compare(Comparison::Less, upper)]));
            all.push(Predicate::And(vec![lower, compare(Comparison::LessOrEqual, upper)]));
        }
    }
    let negated: Vec<Predicate> =
        all.iter().map(|predicate| Predicate::Not(Box::new(predicate.clone()))).collect();
    all.extend(negated);
    all
}

fn statistics_never_hide_a_row(bench: &TierBench) -> CaseResult {
    for_all_statistics(|segment| no_row_is_hidden(bench, segment))
}

fn statistics_never_change_an_order(bench: &TierBench) -> CaseResult {
    for_all_statistics(|segment| {
        let column = segment.schema.columns()[1].id;
        let segments = [segment.clone()];
        with_tier(bench, async |tier| {
            let (taken, handles) = offer_all(&tier, &segments).await?;
            for (descending, nulls_first) in [(false, false), (false, true), (true, false), (true, true)] {
                let order = vec![SortKey { column, descending, nulls_first }];
                let request = ScanRequest { order, ..plain_scan(&segments[0].schema, &handles) };
                ensure_scan(&tier, &taken, &request).await?;
            }
            Ok(())
        })
    })
}

/// Calls `check` with a segment for each kind of column and statistics.
fn for_all_statistics(check: impl Fn(&Segment) -> CaseResult) -> CaseResult {
    for (data_type, values) in columns() {
        for statistics in [Statistics::Exact, Statistics::Loose, Statistics::Missing] {
            let checked = check(&segment(&data_type, &values)?.with_statistics(statistics));
            checked.map_err(|failure| failure.during(format!("{statistics:?} statistics of {values:?}")))?;
        }
    }
    Ok(())
}

/// Rows with these values, one after the other.
fn segment(data_type: &DataType, values: &[Option<Value>]) -> CaseResult<Segment> {
    let time = DataType::Timestamp(TimeUnit::Microsecond, None);
    let spec = |name: &str, data_type, nullable| ColumnSpec { name: name.into(), data_type, nullable };
    let schema =
        schemas::schema(&[spec("time", time, false), spec("value", data_type.clone(), true)], 0, &[])?;
    let row =
        |(row, value): (usize, &Option<Value>)| -> Row { vec![Some(Value::Int(row as i64)), value.clone()] };
    let rows = values.iter().enumerate().map(row).collect();
    Ok(Segment::new(&schema, 1, 0, rows))
}

fn no_row_is_hidden(bench: &TierBench, segment: &Segment) -> CaseResult {
    let (schema, segments) = (segment.schema.clone(), [segment.clone()]);
    let (column, data_type) = (schema.columns()[1].id, &schema.columns()[1].data_type);
    with_tier(bench, async |tier| {
        let (taken, handles) = offer_all(&tier, &segments).await?;
        for predicate in predicates(column, data_type) {
            let request = ScanRequest { predicate: Some(predicate.clone()), ..plain_scan(&schema, &handles) };
            let scanned = ensure_scan(&tier, &taken, &request).await;
            scanned.map_err(|failure| failure.during(format!("{predicate:?}")))?;
            if bench.claims.has(Claim::Aggregate) {
                let plan = count(column);
                let counted = ensure_aggregate(&tier, &taken, &handles, Some(predicate.clone()), &plan).await;
                counted.map_err(|failure| failure.during(format!("counting {predicate:?}")))?;
            }
        }
        Ok(())
    })
}

fn count(column: ColumnId) -> AggregatePlan {
    let aggregates = [None, Some(column)].map(|column| Aggregate { function: Function::Count, column });
    AggregatePlan { group_by: vec![], bucket: None, aggregates: aggregates.to_vec() }
}
