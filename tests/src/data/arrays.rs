//! Arrays from single values and back, independent of Arrow's kernels.
//!
//! A [`Cell`] is one value by its bits. Signed integers are sign-extended, everything else zero-extended, so that equal
//! values have equal cells and nothing that is compared here can lose a NaN payload or the sign of a zero.

use std::sync::Arc;

use arrow_array::types::{
    Date32Type, Date64Type, DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType,
    DurationSecondType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, Decimal128Array, DictionaryArray,
    Int32Array, PrimitiveArray, StringArray,
};
use arrow_buffer::{BooleanBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, TimeUnit};
use tsds_traits::{Value, ValueClass};

use crate::{CaseResult, Failure};

/// One non-null value by its bits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cell {
    /// Integers, times of every kind, floats and booleans.
    Bits(u64),
    /// Text and raw bytes.
    Bytes(Vec<u8>),
    /// Decimals, in units of their scale.
    Wide(i128),
}

/// How an array lies in memory. Two arrays that differ in their layout only are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// How many other values stand before the first one: the array's offset.
    pub before: usize,
    /// How many other values stand behind the last one.
    pub after: usize,
    /// Something else than zeros stands under nulls, and dictionaries are unsorted and hold what nobody uses.
    pub untidy: bool,
}

impl Layout {
    /// Nothing around the values, zeros under nulls.
    pub const COMPACT: Self = Self { before: 0, after: 0, untidy: false };
}

/// A value's cell.
pub fn cell_of(value: &Value) -> Cell {
    match value {
        Value::Bool(value) => Cell::Bits(u64::from(*value)),
        Value::Int(value) => Cell::Bits(*value as u64),
        Value::UInt(value) => Cell::Bits(*value),
        Value::F32(value) => Cell::Bits(u64::from(value.to_bits())),
        Value::F64(value) => Cell::Bits(value.to_bits()),
        Value::Text(value) => Cell::Bytes(value.clone().into_bytes()),
        Value::Decimal(value) => Cell::Wide(*value),
        // A variant that the generators do not know: it equals nothing that they build.
        other => Cell::Bytes(format!("{other:?}").into_bytes()),
    }
}

/// The value of a cell of a stored type; `None` for bytes that are no text and for types that are not stored.
pub fn value_of(data_type: &DataType, cell: &Cell) -> Option<Value> {
    Some(match (ValueClass::of(data_type)?, cell) {
        (ValueClass::Bool, Cell::Bits(bits)) => Value::Bool(*bits != 0),
        (ValueClass::Int, Cell::Bits(bits)) => Value::Int(*bits as i64),
        (ValueClass::UInt, Cell::Bits(bits)) => Value::UInt(*bits),
        (ValueClass::F32, Cell::Bits(bits)) => Value::F32(f32::from_bits(*bits as u32)),
        (ValueClass::F64, Cell::Bits(bits)) => Value::F64(f64::from_bits(*bits)),
        (ValueClass::Text, Cell::Bytes(bytes)) => Value::Text(String::from_utf8(bytes.clone()).ok()?),
        (ValueClass::Decimal, Cell::Wide(value)) => Value::Decimal(*value),
        _ => return None,
    })
}

/// Cuts a decimal to what fits so many digits.
pub fn within_digits(precision: u8, value: i128) -> i128 {
    10i128.checked_pow(precision.into()).map_or(value, |end| value % end)
}

/// Cuts or extends bits to what a cell of this type can be.
pub fn canonical_bits(data_type: &DataType, bits: u64) -> u64 {
    match data_type {
        DataType::Boolean => bits & 1,
        DataType::Int8 => bits as i8 as u64,
        DataType::Int16 => bits as i16 as u64,
        DataType::Int32 | DataType::Date32 | DataType::Time32(_) => bits as i32 as u64,
        DataType::UInt8 => u64::from(bits as u8),
        DataType::UInt16 => u64::from(bits as u16),
        DataType::UInt32 | DataType::Float32 => u64::from(bits as u32),
        _ => bits,
    }
}

/// A primitive type whose values are made of bits.
trait Bits: ArrowPrimitiveType {
    fn from_bits(bits: u64) -> Self::Native;
    fn to_bits(native: Self::Native) -> u64;
}

macro_rules! integer_bits {
    ($($arrow:ty),*) => {$(
        impl Bits for $arrow {
            fn from_bits(bits: u64) -> Self::Native {
                bits as Self::Native
            }
            fn to_bits(native: Self::Native) -> u64 {
                native as u64
            }
        }
    )*};
}

integer_bits!(
    Int8Type,
    Int16Type,
    Int32Type,
    Int64Type,
    UInt8Type,
    UInt16Type,
    UInt32Type,
    UInt64Type,
    TimestampSecondType,
    TimestampMillisecondType,
    TimestampMicrosecondType,
    TimestampNanosecondType,
    Date32Type,
    Date64Type,
    Time32SecondType,
    Time32MillisecondType,
    Time64MicrosecondType,
    Time64NanosecondType,
    DurationSecondType,
    DurationMillisecondType,
    DurationMicrosecondType,
    DurationNanosecondType
);

impl Bits for Float32Type {
    fn from_bits(bits: u64) -> f32 {
        f32::from_bits(bits as u32)
    }
    fn to_bits(native: f32) -> u64 {
        u64::from(native.to_bits())
    }
}

impl Bits for Float64Type {
    fn from_bits(bits: u64) -> f64 {
        f64::from_bits(bits)
    }
    fn to_bits(native: f64) -> u64 {
        native.to_bits()
    }
}

/// Calls a generic function with the Arrow type of a primitive `DataType`.
macro_rules! for_primitive {
    ($data_type:expr, $function:ident ( $($argument:expr),* ), else $otherwise:expr) => {
        match $data_type {
            DataType::Int8 => $function::<Int8Type>($($argument),*),
            DataType::Int16 => $function::<Int16Type>($($argument),*),
            DataType::Int32 => $function::<Int32Type>($($argument),*),
            DataType::Int64 => $function::<Int64Type>($($argument),*),
            DataType::UInt8 => $function::<UInt8Type>($($argument),*),
            DataType::UInt16 => $function::<UInt16Type>($($argument),*),
            DataType::UInt32 => $function::<UInt32Type>($($argument),*),
            DataType::UInt64 => $function::<UInt64Type>($($argument),*),
            DataType::Float32 => $function::<Float32Type>($($argument),*),
            DataType::Float64 => $function::<Float64Type>($($argument),*),
            DataType::Timestamp(TimeUnit::Second, _) => $function::<TimestampSecondType>($($argument),*),
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                $function::<TimestampMillisecondType>($($argument),*)
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                $function::<TimestampMicrosecondType>($($argument),*)
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                $function::<TimestampNanosecondType>($($argument),*)
            }
            DataType::Date32 => $function::<Date32Type>($($argument),*),
            DataType::Date64 => $function::<Date64Type>($($argument),*),
            DataType::Time32(TimeUnit::Second) => $function::<Time32SecondType>($($argument),*),
            DataType::Time32(TimeUnit::Millisecond) => $function::<Time32MillisecondType>($($argument),*),
            DataType::Time64(TimeUnit::Microsecond) => $function::<Time64MicrosecondType>($($argument),*),
            DataType::Time64(TimeUnit::Nanosecond) => $function::<Time64NanosecondType>($($argument),*),
            DataType::Duration(TimeUnit::Second) => $function::<DurationSecondType>($($argument),*),
            DataType::Duration(TimeUnit::Millisecond) => $function::<DurationMillisecondType>($($argument),*),
            DataType::Duration(TimeUnit::Microsecond) => $function::<DurationMicrosecondType>($($argument),*),
            DataType::Duration(TimeUnit::Nanosecond) => $function::<DurationNanosecondType>($($argument),*),
            _ => $otherwise,
        }
    };
}

/// What stands under nulls in untidy arrays.
const DEBRIS_BITS: u64 = 0xa5a5_a5a5_a5a5_a5a5;
const DEBRIS_TEXT: &[u8] = b"debris";

/// An array of these cells in this layout. An array without a null has no validity buffer when compact, and one that says
/// that all is valid when untidy.
///
/// # Errors
///
/// A failure for a type that is not generated, and for a cell of another class.
pub fn build(data_type: &DataType, cells: &[Option<Cell>], layout: Layout) -> CaseResult<ArrayRef> {
    // What stands around the array is what an offset must skip: values, and nulls too if the array has any.
    let filler = cells.iter().find(|cell| cell.is_some()).cloned().flatten();
    let has_null = cells.iter().any(Option::is_none);
    let around =
        |count: usize| (0..count).map(|index| if has_null && index % 3 == 0 { None } else { filler.clone() });
    let all: Vec<Option<Cell>> =
        around(layout.before).chain(cells.iter().cloned()).chain(around(layout.after)).collect();
    let array = build_whole(data_type, &all, layout.untidy)?;
    Ok(array.slice(layout.before, cells.len()))
}

fn build_whole(data_type: &DataType, cells: &[Option<Cell>], untidy: bool) -> CaseResult<ArrayRef> {
    Ok(match data_type {
        DataType::Boolean => {
            let bits = bits_of(data_type, cells, untidy)?;
            let values = BooleanBuffer::from_iter(bits.iter().map(|bits| bits & 1 == 1));
            Arc::new(BooleanArray::new(values, nulls_of(cells, untidy)))
        }
        DataType::Utf8 => {
            let (offsets, bytes) = offsets_of(cells, untidy)?;
            Arc::new(StringArray::try_new(offsets, bytes.into(), nulls_of(cells, untidy))?)
        }
        DataType::Binary => {
            let (offsets, bytes) = offsets_of(cells, untidy)?;
            Arc::new(BinaryArray::try_new(offsets, bytes.into(), nulls_of(cells, untidy))?)
        }
        DataType::Decimal128(_, _) => {
            let under_null = if untidy { i128::from(DEBRIS_BITS) << 64 } else { 0 };
            let value = |cell: &Option<Cell>| match cell {
                None => Ok(under_null),
                Some(Cell::Wide(value)) => Ok(*value),
                Some(_) => Err(Failure::new(format!("no decimal in an array of type {data_type}"))),
            };
            let values = cells.iter().map(value).collect::<CaseResult<Vec<i128>>>()?;
            let array = Decimal128Array::try_new(values.into(), nulls_of(cells, untidy))?;
            Arc::new(array.with_data_type(data_type.clone()))
        }
        DataType::Dictionary(keys, values) if **keys == DataType::Int32 && **values == DataType::Utf8 => {
            dictionary_of(cells, untidy)?
        }
        other => for_primitive!(other, primitive_of(other, cells, untidy), else {
            return Err(Failure::new(format!("no arrays are generated of type {other}")));
        })?,
    })
}

fn primitive_of<T: Bits>(data_type: &DataType, cells: &[Option<Cell>], untidy: bool) -> CaseResult<ArrayRef> {
    let values: Vec<T::Native> = bits_of(data_type, cells, untidy)?.into_iter().map(T::from_bits).collect();
    let array = PrimitiveArray::<T>::try_new(ScalarBuffer::from(values), nulls_of(cells, untidy))?;
    Ok(Arc::new(array.with_data_type(data_type.clone())))
}

fn nulls_of(cells: &[Option<Cell>], untidy: bool) -> Option<NullBuffer> {
    let has_null = cells.iter().any(Option::is_none);
    (has_null || untidy).then(|| NullBuffer::from_iter(cells.iter().map(Option::is_some)))
}

fn bits_of(data_type: &DataType, cells: &[Option<Cell>], untidy: bool) -> CaseResult<Vec<u64>> {
    let under_null = if untidy { DEBRIS_BITS } else { 0 };
    let bits = cells.iter().map(|cell| match cell {
        None => Ok(under_null),
        Some(Cell::Bits(bits)) => Ok(*bits),
        Some(_) => Err(Failure::new(format!("bytes or a decimal in an array of type {data_type}"))),
    });
    bits.collect()
}

fn bytes_of(cell: &Cell) -> CaseResult<&[u8]> {
    match cell {
        Cell::Bytes(bytes) => Ok(bytes),
        _ => Err(Failure::new("bits or a decimal in an array of bytes")),
    }
}

fn offsets_of(cells: &[Option<Cell>], untidy: bool) -> CaseResult<(OffsetBuffer<i32>, Vec<u8>)> {
    let (mut offsets, mut bytes) = (vec![0i32], Vec::new());
    for cell in cells {
        match cell {
            Some(cell) => bytes.extend_from_slice(bytes_of(cell)?),
            None if untidy => bytes.extend_from_slice(DEBRIS_TEXT),
            None => {}
        }
        let end = i32::try_from(bytes.len()).map_err(|_| Failure::new("generated array is too large"))?;
        offsets.push(end);
    }
    Ok((OffsetBuffer::new(offsets.into()), bytes))
}

fn dictionary_of(cells: &[Option<Cell>], untidy: bool) -> CaseResult<ArrayRef> {
    let mut distinct: Vec<Cell> = cells.iter().flatten().cloned().collect();
    distinct.sort_unstable();
    distinct.dedup();
    if untidy {
        distinct.reverse();
        distinct.insert(0, Cell::Bytes(DEBRIS_TEXT.to_vec()));
    }
    let mut keys = Vec::with_capacity(cells.len());
    for cell in cells {
        let position = cell.as_ref().and_then(|cell| distinct.iter().rposition(|other| other == cell));
        keys.push(
            position.map_or(Ok(0), i32::try_from).map_err(|_| Failure::new("too many distinct values"))?,
        );
    }
    let values: Vec<Option<Cell>> = distinct.into_iter().map(Some).collect();
    let keys = Int32Array::try_new(keys.into(), nulls_of(cells, untidy))?;
    let values = build_whole(&DataType::Utf8, &values, false)?;
    Ok(Arc::new(DictionaryArray::try_new(keys, values)?))
}

/// The cells of an array.
///
/// # Errors
///
/// A failure for a type that is not generated.
pub fn read(array: &dyn Array) -> CaseResult<Vec<Option<Cell>>> {
    let data_type = array.data_type();
    let mismatch = || Failure::new(format!("array of type {data_type} is made of something else"));
    let valid = |index: usize| array.is_valid(index);
    let bits_at = |at: &dyn Fn(usize) -> u64| -> Vec<Option<Cell>> {
        (0..array.len()).map(|index| valid(index).then(|| Cell::Bits(at(index)))).collect()
    };
    Ok(match data_type {
        DataType::Boolean => {
            let array = array.as_any().downcast_ref::<BooleanArray>().ok_or_else(mismatch)?;
            bits_at(&|index| u64::from(array.value(index)))
        }
        DataType::Utf8 => {
            let array = array.as_any().downcast_ref::<StringArray>().ok_or_else(mismatch)?;
            let bytes = |index| Cell::Bytes(array.value(index).as_bytes().to_vec());
            (0..array.len()).map(|index| valid(index).then(|| bytes(index))).collect()
        }
        DataType::Binary => {
            let array = array.as_any().downcast_ref::<BinaryArray>().ok_or_else(mismatch)?;
            let bytes = |index| Cell::Bytes(array.value(index).to_vec());
            (0..array.len()).map(|index| valid(index).then(|| bytes(index))).collect()
        }
        DataType::Decimal128(_, _) => {
            let array = array.as_any().downcast_ref::<Decimal128Array>().ok_or_else(mismatch)?;
            (0..array.len()).map(|index| valid(index).then(|| Cell::Wide(array.value(index)))).collect()
        }
        DataType::Dictionary(_, _) => {
            let array = array.as_any().downcast_ref::<DictionaryArray<Int32Type>>().ok_or_else(mismatch)?;
            let values = read(array.values())?;
            let mut cells = Vec::with_capacity(array.len());
            for index in 0..array.len() {
                let key = valid(index).then(|| array.keys().value(index));
                cells.push(match key {
                    None => None,
                    Some(key) => usize::try_from(key)
                        .ok()
                        .and_then(|key| values.get(key))
                        .ok_or_else(|| Failure::new(format!("key {key} is not in the dictionary")))?
                        .clone(),
                });
            }
            cells
        }
        other => for_primitive!(other, read_primitive(array), else {
            return Err(Failure::new(format!("arrays of type {other} are not read")));
        })?,
    })
}

fn read_primitive<T: Bits>(array: &dyn Array) -> CaseResult<Vec<Option<Cell>>> {
    let primitive = array.as_any().downcast_ref::<PrimitiveArray<T>>().ok_or_else(|| {
        Failure::new(format!("array of type {} is made of something else", array.data_type()))
    })?;
    let cell = |index| Cell::Bits(T::to_bits(primitive.value(index)));
    Ok((0..array.len()).map(|index| array.is_valid(index).then(|| cell(index))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::edges::{block_types, edge_cells, stored_types};

    #[test]
    fn what_is_built_reads_back_in_every_layout() {
        for data_type in stored_types().into_iter().chain(block_types()) {
            let mut cells: Vec<Option<Cell>> = edge_cells(&data_type).into_iter().map(Some).collect();
            cells.insert(1, None);
            for (before, after, untidy) in [(0, 0, false), (3, 2, true), (13, 0, false), (0, 1, true)] {
                let layout = Layout { before, after, untidy };
                let array = build(&data_type, &cells, layout).unwrap();
                assert_eq!(array.data_type(), &data_type);
                assert_eq!(read(&array).unwrap(), cells, "{data_type} {layout:?}");
                array.to_data().validate_full().unwrap();
            }
        }
    }

    #[test]
    fn cells_and_values_correspond() {
        for data_type in stored_types() {
            for cell in edge_cells(&data_type) {
                let value = value_of(&data_type, &cell).unwrap();
                assert_eq!(cell_of(&value), cell, "{data_type}");
                if let Cell::Bits(bits) = cell {
                    assert_eq!(canonical_bits(&data_type, bits), bits, "{data_type}");
                }
            }
        }
    }
}
