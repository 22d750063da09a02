//! Typed views of Arrow arrays.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal128Type, DurationMicrosecondType, DurationMillisecondType,
    DurationNanosecondType, DurationSecondType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, StringArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::{DataType, TimeUnit};
use tsds_traits::{Error, Result, Value, ValueClass, key_of_f32, key_of_f64, key_of_i64};

/// A fixed-width value and its order-preserving key; see [`Value::order_key`].
pub(crate) trait Native: Copy + Send + Sync + 'static {
    /// The key.
    fn key(self) -> u64;
    /// The value of this key. Keys of other classes or widths give an unspecified value.
    fn of_key(key: u64) -> Self;
    /// As a [`Value`].
    fn value(self) -> Value;
}

macro_rules! native {
    ($($type:ty, $variant:ident, $wide:ty, $key:expr, $of_key:expr;)*) => {$(
        impl Native for $type {
            #[inline(always)]
            fn key(self) -> u64 {
                ($key)(self)
            }
            #[inline(always)]
            fn of_key(key: u64) -> Self {
                ($of_key)(key)
            }
            fn value(self) -> Value {
                Value::$variant(<$wide>::from(self))
            }
        }
    )*};
}

native! {
    i8, Int, i64, |v: i8| key_of_i64(i64::from(v)), |key: u64| (key ^ (1 << 63)) as i8;
    i16, Int, i64, |v: i16| key_of_i64(i64::from(v)), |key: u64| (key ^ (1 << 63)) as i16;
    i32, Int, i64, |v: i32| key_of_i64(i64::from(v)), |key: u64| (key ^ (1 << 63)) as i32;
    i64, Int, i64, key_of_i64, |key: u64| (key ^ (1 << 63)) as i64;
    u8, UInt, u64, u64::from, |key: u64| key as u8;
    u16, UInt, u64, u64::from, |key: u64| key as u16;
    u32, UInt, u64, u64::from, |key: u64| key as u32;
    u64, UInt, u64, |v: u64| v, |key: u64| key;
    f32, F32, f32, |v: f32| u64::from(key_of_f32(v)),
        |key: u64| f32::from_bits(key as u32 ^ if (key as u32) >> 31 == 1 { 1 << 31 } else { u32::MAX });
    f64, F64, f64, key_of_f64,
        |key: u64| f64::from_bits(key ^ if key >> 63 == 1 { 1 << 63 } else { u64::MAX });
}

/// The values of one array. What stands under a null is unspecified.
#[derive(Clone)]
pub(crate) enum Values<'a> {
    Bool(&'a BooleanBuffer),
    I8(&'a [i8]),
    I16(&'a [i16]),
    I32(&'a [i32]),
    I64(&'a [i64]),
    U8(&'a [u8]),
    U16(&'a [u16]),
    U32(&'a [u32]),
    U64(&'a [u64]),
    F32(&'a [f32]),
    F64(&'a [f64]),
    /// Units of the column's scale.
    Decimal(&'a [i128]),
    Text(Text<'a>),
}

/// Runs one expression for every number type that has keys, one for decimals, one for booleans and one for text.
macro_rules! with_values {
    ($values:expr, $numbers:ident => $number:expr, $decimals:ident => $decimal:expr,
     $bools:ident => $bool:expr, $texts:ident => $text:expr $(,)?) => {
        match $values {
            $crate::array::Values::Bool($bools) => $bool,
            $crate::array::Values::I8($numbers) => $number,
            $crate::array::Values::I16($numbers) => $number,
            $crate::array::Values::I32($numbers) => $number,
            $crate::array::Values::I64($numbers) => $number,
            $crate::array::Values::U8($numbers) => $number,
            $crate::array::Values::U16($numbers) => $number,
            $crate::array::Values::U32($numbers) => $number,
            $crate::array::Values::U64($numbers) => $number,
            $crate::array::Values::F32($numbers) => $number,
            $crate::array::Values::F64($numbers) => $number,
            $crate::array::Values::Decimal($decimals) => $decimal,
            $crate::array::Values::Text($texts) => $text,
        }
    };
}
pub(crate) use with_values;

/// Text, plain or behind codes.
#[derive(Clone)]
pub(crate) struct Text<'a> {
    pub(crate) values: &'a StringArray,
    pub(crate) codes: Codes<'a>,
}

/// How rows find their text.
#[derive(Clone, Copy)]
pub(crate) enum Codes<'a> {
    /// Row `i` is value `i`.
    Plain,
    I32(&'a [i32]),
    U32(&'a [u32]),
}

impl<'a> Text<'a> {
    /// The position of a row's value. Unspecified for a null row.
    #[inline]
    pub(crate) fn slot(&self, row: usize) -> usize {
        match self.codes {
            Codes::Plain => row,
            Codes::I32(codes) => codes[row] as usize,
            Codes::U32(codes) => codes[row] as usize,
        }
    }

    /// The value of a row that is not null.
    #[inline]
    pub(crate) fn value(&self, row: usize) -> &'a str {
        self.values.value(self.slot(row))
    }
}

/// One array: its values and which rows are null.
#[derive(Clone)]
pub(crate) struct Column<'a> {
    pub(crate) values: Values<'a>,
    /// `None` where no row is null. A row of a dictionary is null if its code or the value behind it is.
    pub(crate) nulls: Option<NullBuffer>,
    pub(crate) len: usize,
}

impl<'a> Column<'a> {
    /// Views an array.
    ///
    /// # Errors
    ///
    /// `Unsupported` for a type that TSDS does not store.
    pub(crate) fn new(array: &'a dyn Array) -> Result<Self> {
        let values = match array.data_type() {
            DataType::Boolean => Values::Bool(array.as_boolean().values()),
            DataType::Int8 => Values::I8(array.as_primitive::<Int8Type>().values()),
            DataType::Int16 => Values::I16(array.as_primitive::<Int16Type>().values()),
            DataType::Int32 => Values::I32(array.as_primitive::<Int32Type>().values()),
            DataType::Int64 => Values::I64(array.as_primitive::<Int64Type>().values()),
            DataType::UInt8 => Values::U8(array.as_primitive::<UInt8Type>().values()),
            DataType::UInt16 => Values::U16(array.as_primitive::<UInt16Type>().values()),
            DataType::UInt32 => Values::U32(array.as_primitive::<UInt32Type>().values()),
            DataType::UInt64 => Values::U64(array.as_primitive::<UInt64Type>().values()),
            DataType::Float32 => Values::F32(array.as_primitive::<Float32Type>().values()),
            DataType::Float64 => Values::F64(array.as_primitive::<Float64Type>().values()),
            DataType::Timestamp(unit, _) => Values::I64(match unit {
                TimeUnit::Second => array.as_primitive::<TimestampSecondType>().values(),
                TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().values(),
                TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().values(),
                TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().values(),
            }),
            DataType::Date32 => Values::I32(array.as_primitive::<Date32Type>().values()),
            DataType::Date64 => Values::I64(array.as_primitive::<Date64Type>().values()),
            DataType::Time32(TimeUnit::Second) => {
                Values::I32(array.as_primitive::<Time32SecondType>().values())
            }
            DataType::Time32(TimeUnit::Millisecond) => {
                Values::I32(array.as_primitive::<Time32MillisecondType>().values())
            }
            DataType::Time64(TimeUnit::Microsecond) => {
                Values::I64(array.as_primitive::<Time64MicrosecondType>().values())
            }
            DataType::Time64(TimeUnit::Nanosecond) => {
                Values::I64(array.as_primitive::<Time64NanosecondType>().values())
            }
            DataType::Duration(unit) => Values::I64(match unit {
                TimeUnit::Second => array.as_primitive::<DurationSecondType>().values(),
                TimeUnit::Millisecond => array.as_primitive::<DurationMillisecondType>().values(),
                TimeUnit::Microsecond => array.as_primitive::<DurationMicrosecondType>().values(),
                TimeUnit::Nanosecond => array.as_primitive::<DurationNanosecondType>().values(),
            }),
            DataType::Decimal128(_, _) => Values::Decimal(array.as_primitive::<Decimal128Type>().values()),
            DataType::Utf8 => Values::Text(Text { values: array.as_string::<i32>(), codes: Codes::Plain }),
            DataType::Dictionary(_, _) => Values::Text(dictionary(array)?),
            _ => return Err(unsupported(array)),
        };
        let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        Ok(Self { values, nulls, len: array.len() })
    }

    #[inline]
    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// The class of the values.
    pub(crate) fn class(&self) -> ValueClass {
        match self.values {
            Values::Bool(_) => ValueClass::Bool,
            Values::I8(_) | Values::I16(_) | Values::I32(_) | Values::I64(_) => ValueClass::Int,
            Values::U8(_) | Values::U16(_) | Values::U32(_) | Values::U64(_) => ValueClass::UInt,
            Values::F32(_) => ValueClass::F32,
            Values::F64(_) => ValueClass::F64,
            Values::Decimal(_) => ValueClass::Decimal,
            Values::Text(_) => ValueClass::Text,
        }
    }

    /// One row as a value; `None` if null.
    pub(crate) fn value(&self, row: usize) -> Option<Value> {
        if self.is_null(row) {
            return None;
        }
        Some(with_values!(&self.values,
            numbers => numbers[row].value(),
            decimals => Value::Decimal(decimals[row]),
            bools => Value::Bool(bools.value(row)),
            texts => Value::Text(texts.value(row).to_owned())))
    }
}

fn dictionary(array: &dyn Array) -> Result<Text<'_>> {
    let (values, codes) = match array.data_type() {
        DataType::Dictionary(keys, values) if **values == DataType::Utf8 => match **keys {
            DataType::Int32 => {
                let dictionary = array.as_dictionary::<Int32Type>();
                (dictionary.values(), Codes::I32(dictionary.keys().values()))
            }
            DataType::UInt32 => {
                let dictionary = array.as_dictionary::<UInt32Type>();
                (dictionary.values(), Codes::U32(dictionary.keys().values()))
            }
            _ => return Err(unsupported(array)),
        },
        _ => return Err(unsupported(array)),
    };
    Ok(Text { values: values.as_string::<i32>(), codes })
}

fn unsupported(array: &dyn Array) -> Error {
    Error::unsupported("column type is not supported").with("type", array.data_type())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use arrow_array::{DictionaryArray, Int32Array};

    #[test]
    fn keys_give_their_values_back() {
        for value in [f64::NEG_INFINITY, -0.0, 0.0, 1.5, f64::from_bits(0xfff8_0000_0000_0003)] {
            assert_eq!(f64::of_key(value.key()).to_bits(), value.to_bits());
            let narrow = value as f32;
            assert_eq!(f32::of_key(narrow.key()).to_bits(), narrow.to_bits());
        }
        assert_eq!([i64::MIN, -1, i64::MAX].map(|v| i64::of_key(v.key())), [i64::MIN, -1, i64::MAX]);
        assert_eq!([i8::MIN, -1, i8::MAX].map(|v| i8::of_key(v.key())), [i8::MIN, -1, i8::MAX]);
    }

    #[test]
    fn a_null_behind_a_code_is_a_null_row() {
        let values = Arc::new(StringArray::from(vec![Some("a"), None]));
        let keys = Int32Array::from(vec![Some(0), Some(1), None]);
        let array = DictionaryArray::new(keys, values);
        let column = Column::new(&array).unwrap();
        assert_eq!([0, 1, 2].map(|row| column.value(row)), [Some(Value::Text("a".into())), None, None]);
    }
}
