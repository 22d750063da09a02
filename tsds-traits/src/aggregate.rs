//! Aggregates as tiers answer them: mergeable, exact states.
//!
//! A tier folds the matching rows of its segments into *state batches*; the engine merges the states of all tiers and
//! turns them into results. States are exact, so that the answer does not depend on how rows are cut into batches,
//! segments and tiers.
//!
//! # The layout of a state batch
//!
//! Columns, in this order ([`AggregatePlan::state_schema`] builds the schema):
//!
//! | columns | type | present |
//! |---|---|---|
//! | `group.<i>` for each group column | the column's type | always |
//! | `bucket` | the time column's type | with a bucket |
//! | then for aggregate `<i>`: | | |
//! | `agg.<i>.count` | `UInt64`, not null | count, sum, avg |
//! | `agg.<i>.sum.flags`, `.low`, `.high`, `.exponent`, `.wide` | `UInt8`, `UInt64`, `Int64`, `Int16`, `Binary` | sum, avg: see [`crate::SumState`]; `high · 2^64 + low` is the mantissa |
//! | `agg.<i>.value` | the column's type, null if there was no value | min, max, first, last |
//! | `agg.<i>.time`, `agg.<i>.series.<j>`, `agg.<i>.sequence`, `agg.<i>.row` | the time column's type, the series columns' types, `UInt64`, `UInt64`; null if there was no value | first, last |
//!
//! `count` counts rows for `count(*)` and else the non-null values. `sequence` is the `upto` of the segment's interval and
//! `row` the row's number in the segment. A group may occur several times, in any order; groups without a matching row do
//! not occur, also where there is no group column at all.

use std::sync::Arc;

use arrow_schema::{DECIMAL128_MAX_PRECISION, DataType, Field, Schema, SchemaRef};

use crate::{ColumnId, Error, Result, TableSchema, ValueClass, integer_form, refuse_payload};

/// What is computed over the rows of a group.
///
/// Every function but `Count` without a column skips nulls, and gives null where nothing is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Function {
    /// The number of rows, or of non-null values of a column. `UInt64`, never null.
    Count,
    /// The exact sum of a column of numbers or durations, correctly rounded once: `Int64`, `UInt64` or `Float64`, of
    /// durations their own type, and of decimals `Decimal128(38, scale)`. A sum that does not fit is an error, but for floats.
    Sum,
    /// The smallest value in the total order of [`crate::Value`].
    Min,
    /// The largest value in the total order of [`crate::Value`].
    Max,
    /// The correctly rounded quotient of the exact sum and the count. `Float64`; of durations in the column's unit.
    Avg,
    /// The value of the first row by (time, series columns, arrival) whose value is not null.
    First,
    /// The value of the last row by (time, series columns, arrival) whose value is not null.
    Last,
}

/// One aggregate: a function over a column. `Count` alone may go without a column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Aggregate {
    /// What is computed.
    pub function: Function,
    /// Over which column; `None` only for `count(*)`.
    pub column: Option<ColumnId>,
}

/// Time buckets `[origin + k·width, origin + (k+1)·width)` for every integer `k`, floored, right on both sides of 1970.
/// A bucket is named by its start; the bucket that begins before the time type's range is named by the type's minimum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeBucket {
    /// Buckets of a fixed length.
    Units {
        /// The width in units of the time column; positive.
        width: i64,
        /// The start of a bucket in units of the time column since 1970, within `0..width`. Beware: `time - origin` can
        /// leave `i64`.
        origin: i64,
    },
    /// Buckets of calendar months in UTC.
    Months {
        /// The width in months; positive, at most 12,000.
        width: u32,
        /// The month in which a bucket starts, counted from January 1970, within `0..width`.
        origin: u32,
    },
}

/// What is grouped and computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AggregatePlan {
    /// Group columns, in output order. Grouping is by bits: NaN payloads and zeros of both signs are distinct, null is a
    /// group of its own.
    pub group_by: Vec<ColumnId>,
    /// Group by time bucket too.
    pub bucket: Option<TimeBucket>,
    /// What is computed, in output order.
    pub aggregates: Vec<Aggregate>,
}

impl AggregatePlan {
    /// Checks the plan against a schema.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for unknown or repeated group columns, a width that is not positive, a function without the column
    /// that it needs, and a sum or average of what is no number; `Unsupported` for payload that is grouped by, or of which anything but a
    /// count is asked.
    pub fn validate(&self, schema: &TableSchema) -> Result<()> {
        for (index, column) in self.group_by.iter().enumerate() {
            if schema.column(*column).is_none() || self.group_by[..index].contains(column) {
                return Err(
                    Error::invalid_input("group column is unknown or repeated").with("column", column)
                );
            }
            schema.column(*column).map_or(Ok(()), |column| refuse_payload(column, "a group"))?;
        }
        let possible = self.bucket.is_none_or(|bucket| match bucket {
            TimeBucket::Units { width, origin } => (0..width).contains(&origin),
            TimeBucket::Months { width, origin } => width <= 12_000 && origin < width,
        });
        if !possible {
            return Err(Error::invalid_input(
                "bucket width must be positive and its origin within the width",
            )
            .with("bucket", format!("{:?}", self.bucket)));
        }
        self.aggregates.iter().try_for_each(|aggregate| aggregate.validate(schema))
    }

    /// The schema of state batches; see the module's page.
    ///
    /// # Errors
    ///
    /// As [`AggregatePlan::validate`].
    pub fn state_schema(&self, schema: &TableSchema) -> Result<SchemaRef> {
        self.validate(schema)?;
        let type_of =
            |id: ColumnId| schema.column(id).map_or(DataType::Null, |column| column.data_type.clone());
        let time_type = &schema.time_column().data_type;
        let mut fields = Vec::new();
        for (index, column) in self.group_by.iter().enumerate() {
            fields.push(Field::new(format!("group.{index}"), type_of(*column), true));
        }
        if self.bucket.is_some() {
            fields.push(Field::new("bucket", time_type.clone(), false));
        }
        for (index, aggregate) in self.aggregates.iter().enumerate() {
            let mut push = |part: &str, data_type: DataType, nullable: bool| {
                fields.push(Field::new(format!("agg.{index}.{part}"), data_type, nullable));
            };
            match aggregate.function {
                Function::Count => push("count", DataType::UInt64, false),
                Function::Sum | Function::Avg => {
                    push("count", DataType::UInt64, false);
                    push("sum.flags", DataType::UInt8, false);
                    push("sum.low", DataType::UInt64, false);
                    push("sum.high", DataType::Int64, false);
                    push("sum.exponent", DataType::Int16, false);
                    push("sum.wide", DataType::Binary, true);
                }
                Function::Min | Function::Max => {
                    push("value", aggregate.column.map_or(DataType::Null, type_of), true);
                }
                Function::First | Function::Last => {
                    push("value", aggregate.column.map_or(DataType::Null, type_of), true);
                    push("time", time_type.clone(), true);
                    for (position, series) in schema.series_indices().iter().enumerate() {
                        let data_type = schema.columns()[*series].data_type.clone();
                        push(&format!("series.{position}"), data_type, true);
                    }
                    push("sequence", DataType::UInt64, true);
                    push("row", DataType::UInt64, true);
                }
            }
        }
        Ok(Arc::new(Schema::new(fields)))
    }

    /// The columns that the plan reads: group columns, aggregated columns, time where a bucket, first or last needs it,
    /// and the series columns for first and last. Ascending by id.
    pub fn columns(&self, schema: &TableSchema) -> Vec<ColumnId> {
        let mut columns = self.group_by.clone();
        columns.extend(self.aggregates.iter().filter_map(|aggregate| aggregate.column));
        let edges = |aggregate: &Aggregate| matches!(aggregate.function, Function::First | Function::Last);
        if self.aggregates.iter().any(edges) {
            columns.extend(schema.sort_columns());
        }
        if self.bucket.is_some() {
            columns.push(schema.time_column().id);
        }
        columns.sort_unstable();
        columns.dedup();
        columns
    }
}

impl Aggregate {
    fn validate(&self, schema: &TableSchema) -> Result<()> {
        let Some(id) = self.column else {
            return match self.function {
                Function::Count => Ok(()),
                function => {
                    Err(Error::invalid_input("aggregate needs a column").with("function", function.name()))
                }
            };
        };
        let column = schema
            .column(id)
            .ok_or_else(|| Error::invalid_input("aggregate names an unknown column").with("column", id))?;
        if self.function != Function::Count {
            refuse_payload(column, self.function.name())?;
        }
        if matches!(self.function, Function::Sum | Function::Avg) && !has_sum(&column.data_type) {
            return Err(Error::invalid_input(
                "only columns of numbers and durations have a sum and an average",
            )
            .with("function", self.function.name())
            .with("column", &column.name)
            .with("type", &column.data_type));
        }
        Ok(())
    }

    /// The type of the result.
    pub fn result_type(&self, schema: &TableSchema) -> DataType {
        let column = self.column.and_then(|id| schema.column(id)).map(|column| &column.data_type);
        match (self.function, column) {
            (Function::Count, _) => DataType::UInt64,
            (Function::Avg, _) => DataType::Float64,
            (Function::Sum, Some(duration @ DataType::Duration(_))) => duration.clone(),
            (Function::Sum, Some(DataType::Decimal128(_, scale))) => {
                DataType::Decimal128(DECIMAL128_MAX_PRECISION, *scale)
            }
            (Function::Sum, Some(data_type)) => match ValueClass::of(data_type) {
                Some(ValueClass::Int) => DataType::Int64,
                Some(ValueClass::UInt) => DataType::UInt64,
                _ => DataType::Float64,
            },
            (_, Some(data_type)) => data_type.clone(),
            (_, None) => DataType::Null,
        }
    }
}

/// Whether values of a type can be added: numbers and durations, but neither instants, dates and times of day, nor what is
/// no number.
pub fn has_sum(data_type: &DataType) -> bool {
    match data_type {
        DataType::Duration(_) => true,
        temporal if integer_form(temporal).is_some() => false,
        other => matches!(
            ValueClass::of(other),
            Some(
                ValueClass::Int | ValueClass::UInt | ValueClass::F32 | ValueClass::F64 | ValueClass::Decimal
            )
        ),
    }
}

impl Function {
    /// The name in queries: `count`, `sum`, `min`, `max`, `avg`, `first`, `last`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
            Self::Avg => "avg",
            Self::First => "first",
            Self::Last => "last",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Column, SchemaVersion, TableId};
    use arrow_schema::TimeUnit;

    fn schema() -> TableSchema {
        let column = |id, name: &str, data_type| Column {
            id: ColumnId(id),
            name: name.into(),
            data_type,
            nullable: true,
        };
        let mut columns = vec![
            column(1, "time", DataType::Timestamp(TimeUnit::Second, None)),
            column(2, "host", DataType::Utf8),
            column(3, "load", DataType::Float32),
            column(4, "day", DataType::Date32),
            column(5, "at", DataType::Time64(TimeUnit::Nanosecond)),
            column(6, "took", DataType::Duration(TimeUnit::Millisecond)),
        ];
        columns[0].nullable = false;
        TableSchema::new(TableId(1), SchemaVersion(1), columns, ColumnId(1), &[ColumnId(2)]).unwrap()
    }

    fn plan(function: Function, column: Option<u32>) -> AggregatePlan {
        AggregatePlan {
            group_by: vec![],
            bucket: None,
            aggregates: vec![Aggregate { function, column: column.map(ColumnId) }],
        }
    }

    #[test]
    fn first_carries_what_breaks_ties() {
        let state = plan(Function::First, Some(3)).state_schema(&schema()).unwrap();
        let names: Vec<_> = state.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["agg.0.value", "agg.0.time", "agg.0.series.0", "agg.0.sequence", "agg.0.row"]);
    }

    #[test]
    fn sums_of_text_dates_and_times_are_refused_by_name() {
        for (column, named) in
            [(1, "column=time"), (2, "column=host"), (4, "column=day type=Date32"), (5, "column=at")]
        {
            for function in [Function::Sum, Function::Avg] {
                let error = plan(function, Some(column)).validate(&schema()).unwrap_err();
                assert!(error.to_string().contains(named), "{error}");
            }
        }
        assert!(plan(Function::Min, None).validate(&schema()).is_err());
        assert!(plan(Function::Count, None).validate(&schema()).is_ok());
    }

    #[test]
    fn a_sum_of_durations_is_a_duration() {
        let plan = plan(Function::Sum, Some(6));
        plan.validate(&schema()).unwrap();
        assert_eq!(plan.aggregates[0].result_type(&schema()), DataType::Duration(TimeUnit::Millisecond));
    }

    #[test]
    fn a_sum_of_f32_is_float64() {
        assert_eq!(plan(Function::Sum, Some(3)).aggregates[0].result_type(&schema()), DataType::Float64);
    }
}
