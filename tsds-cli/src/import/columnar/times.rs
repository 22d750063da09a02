//! The times of the rows of a batch.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{ArrowError, DataType};

use super::super::plan::{self, Plan, TimeFields};
use super::super::time::in_range;
use super::number::{instants, relabelled};
use super::text::spelled;

/// A time in nanoseconds since 1970, or what is wrong with it.
pub(super) type Time = Result<i128, String>;

/// The times of all rows. `at` says where in the batch a column of the files is.
///
/// # Errors
///
/// What is wrong with the batch as such.
pub(super) fn times(
    plan: &Plan,
    batch: &RecordBatch,
    at: impl Fn(usize) -> Option<usize>,
) -> Result<Vec<Time>, ArrowError> {
    let column = |index: usize| {
        let array = at(index).and_then(|at| batch.columns().get(at));
        array.ok_or_else(|| ArrowError::SchemaError("the batch lacks a column of the time".into()))
    };
    if let TimeFields::One(index) = plan.time() {
        let array = column(*index)?;
        if let Some((values, unit)) = instants(array) {
            let per_unit = 1_000_000_000 / i128::from(tsds_traits::units_per_second(unit));
            let time = |(row, value): (usize, &i64)| {
                if array.is_null(row) {
                    return Err("the time is missing".into());
                }
                let nanos = i128::from(*value) * per_unit;
                in_range(nanos).then_some(nanos).ok_or_else(|| {
                    format!(
                        "the time, {value} {} since 1970, is outside the years 1 to 9999",
                        plan::unit_name(unit)
                    )
                })
            };
            return Ok(values.iter().enumerate().map(time).collect());
        }
    }
    let indices = plan.time().indices();
    let texts =
        indices.iter().map(|index| spelled(column(*index)?)).collect::<Result<Vec<StringArray>, _>>()?;
    let time = |row: usize| {
        plan.time_of(|index| {
            let text = indices.iter().position(|other| *other == index).and_then(|at| texts.get(at));
            Ok(text.filter(|text| text.is_valid(row)).map_or("", |text| text.value(row)))
        })
    };
    Ok((0..batch.num_rows()).map(time).collect())
}

/// The times as a column of this type, with anything for those that are wrong; and what is wrong with further ones.
///
/// # Errors
///
/// A type that holds no times.
pub(super) fn time_column(
    times: &[Time],
    data_type: &DataType,
) -> Result<(ArrayRef, Vec<(usize, String)>), ArrowError> {
    let DataType::Timestamp(unit, _) = data_type else {
        return Err(ArrowError::SchemaError("the time column is no timestamp".into()));
    };
    let mut wrong = Vec::new();
    let values = times.iter().enumerate().map(|(row, time)| match time {
        Ok(nanos) => plan::in_unit(*nanos, *unit).unwrap_or_else(|message| {
            wrong.push((row, message));
            0
        }),
        Err(_) => 0,
    });
    let values: ArrayRef = Arc::new(Int64Array::from(values.collect::<Vec<i64>>()));
    let values = relabelled(&values, data_type)?;
    Ok((values, wrong))
}
