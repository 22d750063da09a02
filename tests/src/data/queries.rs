//! Predicates, orders and aggregates over any schema.

use std::sync::Arc;

use proptest::prelude::*;
use tsds_traits::{
    Aggregate, AggregatePlan, Column, ColumnId, Comparison, Function, Predicate, SortKey, TableSchema,
    TimeBucket, Value, ValueClass, integer_form, units_per_second,
};

use super::arrays::value_of;
use super::edges;

/// Literals of a column: what its cells are drawn from.
fn literals(column: &Column) -> BoxedStrategy<Value> {
    let data_type = column.data_type.clone();
    edges::cells(&column.data_type)
        .prop_filter_map("no literal", move |cell| value_of(&data_type, &cell))
        .boxed()
}

/// Comparisons, lists and tests on one column.
pub fn tests_of(column: &Column) -> BoxedStrategy<Predicate> {
    let id = column.id;
    let list = proptest::collection::vec(literals(column), 0..5);
    prop_oneof![
        6 => (proptest::sample::select(Comparison::ALL.to_vec()), literals(column))
            .prop_map(move |(comparison, value)| Predicate::Compare { column: id, comparison, value }),
        2 => (list, any::<bool>())
            .prop_map(move |(values, has_null)| Predicate::In { column: id, values, has_null }),
        1 => Just(Predicate::IsNull(id)),
        1 => Just(Predicate::IsNan(id)),
    ]
    .boxed()
}

fn any_column(schema: &TableSchema) -> BoxedStrategy<Column> {
    proptest::sample::select(schema.columns().to_vec()).boxed()
}

/// Any predicate on a schema, nested up to three levels.
pub fn predicates(schema: &Arc<TableSchema>) -> BoxedStrategy<Predicate> {
    let leaf = prop_oneof![
        8 => any_column(schema).prop_flat_map(|column| tests_of(&column)),
        1 => any::<Option<bool>>().prop_map(Predicate::Constant),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Predicate::And),
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Predicate::Or),
            inner.prop_map(|inner| Predicate::Not(Box::new(inner))),
        ]
    })
    .boxed()
}

/// Orders by one to three distinct columns.
pub fn orders(schema: &Arc<TableSchema>) -> BoxedStrategy<Vec<SortKey>> {
    let columns: Vec<ColumnId> = schema.columns().iter().map(|column| column.id).collect();
    let at_most = columns.len().min(3);
    let keys = proptest::sample::subsequence(columns, 1..=at_most).prop_shuffle();
    (keys, proptest::collection::vec((any::<bool>(), any::<bool>()), 3))
        .prop_map(|(columns, flags)| {
            let key = |(column, (descending, nulls_first))| SortKey { column, descending, nulls_first };
            columns.into_iter().zip(flags).map(key).collect()
        })
        .boxed()
}

/// Projections: any columns in any order, none twice; none at all now and then.
pub fn projections(schema: &Arc<TableSchema>) -> BoxedStrategy<Vec<ColumnId>> {
    let columns: Vec<ColumnId> = schema.columns().iter().map(|column| column.id).collect();
    let all = columns.len();
    proptest::sample::subsequence(columns, 0..=all).prop_shuffle().boxed()
}

/// The limits at which implementations break, for `rows` rows; `None` for no limit.
pub fn limits(rows: u64) -> BoxedStrategy<Option<u64>> {
    let edges = [0, 1, 2, rows.saturating_sub(1), rows, rows + 1, u64::MAX];
    prop_oneof![
        1 => Just(None),
        3 => proptest::sample::select(edges.to_vec()).prop_map(Some),
        2 => (0..=rows).prop_map(Some),
    ]
    .boxed()
}

/// Whether a column can be summed.
pub fn is_number(column: &Column) -> bool {
    let is_temporal = integer_form(&column.data_type).is_some();
    let is_duration = matches!(column.data_type, arrow_schema::DataType::Duration(_));
    (!is_temporal || is_duration)
        && matches!(
            ValueClass::of(&column.data_type),
            Some(
                ValueClass::Int | ValueClass::UInt | ValueClass::F32 | ValueClass::F64 | ValueClass::Decimal
            )
        )
}

/// The functions that a column has.
pub fn functions_of(column: &Column) -> Vec<Function> {
    let mut functions = vec![Function::Count, Function::Min, Function::Max, Function::First, Function::Last];
    if is_number(column) {
        functions.extend([Function::Sum, Function::Avg]);
    }
    functions
}

fn aggregates(schema: &Arc<TableSchema>) -> BoxedStrategy<Aggregate> {
    let of_column = any_column(schema).prop_flat_map(|column| {
        let id = column.id;
        proptest::sample::select(functions_of(&column))
            .prop_map(move |function| Aggregate { function, column: Some(id) })
    });
    prop_oneof![6 => of_column, 1 => Just(Aggregate { function: Function::Count, column: None })].boxed()
}

/// Buckets of a schema: units, seconds to years, and calendar months, with any origin.
pub fn buckets(schema: &Arc<TableSchema>) -> BoxedStrategy<TimeBucket> {
    let per_second = units_per_second(schema.time_unit());
    let seconds = proptest::sample::select(vec![1i64, 7, 60, 3_600, 86_400, 604_800, 31_536_000]);
    let widths = prop_oneof![3 => seconds.prop_map(move |seconds| seconds * per_second), 1 => 1..1_000i64];
    let months = proptest::sample::select(vec![1u32, 2, 3, 12, 120, 12_000]);
    let at = any::<Option<proptest::sample::Index>>;
    prop_oneof![
        2 => (widths, at()).prop_map(|(width, at)| TimeBucket::Units {
            width,
            origin: at.map_or(0, |at| at.index(width as usize) as i64),
        }),
        1 => (months, at()).prop_map(|(width, at)| TimeBucket::Months {
            width,
            origin: at.map_or(0, |at| at.index(width as usize) as u32),
        }),
    ]
    .boxed()
}

/// Any plan on a schema.
pub fn plans(schema: &Arc<TableSchema>) -> BoxedStrategy<AggregatePlan> {
    let columns: Vec<ColumnId> = schema.columns().iter().map(|column| column.id).collect();
    let at_most = columns.len().min(2);
    let group_by = proptest::sample::subsequence(columns, 0..=at_most).prop_shuffle();
    let bucket = proptest::option::of(buckets(schema));
    let aggregates = proptest::collection::vec(aggregates(schema), 1..5);
    (group_by, bucket, aggregates)
        .prop_map(|(group_by, bucket, aggregates)| AggregatePlan { group_by, bucket, aggregates })
        .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::schemas;

    #[test]
    fn generated_plans_are_valid() {
        let strategy = schemas::any_schema().prop_flat_map(|schema| {
            let plan = plans(&schema);
            (Just(schema), plan)
        });
        crate::property::for_all(1, 100, &strategy, |(schema, plan)| Ok(plan.validate(&schema)?)).unwrap();
    }
}
