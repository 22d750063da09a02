//! Statistics of one column.

use arrow_array::Array;
use arrow_buffer::BooleanBuffer;
use tsds_traits::{ColumnId, ColumnStats, Result, Value, is_payload_type};

use super::text_bound;
use crate::array::{Codes, Column, Native, Text, with_values};
use crate::predicate::fold_is_nan;

/// How many bytes of text a bound keeps.
pub const MAX_TEXT_BOUND: usize = 64;

/// The statistics of one column of some rows. Text bounds longer than [`MAX_TEXT_BOUND`] are cut between characters: the
/// lower one to a prefix, the upper one to a text after every text with that prefix, and kept whole where there is none.
///
/// # Errors
///
/// `Unsupported` for a type that TSDS does not store.
pub fn column_stats(id: ColumnId, array: &dyn Array) -> Result<ColumnStats> {
    let mut builder = StatsBuilder::new(id);
    builder.push(array)?;
    Ok(builder.finish())
}

/// Gathers the statistics of one column from many arrays.
#[derive(Clone, Debug)]
pub struct StatsBuilder {
    column: ColumnId,
    null_count: u64,
    has_nan: bool,
    bounds: Option<(Value, Value)>,
}

impl StatsBuilder {
    /// The statistics of no rows.
    pub fn new(column: ColumnId) -> Self {
        Self { column, null_count: 0, has_nan: false, bounds: None }
    }

    /// Adds rows.
    ///
    /// # Errors
    ///
    /// `Unsupported` for a type that TSDS does not store.
    pub fn push(&mut self, array: &dyn Array) -> Result<()> {
        if is_payload_type(array.data_type()) {
            self.null_count += array.null_count() as u64;
            return Ok(());
        }
        let column = Column::new(array)?;
        self.null_count += column.nulls.as_ref().map_or(0, |nulls| nulls.null_count()) as u64;
        let bounds = with_values!(&column.values,
            numbers => self.numbers(numbers, &column),
            decimals => of_decimals(decimals, &column),
            bools => of_bools(bools, &column),
            text => of_text(text, &column));
        self.bounds = match (self.bounds.take(), bounds) {
            (Some((min, max)), Some((low, high))) => Some((min.min(low), max.max(high))),
            (old, new) => old.or(new),
        };
        Ok(())
    }

    fn numbers<T: Native>(&mut self, values: &[T], column: &Column<'_>) -> Option<(Value, Value)> {
        // NaNs lie at both ends of the keys.
        let nan = fold_is_nan(column.class());
        let (first, last) = match nan.ranges() {
            [below, above] => (below.end() + 1, above.start() - 1),
            _ => (0, u64::MAX),
        };
        let (mut min, mut max) = (u64::MAX, 0);
        let mut has_nan = false;
        let mut add = |values: &[T]| {
            for value in values {
                let key = value.key();
                if first <= key && key <= last {
                    min = min.min(key);
                    max = max.max(key);
                } else {
                    has_nan = true;
                }
            }
        };
        match &column.nulls {
            None => add(values),
            Some(nulls) => nulls.valid_slices().for_each(|(start, end)| add(&values[start..end])),
        }
        self.has_nan |= has_nan;
        (min <= max).then(|| (T::of_key(min).value(), T::of_key(max).value()))
    }

    /// The statistics of all rows so far.
    pub fn finish(self) -> ColumnStats {
        let mut exact = true;
        let (min, max) = match self.bounds {
            None => (None, None),
            Some((min, max)) => {
                let (min, max) = (cut_min(min, &mut exact), cut_max(max, &mut exact));
                (Some(min), Some(max))
            }
        };
        ColumnStats {
            column: self.column,
            null_count: self.null_count,
            has_nan: self.has_nan,
            min,
            max,
            exact,
        }
    }
}

fn cut_min(min: Value, exact: &mut bool) -> Value {
    match min {
        Value::Text(text) if text.len() > MAX_TEXT_BOUND => {
            *exact = false;
            Value::Text(text_bound::lower(&text, MAX_TEXT_BOUND).to_owned())
        }
        other => other,
    }
}

fn cut_max(max: Value, exact: &mut bool) -> Value {
    match max {
        Value::Text(text) if text.len() > MAX_TEXT_BOUND => match text_bound::upper(&text, MAX_TEXT_BOUND) {
            Some(bound) => {
                *exact = false;
                Value::Text(bound)
            }
            None => Value::Text(text),
        },
        other => other,
    }
}

fn of_bools(bools: &BooleanBuffer, column: &Column<'_>) -> Option<(Value, Value)> {
    let (valid, set) = match &column.nulls {
        None => (column.len, bools.count_set_bits()),
        Some(nulls) => (column.len - nulls.null_count(), (bools & nulls.inner()).count_set_bits()),
    };
    (valid > 0).then_some((Value::Bool(set == valid), Value::Bool(set > 0)))
}

fn of_decimals(decimals: &[i128], column: &Column<'_>) -> Option<(Value, Value)> {
    let valid = decimals.iter().enumerate().filter(|(row, _)| !column.is_null(*row));
    let bounds = valid.fold(None, |bounds: Option<(i128, i128)>, (_, value)| match bounds {
        None => Some((*value, *value)),
        Some((min, max)) => Some((min.min(*value), max.max(*value))),
    });
    bounds.map(|(min, max)| (Value::Decimal(min), Value::Decimal(max)))
}

fn of_text(text: &Text<'_>, column: &Column<'_>) -> Option<(Value, Value)> {
    let mut bounds: Option<(&str, &str)> = None;
    let mut add = |value| {
        bounds = Some(match bounds {
            None => (value, value),
            Some((min, max)) => (min.min(value), max.max(value)),
        });
    };
    let rows = (0..column.len).filter(|row| !column.is_null(*row));
    if matches!(text.codes, Codes::Plain) || text.values.len() > column.len {
        rows.for_each(|row| add(text.value(row)));
    } else {
        let mut used = vec![false; text.values.len()];
        rows.for_each(|row| used[text.slot(row)] = true);
        let slots = used.iter().enumerate().filter(|(_, used)| **used);
        slots.for_each(|(slot, _)| add(text.values.value(slot)));
    }
    bounds.map(|(min, max)| (Value::Text(min.to_owned()), Value::Text(max.to_owned())))
}

/// The statistics of two sets of rows of one column together, each with its number of rows. A bound that is missing where
/// nulls do not explain it is unknown, and stays so.
#[must_use]
pub fn merge_stats(a: (&ColumnStats, u64), b: (&ColumnStats, u64)) -> ColumnStats {
    let ((a, a_rows), (b, b_rows)) = (a, b);
    let (a_empty, b_empty) = (a.null_count >= a_rows, b.null_count >= b_rows);
    let merge = |a_bound: &Option<Value>, b_bound: &Option<Value>, larger: bool| match (a_bound, b_bound) {
        _ if a_empty => (b_bound.clone(), b.exact),
        _ if b_empty => (a_bound.clone(), a.exact),
        (Some(x), Some(y)) if x == y => (Some(x.clone()), a.exact || b.exact),
        (Some(x), Some(y)) if (x > y) == larger => (Some(x.clone()), a.exact),
        (Some(_), Some(y)) => (Some(y.clone()), b.exact),
        _ => (None, false),
    };
    let (min, min_exact) = merge(&a.min, &b.min, false);
    let (max, max_exact) = merge(&a.max, &b.max, true);
    ColumnStats {
        column: a.column,
        null_count: a.null_count.saturating_add(b.null_count),
        has_nan: a.has_nan || b.has_nan,
        min,
        max,
        exact: min_exact && max_exact,
    }
}
