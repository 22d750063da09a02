//! The values of a batch, whatever their Arrow type.

use std::io;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal128Type, DurationMicrosecondType, DurationMillisecondType,
    DurationNanosecondType, DurationSecondType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, BooleanArray, PrimitiveArray, StringArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, TimeUnit};
use tsds_traits::is_payload_type;

use super::time::{append_date, append_time, append_time_of_day};

const MILLIS_PER_DAY: i64 = 86_400_000;

/// One value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell<'a> {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    F32(f32),
    F64(f64),
    Time(i64, TimeUnit),
    /// Days since 1970.
    Date(i64),
    /// Milliseconds since 1970, which need not be whole days.
    DateMillis(i64),
    TimeOfDay(i64, TimeUnit),
    /// Units of a scale.
    Decimal(i128, i8),
    Text(&'a str),
    /// A value of a payload column, which is not null: the row of an array.
    Payload(&'a dyn Array, usize),
}

/// The values of one column of a batch.
#[derive(Debug)]
pub(super) struct Column<'a> {
    nulls: Option<&'a NullBuffer>,
    values: Values<'a>,
}

#[derive(Debug)]
enum Values<'a> {
    Bool(&'a BooleanArray),
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
    Time(&'a [i64], TimeUnit),
    Days(&'a [i32]),
    Millis(&'a [i64]),
    TimeOfDay32(&'a [i32], TimeUnit),
    TimeOfDay64(&'a [i64], TimeUnit),
    Decimal(&'a [i128], i8),
    Text(&'a StringArray),
    Dictionary(&'a [i32], &'a StringArray),
    Payload(&'a dyn Array),
}

impl<'a> Column<'a> {
    /// Looks into an array.
    ///
    /// # Errors
    ///
    /// `Unsupported` for a type that no table has.
    pub(super) fn new(array: &'a dyn Array) -> io::Result<Self> {
        let unsupported = || {
            io::Error::new(
                io::ErrorKind::Unsupported,
                format!("a column of type {} cannot be shown", array.data_type()),
            )
        };
        let values = match array.data_type() {
            DataType::Boolean => Values::Bool(array.as_boolean()),
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
            DataType::Timestamp(unit, _) => Values::Time(times(array, *unit).ok_or_else(unsupported)?, *unit),
            DataType::Date32 => Values::Days(array.as_primitive::<Date32Type>().values()),
            DataType::Date64 => Values::Millis(array.as_primitive::<Date64Type>().values()),
            DataType::Time32(unit) => Values::TimeOfDay32(
                match unit {
                    TimeUnit::Second => array.as_primitive::<Time32SecondType>().values(),
                    TimeUnit::Millisecond => array.as_primitive::<Time32MillisecondType>().values(),
                    _ => return Err(unsupported()),
                },
                *unit,
            ),
            DataType::Time64(unit) => Values::TimeOfDay64(
                match unit {
                    TimeUnit::Microsecond => array.as_primitive::<Time64MicrosecondType>().values(),
                    TimeUnit::Nanosecond => array.as_primitive::<Time64NanosecondType>().values(),
                    _ => return Err(unsupported()),
                },
                *unit,
            ),
            // A number of the column's unit: exact, and what an import takes.
            DataType::Duration(unit) => Values::I64(match unit {
                TimeUnit::Second => array.as_primitive::<DurationSecondType>().values(),
                TimeUnit::Millisecond => array.as_primitive::<DurationMillisecondType>().values(),
                TimeUnit::Microsecond => array.as_primitive::<DurationMicrosecondType>().values(),
                TimeUnit::Nanosecond => array.as_primitive::<DurationNanosecondType>().values(),
            }),
            DataType::Decimal128(_, scale) => {
                Values::Decimal(array.as_primitive::<Decimal128Type>().values(), *scale)
            }
            DataType::Utf8 => Values::Text(array.as_string()),
            DataType::Dictionary(..) => {
                let dictionary = array.as_dictionary_opt::<Int32Type>().ok_or_else(unsupported)?;
                let texts = dictionary.values().as_string_opt::<i32>().ok_or_else(unsupported)?;
                Values::Dictionary(dictionary.keys().values(), texts)
            }
            other if is_payload_type(other) => Values::Payload(array),
            _ => return Err(unsupported()),
        };
        Ok(Self { nulls: array.nulls(), values })
    }

    /// The value of a row; null beyond the end.
    pub(super) fn cell(&self, row: usize) -> Cell<'a> {
        if self.nulls.is_some_and(|nulls| row >= nulls.len() || nulls.is_null(row)) {
            return Cell::Null;
        }
        match &self.values {
            Values::Bool(array) if row < array.len() => Cell::Bool(array.value(row)),
            Values::Bool(_) => Cell::Null,
            Values::I8(values) => values.get(row).map_or(Cell::Null, |value| Cell::Int((*value).into())),
            Values::I16(values) => values.get(row).map_or(Cell::Null, |value| Cell::Int((*value).into())),
            Values::I32(values) => values.get(row).map_or(Cell::Null, |value| Cell::Int((*value).into())),
            Values::I64(values) => values.get(row).map_or(Cell::Null, |value| Cell::Int(*value)),
            Values::U8(values) => values.get(row).map_or(Cell::Null, |value| Cell::UInt((*value).into())),
            Values::U16(values) => values.get(row).map_or(Cell::Null, |value| Cell::UInt((*value).into())),
            Values::U32(values) => values.get(row).map_or(Cell::Null, |value| Cell::UInt((*value).into())),
            Values::U64(values) => values.get(row).map_or(Cell::Null, |value| Cell::UInt(*value)),
            Values::F32(values) => values.get(row).map_or(Cell::Null, |value| Cell::F32(*value)),
            Values::F64(values) => values.get(row).map_or(Cell::Null, |value| Cell::F64(*value)),
            Values::Time(values, unit) => {
                values.get(row).map_or(Cell::Null, |value| Cell::Time(*value, *unit))
            }
            Values::Days(values) => values.get(row).map_or(Cell::Null, |value| Cell::Date((*value).into())),
            Values::Millis(values) => values.get(row).map_or(Cell::Null, |value| Cell::DateMillis(*value)),
            Values::TimeOfDay32(values, unit) => {
                values.get(row).map_or(Cell::Null, |value| Cell::TimeOfDay((*value).into(), *unit))
            }
            Values::TimeOfDay64(values, unit) => {
                values.get(row).map_or(Cell::Null, |value| Cell::TimeOfDay(*value, *unit))
            }
            Values::Decimal(values, scale) => {
                values.get(row).map_or(Cell::Null, |value| Cell::Decimal(*value, *scale))
            }
            Values::Payload(array) if row < array.len() => Cell::Payload(*array, row),
            Values::Payload(_) => Cell::Null,
            Values::Text(array) => text(array, row),
            Values::Dictionary(keys, texts) => {
                let key = keys.get(row).and_then(|key| usize::try_from(*key).ok());
                key.map_or(Cell::Null, |key| text(texts, key))
            }
        }
    }
}

fn text(array: &StringArray, row: usize) -> Cell<'_> {
    if row < array.len() && array.is_valid(row) { Cell::Text(array.value(row)) } else { Cell::Null }
}

fn times(array: &dyn Array, unit: TimeUnit) -> Option<&[i64]> {
    use arrow_array::types::{
        TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    };
    fn values<T: arrow_array::types::ArrowPrimitiveType<Native = i64>>(array: &dyn Array) -> Option<&[i64]> {
        array.as_any().downcast_ref::<PrimitiveArray<T>>().map(|array| &**array.values())
    }
    match unit {
        TimeUnit::Second => values::<TimestampSecondType>(array),
        TimeUnit::Millisecond => values::<TimestampMillisecondType>(array),
        TimeUnit::Microsecond => values::<TimestampMicrosecondType>(array),
        TimeUnit::Nanosecond => values::<TimestampNanosecondType>(array),
    }
}

fn append_decimal(value: i128, scale: i8, out: &mut Vec<u8>) {
    let scale = usize::from(scale.unsigned_abs());
    let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
    if value < 0 {
        out.push(b'-');
    }
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    out.extend_from_slice(whole.as_bytes());
    if !fraction.is_empty() {
        out.push(b'.');
        out.extend_from_slice(fraction.as_bytes());
    }
}

impl Cell<'_> {
    /// Appends a number, a decimal with all digits of its scale, or a boolean; false for every other kind of value.
    pub(super) fn append_number(&self, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
            Self::Int(value) => out.extend_from_slice(itoa::Buffer::new().format(*value).as_bytes()),
            Self::Decimal(value, scale) => append_decimal(*value, *scale, out),
            Self::UInt(value) => out.extend_from_slice(itoa::Buffer::new().format(*value).as_bytes()),
            Self::F32(value) if value.is_finite() => {
                out.extend_from_slice(zmij::Buffer::new().format_finite(*value).as_bytes());
            }
            Self::F64(value) if value.is_finite() => {
                out.extend_from_slice(zmij::Buffer::new().format_finite(*value).as_bytes());
            }
            _ => return false,
        }
        true
    }

    /// Appends a date or a time of day as text without characters that need quotes; false for every other kind of value.
    pub(super) fn append_calendar(&self, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Date(days) => append_date(*days, out),
            Self::DateMillis(millis) if millis.rem_euclid(MILLIS_PER_DAY) == 0 => {
                append_date(millis.div_euclid(MILLIS_PER_DAY), out);
            }
            Self::DateMillis(millis) => append_time(*millis, TimeUnit::Millisecond, b'T', out),
            Self::TimeOfDay(value, unit) => append_time_of_day(*value, *unit, out),
            _ => return false,
        }
        true
    }

    /// The name of a float that is no number.
    pub(super) fn special(&self) -> Option<&'static str> {
        let value = match self {
            Self::F32(value) => f64::from(*value),
            Self::F64(value) => *value,
            _ => return None,
        };
        Some(match value {
            value if value.is_nan() => "NaN",
            value if value > 0.0 => "inf",
            _ => "-inf",
        })
    }
}
