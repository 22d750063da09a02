//! Runs a test over a batch.

use std::ops::RangeInclusive;

use arrow_array::{Array, StringArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use tsds_traits::{ColumnId, Error, KeySet, RangeSet, Result};

use super::fold::fold_is_nan;
use super::mask::Mask;
use super::test::Test;
use super::text_set::TextSet;
use crate::array::{Codes, Column, Columns, Native, Text, Values, with_values};

/// The rows of a batch that pass.
///
/// # Errors
///
/// `InvalidInput` for a column that the batch lacks or that is of another class than the test.
pub(super) fn evaluate(test: &Test, columns: &Columns<'_>) -> Result<BooleanBuffer> {
    let mut mask = Mask::all(columns.rows());
    narrow(test, columns, &mut mask)?;
    Ok(mask.finish())
}

/// Drops the rows that fail.
fn narrow(test: &Test, columns: &Columns<'_>, mask: &mut Mask) -> Result<()> {
    match test {
        Test::Constant(true) => {}
        Test::Constant(false) => mask.clear(),
        Test::All(parts) => {
            for part in parts {
                if mask.is_clear() {
                    break;
                }
                narrow(part, columns, mask)?;
            }
        }
        Test::Any(parts) => {
            let mut left = mask.clone();
            for part in parts {
                let mut passed = left.clone();
                narrow(part, columns, &mut passed)?;
                left.subtract(&passed);
            }
            mask.subtract(&left);
        }
        // Not by a view: payload has none, and can be asked for nulls.
        Test::Null(id) => match columns.array(*id)?.logical_nulls() {
            Some(nulls) => mask.drop_set(nulls.inner()),
            None => mask.clear(),
        },
        Test::NotNull(id) => keep_valid(&columns.array(*id)?.logical_nulls(), mask),
        Test::Nan(id, nan) => {
            let column = column(columns, *id)?;
            let nans = fold_is_nan(column.class());
            keep_keys(*id, &column, &if *nan { nans } else { nans.complement() }, mask)?;
        }
        Test::Keys(id, set) => keep_keys(*id, &column(columns, *id)?, set, mask)?,
        Test::Decimal(id, set) => {
            let column = column(columns, *id)?;
            let Values::Decimal(decimals) = column.values else {
                return Err(Error::invalid_input("a decimal is compared with a column of another type")
                    .with("column", id));
            };
            keep_valid(&column.nulls, mask);
            keep_decimals(decimals, set, mask);
        }
        Test::Text(id, set) => {
            let column = column(columns, *id)?;
            let Values::Text(text) = &column.values else {
                return Err(
                    Error::invalid_input("text is compared with a column that has none").with("column", id)
                );
            };
            keep_valid(&column.nulls, mask);
            keep_text(text, set, mask);
        }
    }
    Ok(())
}

fn column<'a>(columns: &Columns<'a>, id: ColumnId) -> Result<Column<'a>> {
    Column::new(columns.array(id)?.as_ref())
}

fn keep_valid(nulls: &Option<NullBuffer>, mask: &mut Mask) {
    if let Some(nulls) = nulls {
        mask.keep(nulls.inner());
    }
}

fn keep_keys(id: ColumnId, column: &Column<'_>, set: &KeySet, mask: &mut Mask) -> Result<()> {
    keep_valid(&column.nulls, mask);
    with_values!(&column.values,
    numbers => keep_numbers(numbers, set, mask),
    _decimals => keep_all_or_nothing(id, set, mask)?,
    bools => keep_bools(bools, set, mask),
    _text => keep_all_or_nothing(id, set, mask)?);
    Ok(())
}

/// Of a column without keys only the sets of all keys and of none say something: whether a value is NaN.
fn keep_all_or_nothing(id: ColumnId, set: &KeySet, mask: &mut Mask) -> Result<()> {
    if set.is_empty() {
        mask.clear();
    } else if !set.complement().is_empty() {
        return Err(
            Error::invalid_input("a number is compared with a column of another type").with("column", id)
        );
    }
    Ok(())
}

fn keep_decimals(decimals: &[i128], set: &RangeSet<i128>, mask: &mut Mask) {
    match set.ranges() {
        [] => mask.clear(),
        [range] => {
            let (low, high) = (*range.start(), *range.end());
            mask.keep_where(decimals, |value| (low <= value) & (value <= high));
        }
        _ => mask.keep_rows(|row| decimals.get(row).is_some_and(|value| set.contains(*value))),
    }
}

fn keep_bools(bools: &BooleanBuffer, set: &KeySet, mask: &mut Mask) {
    match (set.contains(0), set.contains(1)) {
        (true, true) => {}
        (true, false) => mask.drop_set(bools),
        (false, true) => mask.keep(bools),
        (false, false) => mask.clear(),
    }
}

fn keep_numbers<T: InRange>(values: &[T], set: &KeySet, mask: &mut Mask) {
    match set.ranges() {
        [] => mask.clear(),
        [range] => T::keep_range(values, range, mask),
        // As `<>` gives: everything but one range.
        [first, second] if *first.start() == 0 && *second.end() >= T::LAST_KEY => {
            T::drop_range(values, &(first.end() + 1..=second.start() - 1), mask);
        }
        ranges if ranges.len() <= 4 => {
            mask.keep_where(values, |value| {
                let key = value.key();
                ranges.iter().fold(false, |found, range| {
                    found | (key.wrapping_sub(*range.start()) <= range.end().wrapping_sub(*range.start()))
                })
            });
        }
        _ => mask.keep_rows(|row| set.contains(values[row].key())),
    }
}

/// A range test in the type's own width, where the compiler can use the most lanes.
trait InRange: Native {
    /// The largest key of the type.
    const LAST_KEY: u64;
    fn keep_range(values: &[Self], keys: &RangeInclusive<u64>, mask: &mut Mask);
    fn drop_range(values: &[Self], keys: &RangeInclusive<u64>, mask: &mut Mask);
}

macro_rules! integers_in_range {
    ($($type:ty, $unsigned:ty, $last:expr;)*) => {$(
        impl InRange for $type {
            const LAST_KEY: u64 = $last;
            fn keep_range(values: &[Self], keys: &RangeInclusive<u64>, mask: &mut Mask) {
                match bounds::<Self>(keys, <$type>::MIN, <$type>::MAX) {
                    Some((low, high)) => {
                        let width = high.wrapping_sub(low) as $unsigned;
                        mask.keep_where(values, |value| value.wrapping_sub(low) as $unsigned <= width);
                    }
                    None => mask.clear(),
                }
            }
            fn drop_range(values: &[Self], keys: &RangeInclusive<u64>, mask: &mut Mask) {
                if let Some((low, high)) = bounds::<Self>(keys, <$type>::MIN, <$type>::MAX) {
                    let width = high.wrapping_sub(low) as $unsigned;
                    mask.keep_where(values, |value| value.wrapping_sub(low) as $unsigned > width);
                }
            }
        }
    )*};
}

integers_in_range! {
    i8, u8, (1 << 63) + i8::MAX as u64;
    i16, u16, (1 << 63) + i16::MAX as u64;
    i32, u32, (1 << 63) + i32::MAX as u64;
    i64, u64, u64::MAX;
    u8, u8, u8::MAX as u64;
    u16, u16, u16::MAX as u64;
    u32, u32, u32::MAX as u64;
    u64, u64, u64::MAX;
}

macro_rules! floats_in_range {
    ($($type:ty, $bits:ty, $last:expr;)*) => {$(
        impl InRange for $type {
            const LAST_KEY: u64 = $last;
            fn keep_range(values: &[Self], keys: &RangeInclusive<u64>, mask: &mut Mask) {
                match float_bounds::<Self>(keys, <$type>::is_nan) {
                    Some((low, high)) => mask.keep_where(values, |value| (low <= value) & (value <= high)),
                    None => {
                        let (low, high) = (*keys.start(), *keys.end());
                        mask.keep_where(values, |value| value.key().wrapping_sub(low) <= high.wrapping_sub(low));
                    }
                }
            }
            fn drop_range(values: &[Self], keys: &RangeInclusive<u64>, mask: &mut Mask) {
                match float_bounds::<Self>(keys, <$type>::is_nan) {
                    // Negated as a whole, so that NaN is kept.
                    Some((low, high)) => mask.keep_where(values, |value| !((low <= value) & (value <= high))),
                    None => {
                        let (low, high) = (*keys.start(), *keys.end());
                        mask.keep_where(values, |value| value.key().wrapping_sub(low) > high.wrapping_sub(low));
                    }
                }
            }
        }
    )*};
}

floats_in_range! {
    f32, u32, u32::MAX as u64;
    f64, u64, u64::MAX;
}

/// The bounds of a range of keys inside a narrower type; `None` where they exclude each other.
fn bounds<T: Native>(keys: &RangeInclusive<u64>, min: T, max: T) -> Option<(T, T)> {
    let (low, high) = ((*keys.start()).max(min.key()), (*keys.end()).min(max.key()));
    (low <= high).then(|| (T::of_key(low), T::of_key(high)))
}

/// The bounds of a range of keys that the processor's float comparison gets right: neither is a NaN, and the range does
/// not separate the zeros.
fn float_bounds<T: Native + Default>(keys: &RangeInclusive<u64>, is_nan: fn(T) -> bool) -> Option<(T, T)> {
    let (low, high) = (T::of_key(*keys.start()), T::of_key(*keys.end()));
    let positive_zero = T::default().key();
    let separates = *keys.start() == positive_zero || positive_zero.checked_sub(1) == Some(*keys.end());
    (!is_nan(low) && !is_nan(high) && !separates).then_some((low, high))
}

fn keep_text(text: &Text<'_>, set: &TextSet, mask: &mut Mask) {
    match text.codes {
        Codes::Plain => match set.single() {
            Some(only) => keep_equal(text.values, only, mask),
            None => mask.keep_rows(|row| set.contains(text.values.value(row))),
        },
        Codes::I32(codes) => {
            keep_codes(codes, |code| code as usize, |code| (code as i32).key(), text, set, mask)
        }
        Codes::U32(codes) => {
            keep_codes(codes, |code| code as usize, |code| (code as u32).key(), text, set, mask)
        }
    }
}

/// Compares lengths first, which tells most texts apart without touching them.
fn keep_equal(values: &StringArray, only: &[u8], mask: &mut Mask) {
    let (offsets, bytes) = (values.value_offsets(), values.value_data());
    mask.keep_rows(|row| {
        let (start, end) = (offsets[row] as usize, offsets[row + 1] as usize);
        end - start == only.len() && bytes[start..end] == *only
    });
}

fn keep_codes<C: InRange>(
    codes: &[C],
    slot: fn(C) -> usize,
    key_of_code: fn(usize) -> u64,
    text: &Text<'_>,
    set: &TextSet,
    mask: &mut Mask,
) {
    if text.values.len() > codes.len() {
        mask.keep_rows(|row| set.contains(text.values.value(slot(codes[row]))));
        return;
    }
    let passes: Vec<bool> = (0..text.values.len())
        .map(|code| text.values.is_valid(code) && set.contains(text.values.value(code)))
        .collect();
    let first = passes.iter().position(|passes| *passes);
    let last = passes.iter().rposition(|passes| *passes);
    match (first, last) {
        (Some(first), Some(last)) if passes[first..=last].iter().all(|passes| *passes) => {
            // Sorted dictionaries and single texts: a range of codes.
            let keys = key_of_code(first)..=key_of_code(last);
            C::keep_range(codes, &keys, mask);
        }
        (Some(_), Some(_)) => {
            // What stands under a null may be any code, and is out already.
            mask.keep_where(codes, |code| passes.get(slot(code)).copied().unwrap_or(false));
        }
        _ => mask.clear(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Float32Array, Float64Array, RecordBatch};

    use super::*;

    /// No predicate folds into such a set, but backends may be given any.
    #[test]
    fn a_set_that_separates_the_zeros_is_evaluated_by_key() {
        let doubles = vec![-0.0, 0.0, 1.0, -1.0, f64::NAN];
        let arrays: [ArrayRef; 2] = [
            Arc::new(Float32Array::from_iter_values(doubles.iter().map(|value| *value as f32))),
            Arc::new(Float64Array::from(doubles)),
        ];
        for array in arrays {
            let column = Column::new(array.as_ref()).unwrap();
            let key = |row: usize| column.value(row).unwrap().order_key().unwrap();
            let batch = RecordBatch::try_from_iter([("x", array.clone())]).unwrap();
            let passes = |set: KeySet| {
                let id = ColumnId(1);
                let bits = evaluate(&Test::Keys(id, set), &Columns::new(&[id], &batch).unwrap()).unwrap();
                bits.iter().collect::<Vec<_>>()
            };
            let from_positive = KeySet::from_ranges([key(1)..=key(2)]);
            assert_eq!(passes(from_positive.clone()), [false, true, true, false, false]);
            assert_eq!(passes(from_positive.complement()), [true, false, false, true, true]);
            let to_negative = KeySet::from_ranges([key(3)..=key(0)]);
            assert_eq!(passes(to_negative.clone()), [true, false, false, true, false]);
            assert_eq!(passes(to_negative.complement()), [false, true, true, false, true]);
        }
    }
}
