//! Aggregates against a map of rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, Float64Array, Int16Array, Int64Array, RecordBatch, UInt8Array, UInt64Array,
};
use arrow_buffer::BooleanBuffer;
use proptest::prelude::*;
use tsds_compute::sum::{ExactSum, average, to_f64};
use tsds_compute::{Aggregator, Bucketer, SegmentPosition, result_schema};
use tsds_traits::{
    Aggregate, AggregatePlan, ColumnId, ErrorKind, Function, Result, TableSchema, TimeBucket, Value,
};

use crate::common::*;

/// Some rows of one segment, in batches.
#[derive(Clone, Debug)]
struct Piece {
    rows: Vec<Row>,
    keep: Vec<bool>,
    masked: bool,
    layout: Layout,
    sequence: u64,
}

fn piece() -> impl Strategy<Value = Piece> {
    let parts =
        (rows(&schema(), 0..25), prop::collection::vec(any::<bool>(), 25), any::<bool>(), layout(), 1u64..4);
    parts.prop_map(|(rows, mut keep, masked, layout, sequence)| {
        keep.truncate(rows.len());
        if !masked {
            keep.fill(true);
        }
        Piece { rows, keep, masked, layout, sequence }
    })
}

fn plan() -> impl Strategy<Value = AggregatePlan> {
    let groups = prop::sample::subsequence(vec![HOST, ZONE, NOTE, LOAD, ALIVE, MESSAGE], 0..4).prop_shuffle();
    let bucket = prop::option::of(prop_oneof![
        (1i64..3_000, any::<prop::sample::Index>()).prop_map(|(width, origin)| TimeBucket::Units {
            width,
            origin: origin.index(width as usize) as i64
        }),
        Just(TimeBucket::Months { width: 1, origin: 0 }),
    ]);
    let number = prop::sample::select(vec![LOAD, ZONE, HEAT, COUNT, LEVEL, TOTAL]);
    let any_column = prop::sample::select(ids(&schema()));
    let aggregate = prop_oneof![
        Just(Aggregate { function: Function::Count, column: None }),
        (prop::sample::select(vec![Function::Sum, Function::Avg]), number)
            .prop_map(|(function, column)| Aggregate { function, column: Some(column) }),
        (
            prop::sample::select(vec![
                Function::Count,
                Function::Min,
                Function::Max,
                Function::First,
                Function::Last
            ]),
            any_column
        )
            .prop_map(|(function, column)| Aggregate { function, column: Some(column) }),
    ];
    (groups, bucket, prop::collection::vec(aggregate, 0..6))
        .prop_map(|(group_by, bucket, aggregates)| AggregatePlan { group_by, bucket, aggregates })
}

/// A row with its place in the order of arrival.
type Placed = (u64, u64, Row);

fn naive(schema: &TableSchema, plan: &AggregatePlan, rows: &[Placed]) -> Option<Vec<Row>> {
    let cell = |row: &Row, id: ColumnId| row[schema.index_of(id).unwrap()].clone();
    let bucketer = plan.bucket.map(|bucket| Bucketer::new(bucket, schema.time_unit()).unwrap());
    let mut groups: BTreeMap<Vec<Option<Value>>, Vec<&Placed>> = BTreeMap::new();
    for placed in rows {
        let mut key: Vec<Option<Value>> = plan.group_by.iter().map(|id| cell(&placed.2, *id)).collect();
        if let (Some(bucketer), Some(Value::Int(time))) = (&bucketer, cell(&placed.2, TIME)) {
            key.push(Some(Value::Int(bucketer.span_of(time).start)));
        }
        groups.entry(key).or_default().push(placed);
    }
    if plan.group_by.is_empty() && bucketer.is_none() {
        groups.entry(vec![]).or_default();
    }
    groups
        .into_iter()
        .map(|(mut result, rows)| {
            for aggregate in &plan.aggregates {
                result.push(naive_aggregate(schema, aggregate, &rows)?);
            }
            Some(result)
        })
        .collect()
}

/// `None` for a sum that does not fit.
fn naive_aggregate(schema: &TableSchema, aggregate: &Aggregate, rows: &[&Placed]) -> Option<Option<Value>> {
    let Some(id) = aggregate.column else { return Some(Some(Value::UInt(rows.len() as u64))) };
    let column = schema.index_of(id).unwrap();
    let present: Vec<&&Placed> = rows.iter().filter(|(_, _, row)| row[column].is_some()).collect();
    let values = || present.iter().filter_map(|(_, _, row)| row[column].clone());
    let place = |placed: &&&&Placed| {
        let series = storage_columns(schema).into_iter().map(|index| placed.2[index].clone());
        (placed.2[schema.time_index()].clone(), series.collect::<Vec<_>>(), placed.0, placed.1)
    };
    Some(match aggregate.function {
        Function::Count => Some(Value::UInt(present.len() as u64)),
        Function::Min => values().min(),
        Function::Max => values().max(),
        Function::First => present.iter().min_by_key(place).and_then(|placed| placed.2[column].clone()),
        Function::Last => present.iter().max_by_key(place).and_then(|placed| placed.2[column].clone()),
        _ if present.is_empty() => None,
        function => {
            let mut exact = ExactSum::new();
            let mut integer = 0i128;
            let mut class = None;
            for value in values() {
                class = Some(value.class());
                match value {
                    Value::Int(value) => {
                        integer += i128::from(value);
                        exact.add_signed(&[value]);
                    }
                    Value::UInt(value) => {
                        integer += i128::from(value);
                        exact.add_unsigned(&[value]);
                    }
                    Value::F32(value) => exact.add_f32s(&[value]),
                    Value::F64(value) => exact.add_f64(value),
                    other => panic!("no sum of {other:?}"),
                }
            }
            let state = exact.state().unwrap();
            match (function, class) {
                (Function::Avg, _) => average(&state, present.len() as u64).map(Value::F64),
                (_, Some(tsds_traits::ValueClass::Int)) => Some(Value::Int(i64::try_from(integer).ok()?)),
                (_, Some(tsds_traits::ValueClass::UInt)) => Some(Value::UInt(u64::try_from(integer).ok()?)),
                _ => Some(Value::F64(to_f64(&state))),
            }
        }
    })
}

fn storage_columns(schema: &TableSchema) -> Vec<usize> {
    schema.series_indices().to_vec()
}

fn names(plan: &AggregatePlan) -> Vec<String> {
    let columns = plan.group_by.len() + usize::from(plan.bucket.is_some()) + plan.aggregates.len();
    (0..columns).map(|n| format!("c{n}")).collect()
}

fn aggregator(schema: &Arc<TableSchema>, plan: &AggregatePlan) -> Aggregator {
    Aggregator::new(schema.clone(), plan.clone()).unwrap()
}

fn feed(aggregator: &mut Aggregator, schema: &TableSchema, piece: &Piece, first_row: u64) -> Result<()> {
    let mask = BooleanBuffer::from_iter(piece.keep.iter().copied());
    let position = SegmentPosition { sequence: piece.sequence, first_row };
    let mask = piece.masked.then_some(&mask);
    aggregator.update(&ids(schema), &batch(schema, &piece.rows, &piece.layout), position, mask)
}

fn check(schema: &TableSchema, plan: &AggregatePlan, expected: &Option<Vec<Row>>, aggregator: Aggregator) {
    let names = names(plan);
    match (aggregator.finish(&names), expected) {
        (Err(error), None) => assert_eq!(error.kind(), ErrorKind::InvalidInput),
        (Ok(batches), Some(expected)) => {
            let result = result_schema(schema, plan, &names).unwrap();
            assert!(batches.iter().all(|batch| batch.schema() == result));
            // Values compare by bits: NaN payloads and signs of zero count.
            assert_eq!(&batches.iter().flat_map(rows_of).collect::<Vec<_>>(), expected);
        }
        (got, expected) => panic!("got {got:?}, expected {expected:?}"),
    }
}

proptest! {
    #[test]
    fn aggregates_are_those_of_the_rows_however_they_are_cut(
        mut pieces in prop::collection::vec(piece(), 0..5), plan in plan(), shuffle in any::<bool>(),
        sort in any::<bool>()) {
        let schema = schema();
        if sort {
            let keys = crate::naive::storage_keys(&schema);
            for piece in &mut pieces {
                piece.rows.sort_by(|a, b| crate::naive::compare_rows(&schema, &keys, a, b));
            }
        }
        // Pieces of one segment go on numbering its rows.
        let mut next = BTreeMap::new();
        let mut placed: Vec<Placed> = Vec::new();
        let mut whole = aggregator(&schema, &plan);
        let mut states: Vec<RecordBatch> = Vec::new();
        for piece in &pieces {
            let first_row = next.entry(piece.sequence).or_insert(0u64);
            feed(&mut whole, &schema, piece, *first_row).unwrap();
            let mut part = aggregator(&schema, &plan);
            feed(&mut part, &schema, piece, *first_row).unwrap();
            states.extend(part.states().unwrap());
            for (index, (row, _)) in piece.rows.iter().zip(&piece.keep).enumerate().filter(|(_, (_, keep))| **keep) {
                placed.push((piece.sequence, *first_row + index as u64, row.clone()));
            }
            *first_row += piece.rows.len() as u64;
        }
        let expected = naive(&schema, &plan, &placed);
        if shuffle {
            states.reverse();
        }
        let state_schema = plan.state_schema(&schema).unwrap();
        let mut merged = aggregator(&schema, &plan);
        for batch in &states {
            prop_assert_eq!(&batch.schema(), &state_schema);
            merged.merge_states(batch).unwrap();
        }
        check(&schema, &plan, &expected, merged);
        check(&schema, &plan, &expected, whole);
    }
}

fn plan_of(group_by: Vec<ColumnId>, aggregates: &[(Function, Option<ColumnId>)]) -> AggregatePlan {
    let aggregates =
        aggregates.iter().map(|(function, column)| Aggregate { function: *function, column: *column });
    AggregatePlan { group_by, bucket: None, aggregates: aggregates.collect() }
}

fn row(set: &[(ColumnId, Value)]) -> Row {
    let mut row: Row = schema()
        .columns()
        .iter()
        .map(|column| match column.id {
            TIME => Some(Value::Int(0)),
            TOTAL => Some(Value::UInt(0)),
            _ => None,
        })
        .collect();
    set.iter().for_each(|(id, value)| row[schema().index_of(*id).unwrap()] = Some(value.clone()));
    row
}

fn finish(plan: &AggregatePlan, rows: &[Row]) -> Result<Vec<Row>> {
    let schema = schema();
    let mut aggregator = aggregator(&schema, plan);
    let position = SegmentPosition { sequence: 1, first_row: 0 };
    aggregator.update(&ids(&schema), &batch(&schema, rows, &PLAIN), position, None)?;
    Ok(aggregator.finish(&names(plan))?.iter().flat_map(rows_of).collect())
}

#[test]
fn no_rows_at_all_still_give_one_row_without_groups() {
    let plan = plan_of(
        vec![],
        &[(Function::Count, None), (Function::Sum, Some(COUNT)), (Function::First, Some(NOTE))],
    );
    assert_eq!(finish(&plan, &[]).unwrap(), [vec![Some(Value::UInt(0)), None, None]]);
    assert_eq!(
        finish(&AggregatePlan { group_by: vec![HOST], ..plan.clone() }, &[]).unwrap(),
        Vec::<Row>::new()
    );
    let schema = schema();
    assert!(aggregator(&schema, &plan).states().unwrap().is_empty());
}

#[test]
fn nan_payloads_and_zeros_of_both_signs_are_groups_of_their_own() {
    let plan = plan_of(vec![LOAD], &[(Function::Count, None)]);
    let odd = f64::from_bits(0xfff8_0000_0000_0007);
    let loads = [0.0, -0.0, f64::NAN, odd, odd, 0.0];
    let rows: Vec<Row> = loads.iter().map(|load| row(&[(LOAD, Value::F64(*load))])).collect();
    let expected = [(odd, 2), (-0.0, 1), (0.0, 2), (f64::NAN, 1)];
    let expected: Vec<Row> = expected
        .iter()
        .map(|(load, count)| vec![Some(Value::F64(*load)), Some(Value::UInt(*count))])
        .collect();
    assert_eq!(finish(&plan, &rows).unwrap(), expected);
}

#[test]
fn a_sum_of_integers_that_does_not_fit_is_refused_by_column() {
    let plan = plan_of(vec![], &[(Function::Sum, Some(COUNT))]);
    let rows = vec![row(&[(COUNT, Value::Int(i64::MAX))]), row(&[(COUNT, Value::Int(1))])];
    let error = finish(&plan, &rows).unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidInput && error.to_string().contains("column=count"), "{error}");
    // What leaves the range on the way may come back.
    let rows = [rows, vec![row(&[(COUNT, Value::Int(-1))])]].concat();
    assert_eq!(finish(&plan, &rows).unwrap(), [vec![Some(Value::Int(i64::MAX))]]);
}

#[test]
fn a_memory_limit_ends_in_a_named_error() {
    let schema = schema();
    let plan = plan_of(vec![TOTAL], &[(Function::Sum, Some(COUNT)), (Function::Last, Some(NOTE))]);
    let rows: Vec<Row> =
        (0..1_000).map(|n| row(&[(TOTAL, Value::UInt(n)), (COUNT, Value::Int(1))])).collect();
    let mut aggregator = Aggregator::new(schema.clone(), plan).unwrap().with_memory_limit(20_000);
    let position = SegmentPosition { sequence: 1, first_row: 0 };
    let few = batch(&schema, &rows[..10], &PLAIN);
    aggregator.update(&ids(&schema), &few, position, None).unwrap();
    let many = batch(&schema, &rows, &PLAIN);
    let error = aggregator.update(&ids(&schema), &many, position, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exhausted);
    assert!(error.to_string().contains("groups=1000"), "{error}");
}

#[test]
fn states_of_another_shape_are_refused() {
    let schema = schema();
    let plan = plan_of(vec![], &[(Function::Sum, Some(LOAD))]);
    let mut aggregator = aggregator(&schema, &plan);
    let other = RecordBatch::try_from_iter([("x", Arc::new(Float64Array::from(vec![1.0])) as _)]).unwrap();
    assert_eq!(aggregator.merge_states(&other).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_state_with_a_sum_that_is_not_canonical_is_corrupt() {
    let schema = schema();
    let plan = plan_of(vec![], &[(Function::Sum, Some(COUNT))]);
    let mut source = aggregator(&schema, &plan);
    let position = SegmentPosition { sequence: 1, first_row: 0 };
    let one = batch(&schema, &[row(&[(COUNT, Value::Int(1))])], &PLAIN);
    source.update(&ids(&schema), &one, position, None).unwrap();
    let state = source.states().unwrap().remove(0);
    let mut columns = state.columns().to_vec();
    columns[2] = Arc::new(UInt64Array::from(vec![2]));
    let forged = RecordBatch::try_new(state.schema(), columns).unwrap();
    assert_eq!(aggregator(&schema, &plan).merge_states(&forged).unwrap_err().kind(), ErrorKind::Corrupt);
    aggregator(&schema, &plan).merge_states(&state).unwrap();
}

#[test]
fn results_need_a_name_per_column() {
    let schema = schema();
    let plan = plan_of(vec![HOST], &[(Function::Count, None)]);
    assert!(aggregator(&schema, &plan).finish(&["host".into()]).is_err());
    let result = result_schema(&schema, &plan, &["host".into(), "rows".into()]).unwrap();
    assert_eq!(result.field(1).name(), "rows");
    assert!(result.field(0).is_nullable() && !result.field(1).is_nullable());
}

/// `docs/formats/sum-state.md` describes these columns.
#[test]
fn the_stored_form_is_frozen() {
    let schema = schema();
    let plan = plan_of(vec![TOTAL], &[(Function::Sum, Some(LOAD))]);
    let mut aggregator = aggregator(&schema, &plan);
    let large = 2f64.powi(200);
    let loads = [(0, 0.1), (0, 0.2), (1, -large), (1, 0.125), (2, f64::NEG_INFINITY)];
    let rows: Vec<Row> = loads
        .iter()
        .map(|(total, load)| row(&[(TOTAL, Value::UInt(*total)), (LOAD, Value::F64(*load))]))
        .collect();
    let position = SegmentPosition { sequence: 1, first_row: 0 };
    aggregator.update(&ids(&schema), &batch(&schema, &rows, &PLAIN), position, None).unwrap();
    let state = aggregator.states().unwrap().remove(0);
    let mut wide = vec![0; 26];
    (wide[0], wide[25]) = (0x01, 0xf8);
    let expected: [(&str, ArrayRef); 7] = [
        ("group.0", Arc::new(UInt64Array::from(vec![0, 1, 2]))),
        ("agg.0.count", Arc::new(UInt64Array::from(vec![2, 2, 1]))),
        ("agg.0.sum.flags", Arc::new(UInt8Array::from(vec![0, 0, 4]))),
        ("agg.0.sum.low", Arc::new(UInt64Array::from(vec![0x0026_6666_6666_6667, 0, 0]))),
        ("agg.0.sum.high", Arc::new(Int64Array::from(vec![0, 0, 0]))),
        ("agg.0.sum.exponent", Arc::new(Int16Array::from(vec![-55, -3, 0]))),
        ("agg.0.sum.wide", Arc::new(BinaryArray::from(vec![None, Some(wide.as_slice()), None]))),
    ];
    assert_eq!(state.num_columns(), expected.len());
    for (name, array) in expected {
        assert_eq!(state.column_by_name(name).unwrap(), &array, "{name}");
    }
}
