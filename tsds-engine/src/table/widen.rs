//! Which types a column's type may grow into, and how its values do.
//!
//! Every value has exactly one counterpart in the wider type, and counterparts sort, group and add up as the values do. So what
//! was sorted, grouped or summed before it was widened is what it would be after.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use tsds_traits::{Error, Result, Value, ValueClass};

/// Whether every value of `from` has its counterpart in `to`, which is another type: wider integers of the same sign, signed ones
/// that are wider than unsigned ones, and 64-bit floats instead of 32-bit ones.
pub(crate) fn is_widening(from: &DataType, to: &DataType) -> bool {
    match (integer(from), integer(to)) {
        (Some((from_signed, from_bits)), Some((to_signed, to_bits))) => {
            from_bits < to_bits && (from_signed == to_signed || to_signed)
        }
        _ => *from == DataType::Float32 && *to == DataType::Float64,
    }
}

/// The types that a type may grow into, the narrowest first.
pub(crate) fn wider_types(from: &DataType) -> Vec<DataType> {
    let all = [
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt16,
        DataType::UInt32,
        DataType::UInt64,
        DataType::Float64,
    ];
    all.into_iter().filter(|to| is_widening(from, to)).collect()
}

/// Whether an integer type has a sign, and its bits.
fn integer(data_type: &DataType) -> Option<(bool, u8)> {
    Some(match data_type {
        DataType::Int8 => (true, 8),
        DataType::Int16 => (true, 16),
        DataType::Int32 => (true, 32),
        DataType::Int64 => (true, 64),
        DataType::UInt8 => (false, 8),
        DataType::UInt16 => (false, 16),
        DataType::UInt32 => (false, 32),
        DataType::UInt64 => (false, 64),
        _ => return None,
    })
}

/// The counterparts of an array's values; the array itself where it has the type.
///
/// # Errors
///
/// `Internal` for a type that does not grow into `to`.
pub(crate) fn widen(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let from = array.data_type();
    if from == to {
        return Ok(Arc::clone(array));
    }
    if !is_widening(from, to) {
        return Err(Error::internal("a column does not grow into its type")
            .with("from", from)
            .with("to", to));
    }
    match array.as_primitive_opt::<Float32Type>() {
        Some(floats) => Ok(Arc::new(floats.unary::<_, Float64Type>(widen_float))),
        None => Ok(arrow_cast::cast(array, to)?),
    }
}

/// The counterpart of a value of a column that has become `to`.
pub(crate) fn widen_value(value: &Value, to: &DataType) -> Value {
    match (value, ValueClass::of(to)) {
        (Value::UInt(value), Some(ValueClass::Int)) => match i64::try_from(*value) {
            Ok(value) => Value::Int(value),
            // Only 32 bits and fewer grow into a signed type.
            Err(_) => Value::Int(i64::MAX),
        },
        (Value::F32(value), Some(ValueClass::F64)) => Value::F64(widen_float(*value)),
        _ => value.clone(),
    }
}

/// NaNs are widened by their bits: a conversion makes signalling ones quiet, and two of them the same.
fn widen_float(value: f32) -> f64 {
    if !value.is_nan() {
        return f64::from(value);
    }
    let bits = u64::from(value.to_bits());
    let (sign, payload) = (bits >> 31, bits & ((1 << 23) - 1));
    f64::from_bits((sign << 63) | (0x7ff << 52) | (payload << 29))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Float32Array, Int8Array, UInt32Array};

    #[test]
    fn types_grow_only_into_types_that_hold_all_of_their_values() {
        use DataType::{Float32, Float64, Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64, Utf8};
        for (from, to) in
            [(Int8, Int16), (Int32, Int64), (UInt8, UInt64), (UInt32, Int64), (Float32, Float64)]
        {
            assert!(is_widening(&from, &to), "{from} {to}");
            assert!(!is_widening(&to, &from), "{to} {from}");
        }
        let not =
            [(Int64, Float64), (UInt64, Int64), (Int8, UInt16), (UInt16, Int16), (Utf8, Utf8), (Int8, Int8)];
        for (from, to) in not {
            assert!(!is_widening(&from, &to), "{from} {to}");
        }
        assert_eq!(wider_types(&UInt16), [Int32, Int64, UInt32, UInt64]);
        assert!(wider_types(&Float64).is_empty());
    }

    #[test]
    fn values_and_nulls_stay() {
        let bytes: ArrayRef = Arc::new(Int8Array::from(vec![Some(-128), None, Some(127)]));
        let wide = widen(&bytes, &DataType::Int64).unwrap();
        let wide = wide.as_primitive::<arrow_array::types::Int64Type>();
        assert_eq!(wide.iter().collect::<Vec<_>>(), [Some(-128), None, Some(127)]);
        let unsigned: ArrayRef = Arc::new(UInt32Array::from(vec![u32::MAX]));
        let wide = widen(&unsigned, &DataType::Int64).unwrap();
        assert_eq!(wide.as_primitive::<arrow_array::types::Int64Type>().value(0), i64::from(u32::MAX));
        assert!(widen(&wide, &DataType::Int32).is_err());
    }

    #[test]
    fn floats_keep_their_total_order_with_zeros_and_nans() {
        let nan = |bits: u32| f32::from_bits(bits);
        let ordered = [
            nan(0xffff_ffff),
            nan(0xff80_0001),
            f32::NEG_INFINITY,
            -1.5,
            -f32::from_bits(1),
            -0.0,
            0.0,
            f32::from_bits(1),
            f32::MAX,
            f32::INFINITY,
            nan(0x7f80_0001),
            nan(0x7fc0_0000),
            nan(0x7fff_ffff),
        ];
        let array: ArrayRef = Arc::new(Float32Array::from(ordered.to_vec()));
        let wide = widen(&array, &DataType::Float64).unwrap();
        let wide = wide.as_primitive::<Float64Type>().values().to_vec();
        assert!(wide.windows(2).all(|pair| pair[0].total_cmp(&pair[1]).is_lt()), "{wide:?}");
        for (narrow, wide) in ordered.iter().zip(&wide) {
            assert_eq!(narrow.is_nan(), wide.is_nan());
            assert_eq!(widen_value(&Value::F32(*narrow), &DataType::Float64), Value::F64(*wide));
        }
    }

    #[test]
    fn statistics_of_unsigned_integers_become_signed_ones() {
        assert_eq!(widen_value(&Value::UInt(7), &DataType::Int16), Value::Int(7));
        assert_eq!(widen_value(&Value::UInt(7), &DataType::UInt16), Value::UInt(7));
    }
}
