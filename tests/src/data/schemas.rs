//! Schemas: one that every tier must take, one with every type, and any.

use std::sync::Arc;

use arrow_schema::{DataType, TimeUnit};
use proptest::prelude::*;
use tsds_traits::{Column, ColumnId, SchemaVersion, TableId, TableSchema};

use super::edges::{narrow_types, stored_types};
use crate::{CaseResult, Failure};

/// A column as it is asked for.
#[derive(Clone, Debug)]
pub struct ColumnSpec {
    /// The name.
    pub name: String,
    /// The type.
    pub data_type: DataType,
    /// Whether it may be null.
    pub nullable: bool,
}

fn spec(name: &str, data_type: DataType, nullable: bool) -> ColumnSpec {
    ColumnSpec { name: name.into(), data_type, nullable }
}

/// A schema of these columns. Column ids are neither positions nor in the order of positions, so that whoever confuses
/// them fails.
///
/// # Errors
///
/// A failure if the traits refuse the schema.
pub fn schema(specs: &[ColumnSpec], time: usize, series: &[usize]) -> CaseResult<Arc<TableSchema>> {
    schema_of(TableId(7), specs, time, series)
}

fn schema_of(
    table: TableId,
    specs: &[ColumnSpec],
    time: usize,
    series: &[usize],
) -> CaseResult<Arc<TableSchema>> {
    let id = |index: usize| ColumnId(1_000 - 7 * index as u32);
    let columns = specs.iter().enumerate().map(|(index, spec)| Column {
        id: id(index),
        name: spec.name.clone(),
        data_type: spec.data_type.clone(),
        nullable: spec.nullable && index != time,
    });
    let series: Vec<ColumnId> = series.iter().map(|index| id(*index)).collect();
    let schema = TableSchema::new(table, SchemaVersion(1), columns.collect(), id(time), &series)
        .map_err(|error| Failure::from(error).during("generating a schema"))?;
    Ok(Arc::new(schema))
}

/// A table as everybody has one: host (series), time, value, count. No tier may decline it.
///
/// # Errors
///
/// As [`schema`].
pub fn sensors() -> CaseResult<Arc<TableSchema>> {
    let columns = [
        spec("host", DataType::Utf8, false),
        spec("time", DataType::Timestamp(TimeUnit::Microsecond, None), false),
        spec("value", DataType::Float64, true),
        spec("count", DataType::Int64, true),
    ];
    schema(&columns, 1, &[0])
}

/// The narrowest table: time and an integer. No tier may decline it.
///
/// # Errors
///
/// As [`schema`].
pub fn readings() -> CaseResult<Arc<TableSchema>> {
    let columns = [
        spec("time", DataType::Timestamp(TimeUnit::Microsecond, None), false),
        spec("reading", DataType::Int64, false),
    ];
    schema(&columns, 0, &[])
}

/// A table with a nullable column of every type that devices hold, and two series columns.
///
/// # Errors
///
/// As [`schema`].
pub fn every_type() -> CaseResult<Arc<TableSchema>> {
    let text = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let mut columns = vec![
        spec("time", DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())), false),
        spec("site", text, true),
        spec("unit", DataType::Int32, true),
    ];
    let values = narrow_types();
    columns.extend(
        values
            .into_iter()
            .enumerate()
            .map(|(index, data_type)| spec(&format!("value {index} of {data_type}"), data_type, true)),
    );
    schema(&columns, 0, &[1, 2])
}

/// A table for each stored type: time, a series column, and a nullable column of the type. For tiers that decline [`every_type`], and
/// for the types that it lacks.
///
/// # Errors
///
/// As [`schema`].
pub fn each_type() -> CaseResult<Vec<Arc<TableSchema>>> {
    let of_type = |(number, data_type): (u32, DataType)| {
        let columns = [
            spec("unit", DataType::Int32, true),
            spec("value", data_type, true),
            spec("time", DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())), false),
        ];
        schema_of(TableId(number), &columns, 2, &[0])
    };
    (100..).zip(stored_types()).map(of_type).collect()
}

/// Any schema: a time column of any unit at any place, up to two series columns, up to four others.
pub fn any_schema() -> BoxedStrategy<Arc<TableSchema>> {
    any_schema_of(Vec::new())
}

/// As [`any_schema`], in which these types come more often. Types that not every tier holds come together, in one table of five.
pub fn any_schema_of(more: Vec<DataType>) -> BoxedStrategy<Arc<TableSchema>> {
    let with = |types: Vec<DataType>| any_schema_with(types.into_iter().chain(more.clone()).collect());
    prop_oneof![4 => with(narrow_types()), 1 => with(stored_types())].boxed()
}

fn any_schema_with(types: Vec<DataType>) -> BoxedStrategy<Arc<TableSchema>> {
    let units = [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond];
    let time = (proptest::sample::select(units.to_vec()), any::<bool>());
    let others = proptest::collection::vec((proptest::sample::select(types), any::<bool>()), 0..=6);
    (time, others, 0..=2usize, any::<proptest::sample::Index>())
        .prop_filter_map("the traits refuse the schema", |((unit, zoned), others, series, time_at)| {
            let zone = zoned.then(|| "UTC".into());
            let mut columns: Vec<ColumnSpec> = others
                .iter()
                .enumerate()
                .map(|(index, (data_type, nullable))| {
                    spec(NAMES[index % NAMES.len()], data_type.clone(), *nullable)
                })
                .collect();
            let time = time_at.index(columns.len() + 1);
            columns.insert(time, spec("time", DataType::Timestamp(unit, zone), false));
            // The last columns are the series columns, in reverse: position and rank differ.
            let candidates = (0..columns.len()).rev().filter(|index| *index != time);
            let series: Vec<usize> = candidates.take(series).collect();
            schema(&columns, time, &series).ok()
        })
        .boxed()
}

/// Names that users choose.
const NAMES: &[&str] = &["host", "value", "a.b", "Größe in m²", "select", "count(*)", "x y"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixed_schemas_are_valid() {
        assert_eq!(sensors().unwrap().series_indices(), [0]);
        assert_eq!(every_type().unwrap().columns().len(), 3 + narrow_types().len());
    }
}
