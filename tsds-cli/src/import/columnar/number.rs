//! Numbers and times of one type as another one, where that loses nothing.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, ArrayRef, PrimitiveArray};
use arrow_cast::cast_with_options;
use arrow_data::ArrayData;
use arrow_schema::{ArrowError, DataType, TimeUnit};

use super::text::LENIENT;

/// The values as another type, and the rows whose values that type cannot hold.
///
/// # Errors
///
/// Types that have nothing in common.
pub(super) fn fitted(array: &ArrayRef, to: &DataType) -> Result<(ArrayRef, Vec<usize>), ArrowError> {
    if array.data_type() == to {
        return Ok((array.clone(), Vec::new()));
    }
    let cast = cast_with_options(array, to, &LENIENT)?;
    let back = cast_with_options(&cast, array.data_type(), &LENIENT)?;
    let same = same_values(array, &back);
    let misfits = (0..array.len()).filter(|row| array.is_valid(*row) && (cast.is_null(*row) || !same(*row)));
    let misfits = misfits.collect();
    Ok((cast, misfits))
}

/// Whether rows are valid in the second array and hold the same, to the bit but for NaN.
fn same_values<'a>(a: &'a ArrayRef, b: &'a ArrayRef) -> Box<dyn Fn(usize) -> bool + 'a> {
    fn floats<'a, T: ArrowPrimitiveType>(
        a: &'a ArrayRef,
        b: &'a ArrayRef,
        same: fn(T::Native, T::Native) -> bool,
    ) -> Box<dyn Fn(usize) -> bool + 'a> {
        let (a, b) = (a.as_primitive::<T>(), b.as_primitive::<T>());
        Box::new(move |row| b.is_valid(row) && same(a.value(row), b.value(row)))
    }
    match a.data_type() {
        DataType::Float32 => {
            floats::<Float32Type>(a, b, |a, b| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()))
        }
        DataType::Float64 => {
            floats::<Float64Type>(a, b, |a, b| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()))
        }
        _ => {
            let width = a.data_type().primitive_width().unwrap_or_default();
            let (one, other) = (a.to_data(), b.to_data());
            Box::new(move |row| b.is_valid(row) && bytes(&one, row, width) == bytes(&other, row, width))
        }
    }
}

/// The bytes of one value.
fn bytes(data: &ArrayData, row: usize, width: usize) -> Option<&[u8]> {
    let start = data.offset().checked_add(row)?.checked_mul(width)?;
    data.buffers().first()?.get(start..start.checked_add(width)?)
}

/// Times in another unit, and the rows whose times that unit cannot hold. A zone says how a time is shown, not which it is.
///
/// # Errors
///
/// What is no time.
pub(super) fn in_unit(
    array: &ArrayRef,
    unit: TimeUnit,
    to: &DataType,
) -> Result<(ArrayRef, Vec<usize>), ArrowError> {
    let plain = DataType::Timestamp(unit, None);
    let own = match array.data_type() {
        DataType::Timestamp(own, _) => DataType::Timestamp(*own, None),
        other => return Err(ArrowError::CastError(format!("{other} is no time"))),
    };
    let (fitted, misfits) = fitted(&relabelled(array, &own)?, &plain)?;
    Ok((relabelled(&fitted, to)?, misfits))
}

/// The same numbers under another type that lies alike in memory.
pub(super) fn relabelled(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == data_type {
        return Ok(array.clone());
    }
    let data = array.to_data().into_builder().data_type(data_type.clone()).build()?;
    Ok(arrow_array::make_array(data))
}

/// The numbers of times, whatever their unit.
pub(super) fn instants(array: &ArrayRef) -> Option<(&[i64], TimeUnit)> {
    fn values<T: ArrowPrimitiveType<Native = i64>>(array: &ArrayRef) -> Option<&[i64]> {
        array.as_any().downcast_ref::<PrimitiveArray<T>>().map(|array| &**array.values())
    }
    let DataType::Timestamp(unit, _) = array.data_type() else { return None };
    let values = match unit {
        TimeUnit::Second => values::<TimestampSecondType>(array),
        TimeUnit::Millisecond => values::<TimestampMillisecondType>(array),
        TimeUnit::Microsecond => values::<TimestampMicrosecondType>(array),
        TimeUnit::Nanosecond => values::<TimestampNanosecondType>(array),
    };
    Some((values?, *unit))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{
        Float32Array, Float64Array, Int8Array, Int64Array, TimestampMillisecondArray, UInt64Array,
    };

    use super::*;

    fn misfits(array: impl Array + 'static, to: DataType) -> Vec<usize> {
        let array: ArrayRef = Arc::new(array);
        fitted(&array, &to).unwrap().1
    }

    #[test]
    fn a_value_fits_if_it_comes_back_the_same() {
        let ints = Int64Array::from(vec![Some(127), Some(128), None, Some(-129)]);
        assert_eq!(misfits(ints, DataType::Int8), [1, 3]);
        let large = Int64Array::from(vec![1 << 53, (1 << 53) + 1, i64::MAX]);
        assert_eq!(misfits(large, DataType::Float64), [1, 2]);
        let floats = Float64Array::from(vec![1.0, 1.5, -0.0, f64::NAN, f64::INFINITY, 1e300]);
        assert_eq!(misfits(floats.clone(), DataType::Int64), [1, 2, 3, 4, 5]);
        assert_eq!(misfits(floats, DataType::Float32), [5]);
        let single = Float32Array::from(vec![0.1, f32::NAN, -0.0]);
        assert_eq!(misfits(single, DataType::Float64), [0; 0]);
        assert_eq!(misfits(Int8Array::from(vec![-1, 1]), DataType::UInt16), [0]);
        assert_eq!(misfits(UInt64Array::from(vec![u64::MAX, 1]), DataType::Int64), [0]);
    }

    #[test]
    fn times_keep_their_instant_in_another_unit_and_zone() {
        let millis = TimestampMillisecondArray::from(vec![Some(-2_000), Some(1), None, Some(i64::MAX)]);
        let array: ArrayRef = Arc::new(millis.with_timezone("Europe/Berlin"));
        let to = DataType::Timestamp(TimeUnit::Second, None);
        let (seconds, misfits) = in_unit(&array, TimeUnit::Second, &to).unwrap();
        assert_eq!((seconds.data_type(), misfits), (&to, vec![1, 3]));
        assert_eq!(instants(&seconds).unwrap().0[0], -2);
        let to = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
        let (nanos, misfits) = in_unit(&array, TimeUnit::Nanosecond, &to).unwrap();
        assert_eq!((nanos.data_type(), misfits), (&to, vec![3]));
        assert_eq!(instants(&nanos).unwrap().0[1], 1_000_000);
    }
}
