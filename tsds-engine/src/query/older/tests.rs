//! Whatever is asked of rows as they were, the answer is that of the same rows as they are now.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, Int8Array, RecordBatch, TimestampMillisecondArray, UInt16Array};
use arrow_schema::{DataType, TimeUnit};
use proptest::prelude::*;
use tsds_compute::{Aggregator, CompiledPredicate, SegmentPosition};
use tsds_traits::{Comparison, SchemaVersion, TableId};

use super::*;

const TIME: ColumnId = ColumnId(1);
const TINY: ColumnId = ColumnId(2);
const SMALL: ColumnId = ColumnId(3);
const FLOAT: ColumnId = ColumnId(4);
const NUMBER: ColumnId = ColumnId(5);
const TEXT: ColumnId = ColumnId(6);

fn schema(version: u32, columns: &[(ColumnId, &str, DataType)]) -> Arc<TableSchema> {
    let columns = columns.iter().map(|(id, name, data_type)| Column {
        id: *id,
        name: (*name).into(),
        data_type: data_type.clone(),
        nullable: *id != TIME,
    });
    Arc::new(TableSchema::new(TableId(1), SchemaVersion(version), columns.collect(), TIME, &[SMALL]).unwrap())
}

fn upgrade() -> Upgrade {
    let time = || DataType::Timestamp(TimeUnit::Millisecond, None);
    let old = schema(
        1,
        &[
            (TIME, "time", time()),
            (TINY, "tiny", DataType::Int8),
            (SMALL, "small", DataType::UInt16),
            (FLOAT, "float", DataType::Float32),
        ],
    );
    let new = schema(
        3,
        &[
            (TIME, "at", time()),
            (TINY, "wide", DataType::Int64),
            (SMALL, "large", DataType::Int32),
            (FLOAT, "double", DataType::Float64),
            (NUMBER, "number", DataType::Float64),
            (TEXT, "text", DataType::Utf8),
        ],
    );
    Upgrade::new(&old, &new)
}

fn folded(predicate: &Predicate) -> Predicate {
    fold(predicate, &upgrade()).unwrap()
}

fn compare(column: ColumnId, comparison: Comparison, value: Value) -> Predicate {
    Predicate::Compare { column, comparison, value }
}

#[test]
fn what_is_asked_of_an_absent_column_is_null_but_whether_it_is_null() {
    let unknown = Predicate::Constant(None);
    let equal = compare(NUMBER, Comparison::Equal, Value::F64(1.0));
    assert_eq!(folded(&equal), unknown);
    assert_eq!(folded(&Predicate::Not(Box::new(equal.clone()))), unknown);
    assert_eq!(folded(&Predicate::IsNan(NUMBER)), unknown);
    assert_eq!(folded(&Predicate::IsNull(NUMBER)), Predicate::Constant(Some(true)));
    let of = |values: &[f64], has_null| Predicate::In {
        column: NUMBER,
        values: values.iter().map(|value| Value::F64(*value)).collect(),
        has_null,
    };
    assert_eq!(folded(&of(&[1.0], false)), unknown);
    assert_eq!(folded(&of(&[], true)), unknown);
    assert_eq!(folded(&of(&[], false)), Predicate::Constant(Some(false)));
}

#[test]
fn a_condition_on_an_absent_column_leaves_the_other_conditions() {
    let equal = compare(TEXT, Comparison::Equal, Value::Text("a".into()));
    let tiny = compare(TINY, Comparison::Less, Value::Int(300));
    let missing = Predicate::IsNull(TEXT);
    assert_eq!(folded(&Predicate::And(vec![missing.clone(), tiny.clone()])), tiny);
    assert_eq!(
        folded(&Predicate::Or(vec![equal.clone(), tiny.clone()])),
        Predicate::Or(vec![Predicate::Constant(None), tiny.clone()])
    );
    assert_eq!(folded(&Predicate::Or(vec![missing, tiny])), Predicate::Constant(Some(true)));
    assert!(View::new(upgrade(), Some(&equal), &[], None).unwrap().is_never());
}

#[test]
fn literals_of_a_wider_float_move_to_neighbours_that_the_narrower_one_has() {
    let above = if f64::from(0.1f32) > 0.1 { 0.1f32 } else { 0.1f32.next_up() };
    assert_eq!(
        folded(&compare(FLOAT, Comparison::Greater, Value::F64(0.1))),
        compare(FLOAT, Comparison::GreaterOrEqual, Value::F32(above))
    );
    let never = compare(FLOAT, Comparison::Less, Value::F32(f32::NEG_INFINITY));
    assert_eq!(folded(&compare(FLOAT, Comparison::Equal, Value::F64(0.1))), never);
    assert_eq!(
        folded(&compare(FLOAT, Comparison::NotEqual, Value::F64(1e300))),
        Predicate::Not(Box::new(never))
    );
}

#[test]
fn sorting_by_an_absent_column_leaves_what_breaks_ties() {
    let key = |column, descending| SortKey { column, descending, nulls_first: false };
    let ties = [SMALL, TIME].map(|column| SortKey { column, descending: false, nulls_first: true });
    assert_eq!(order_of(&upgrade(), &[key(NUMBER, true)]), ties);
    assert_eq!(order_of(&upgrade(), &[key(NUMBER, true), key(TINY, true)]), [key(TINY, true)]);
    assert_eq!(order_of(&upgrade(), &[]), []);
}

/// One row of the older version.
type Row = (i64, Option<i8>, Option<u16>, Option<f32>);

fn batch(rows: &[Row]) -> RecordBatch {
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.0))),
        Arc::new(rows.iter().map(|row| row.1).collect::<Int8Array>()),
        Arc::new(rows.iter().map(|row| row.2).collect::<UInt16Array>()),
        Arc::new(rows.iter().map(|row| row.3).collect::<Float32Array>()),
    ];
    RecordBatch::try_new(Arc::clone(upgrade().old().arrow()), arrays).unwrap()
}

fn ids(schema: &TableSchema) -> Vec<ColumnId> {
    schema.columns().iter().map(|column| column.id).collect()
}

fn some_float() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => (-3i8..3).prop_map(|value| f32::from(value) / 10.0),
        1 => prop::sample::select(vec![-0.0, f32::MAX, f32::MIN_POSITIVE, f32::INFINITY, f32::NEG_INFINITY]),
        1 => prop::sample::select(vec![0x7fc0_0000u32, 0x7f80_0001, 0xffc0_1234]).prop_map(f32::from_bits),
    ]
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (
        -20i64..20,
        prop::option::of(prop_oneof![-3i8..3, Just(i8::MIN), Just(i8::MAX)]),
        prop::option::of(prop_oneof![0u16..4, Just(u16::MAX)]),
        prop::option::of(some_float()),
    );
    prop::collection::vec(row, 0..40)
}

/// Literals at, between and beyond the values of the older types.
fn wide_float() -> impl Strategy<Value = f64> {
    prop_oneof![
        some_float().prop_map(f64::from),
        (-30i32..30).prop_map(|value| f64::from(value) / 100.0),
        prop::sample::select(vec![0.1, 1e300, -1e300, f64::MAX, 5e-324, f64::NAN, -0.0, 3.4028236e38]),
    ]
}

fn wide_int() -> impl Strategy<Value = i64> {
    prop_oneof![-4i64..4, prop::sample::select(vec![127, 128, -128, -129, 300, 65_535, 65_536, -1])]
}

fn leaf() -> impl Strategy<Value = Predicate> {
    let comparison = || prop::sample::select(Comparison::ALL.to_vec());
    let integers = || prop::sample::select(vec![TINY, SMALL]);
    let floats = || prop::sample::select(vec![FLOAT, NUMBER]);
    let bits = |value: i64, column| if column == SMALL { value.clamp(-70_000, 70_000) } else { value };
    prop_oneof![
        (integers(), comparison(), wide_int()).prop_map(move |(column, comparison, value)| compare(
            column,
            comparison,
            Value::Int(bits(value, column))
        )),
        (floats(), comparison(), wide_float()).prop_map(|(column, comparison, value)| compare(
            column,
            comparison,
            Value::F64(value)
        )),
        (integers(), prop::collection::vec(wide_int(), 0..4), any::<bool>()).prop_map(
            |(column, values, has_null)| Predicate::In {
                column,
                values: values.into_iter().map(Value::Int).collect(),
                has_null,
            }
        ),
        (floats(), prop::collection::vec(wide_float(), 0..4), any::<bool>()).prop_map(
            |(column, values, has_null)| Predicate::In {
                column,
                values: values.into_iter().map(Value::F64).collect(),
                has_null,
            }
        ),
        prop::sample::select(vec![TINY, SMALL, FLOAT, NUMBER, TEXT]).prop_map(Predicate::IsNull),
        prop::sample::select(vec![TINY, FLOAT, NUMBER]).prop_map(Predicate::IsNan),
        prop::option::of(any::<bool>()).prop_map(Predicate::Constant),
        comparison().prop_map(|comparison| compare(TEXT, comparison, Value::Text("m".into()))),
    ]
}

fn predicate() -> impl Strategy<Value = Predicate> {
    leaf().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Predicate::And),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Predicate::Or),
            inner.prop_map(|inner| Predicate::Not(Box::new(inner))),
        ]
    })
}

fn aggregate_plan() -> impl Strategy<Value = AggregatePlan> {
    let functions = [
        Function::Count,
        Function::Sum,
        Function::Min,
        Function::Max,
        Function::Avg,
        Function::First,
        Function::Last,
    ];
    let number = prop::sample::select(vec![TINY, SMALL, FLOAT, NUMBER]);
    let aggregate = (prop::sample::select(functions.to_vec()), number)
        .prop_map(|(function, column)| Aggregate { function, column: Some(column) });
    let count = Just(Aggregate { function: Function::Count, column: None });
    let groups = prop::sample::subsequence(vec![TINY, SMALL, FLOAT, NUMBER, TEXT], 0..4).prop_shuffle();
    let width = prop::option::of(1i64..10);
    (groups, width, prop::collection::vec(prop_oneof![4 => aggregate, 1 => count], 0..5)).prop_map(
        |(group_by, width, aggregates)| AggregatePlan {
            group_by,
            bucket: width.map(|width| tsds_traits::TimeBucket::Units { width, origin: 0 }),
            aggregates,
        },
    )
}

/// The values of an array, by their bits.
fn bits(array: &ArrayRef) -> Vec<Option<String>> {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Float64Type;
    if let Some(floats) = array.as_primitive_opt::<Float64Type>() {
        return floats.iter().map(|value| value.map(|value| value.to_bits().to_string())).collect();
    }
    let text = arrow_cast::cast(array, &DataType::Utf8).unwrap();
    text.as_string::<i32>().iter().map(|value| value.map(str::to_owned)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_folded_predicate_is_true_of_the_same_rows(rows in rows(), predicate in predicate()) {
        let upgrade = upgrade();
        let old = batch(&rows);
        let new = upgrade.batch(&old).unwrap();
        let expected = CompiledPredicate::new(&predicate, upgrade.new_schema()).unwrap();
        let expected = expected.evaluate(&ids(upgrade.new_schema()), &new).unwrap();
        let folded = folded(&predicate);
        let found = CompiledPredicate::new(&folded, upgrade.old()).unwrap();
        let found = found.evaluate(&ids(upgrade.old()), &old).unwrap();
        prop_assert_eq!(&found, &expected, "{:?} became {:?}", predicate, folded);
        let view = View::new(upgrade, Some(&predicate), &[], None).unwrap();
        prop_assert!(!view.is_never() || expected.count_set_bits() == 0);
    }

    #[test]
    fn states_of_older_rows_give_the_results_of_the_rows_as_they_are_now(
        rows in rows(),
        newer in rows(),
        plan in aggregate_plan(),
    ) {
        prop_assume!(!(plan.group_by.is_empty() && plan.bucket.is_none() && plan.aggregates.is_empty()));
        let upgrade = upgrade();
        let (schema, all) = (upgrade.new_schema(), ids(upgrade.new_schema()));
        let (old, newer) = (batch(&rows), upgrade.batch(&batch(&newer)).unwrap());
        let names: Vec<String> = (0..10).map(|name| name.to_string()).collect();
        let names = &names[..plan.group_by.len() + usize::from(plan.bucket.is_some()) + plan.aggregates.len()];
        let at = |sequence| SegmentPosition { sequence, first_row: 0 };

        let mut expected = Aggregator::new(Arc::clone(schema), plan.clone()).unwrap();
        expected.update(&all, &upgrade.batch(&old).unwrap(), at(1), None).unwrap();
        expected.update(&all, &newer, at(2), None).unwrap();
        let expected = expected.finish(names).unwrap();

        let view = View::new(upgrade.clone(), None, &[], Some(&plan)).unwrap();
        let mut older = Aggregator::new(Arc::clone(upgrade.old()), view.plan().unwrap().clone()).unwrap();
        older.update(&ids(upgrade.old()), &old, at(1), None).unwrap();
        let mut found = Aggregator::new(Arc::clone(schema), plan.clone()).unwrap();
        found.update(&all, &newer, at(2), None).unwrap();
        for states in older.states().unwrap() {
            found.merge_states(&view.states(states).unwrap()).unwrap();
        }
        let found = found.finish(names).unwrap();
        prop_assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            prop_assert_eq!(found.schema(), expected.schema());
            for (found, expected) in found.columns().iter().zip(expected.columns()) {
                prop_assert_eq!(bits(found), bits(expected));
            }
        }
    }
}
