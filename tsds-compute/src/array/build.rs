//! Arrays of any stored type from keys and texts.

use std::sync::Arc;

use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, Decimal128Array, PrimitiveArray, StringArray,
    make_array,
};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::DataType;
use tsds_traits::{Error, Result, integer_form};

use super::cast::conform;
use super::view::Native;

/// The array of the values with these order-preserving keys.
///
/// # Errors
///
/// `Unsupported` for a type without keys.
pub fn from_keys(data_type: &DataType, keys: &[u64], nulls: Option<NullBuffer>) -> Result<ArrayRef> {
    fn primitive<T: ArrowPrimitiveType>(keys: &[u64], nulls: Option<NullBuffer>) -> PrimitiveArray<T>
    where
        T::Native: Native,
    {
        PrimitiveArray::new(keys.iter().map(|key| T::Native::of_key(*key)).collect(), nulls)
    }
    Ok(match data_type {
        DataType::Boolean => {
            Arc::new(BooleanArray::new(BooleanBuffer::from_iter(keys.iter().map(|key| *key != 0)), nulls))
        }
        DataType::Int8 => Arc::new(primitive::<Int8Type>(keys, nulls)),
        DataType::Int16 => Arc::new(primitive::<Int16Type>(keys, nulls)),
        DataType::Int32 => Arc::new(primitive::<Int32Type>(keys, nulls)),
        DataType::Int64 => Arc::new(primitive::<Int64Type>(keys, nulls)),
        DataType::UInt8 => Arc::new(primitive::<UInt8Type>(keys, nulls)),
        DataType::UInt16 => Arc::new(primitive::<UInt16Type>(keys, nulls)),
        DataType::UInt32 => Arc::new(primitive::<UInt32Type>(keys, nulls)),
        DataType::UInt64 => Arc::new(primitive::<UInt64Type>(keys, nulls)),
        DataType::Float32 => Arc::new(primitive::<Float32Type>(keys, nulls)),
        DataType::Float64 => Arc::new(primitive::<Float64Type>(keys, nulls)),
        other => match integer_form(other) {
            Some(integers) => relabelled(&from_keys(&integers, keys, nulls)?, other)?,
            None => return Err(Error::unsupported("column type is not supported").with("type", other)),
        },
    })
}

/// The same numbers under another type that lies alike in memory: integers as what [`integer_form`] says they can be, or back.
///
/// # Errors
///
/// `Internal` for types that do not lie alike.
pub fn relabelled(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    let form = |data_type: &DataType| integer_form(data_type).unwrap_or_else(|| data_type.clone());
    if form(array.data_type()) != form(data_type) {
        return Err(Error::internal("values do not lie in memory like those of the other type")
            .with("type", array.data_type())
            .with("other_type", data_type));
    }
    let data = array.to_data().into_builder().data_type(data_type.clone()).build()?;
    Ok(make_array(data))
}

/// The array of these texts, plain or as a dictionary.
///
/// # Errors
///
/// `InvalidInput` for a type that is no text.
pub(crate) fn from_texts<'a>(
    data_type: &DataType,
    texts: impl Iterator<Item = Option<&'a str>>,
) -> Result<ArrayRef> {
    let plain: ArrayRef = Arc::new(texts.collect::<StringArray>());
    conform(&plain, data_type)
}

/// The array of these decimals.
///
/// # Errors
///
/// `InvalidInput` for a type that is no decimal.
pub(crate) fn from_decimals(
    data_type: &DataType,
    values: impl Iterator<Item = Option<i128>>,
) -> Result<ArrayRef> {
    if !matches!(data_type, DataType::Decimal128(_, _)) {
        return Err(Error::invalid_input("column holds no decimals").with("type", data_type));
    }
    Ok(Arc::new(values.collect::<Decimal128Array>().with_data_type(data_type.clone())))
}

/// Which of some values are there; `None` if all are.
pub(crate) fn nulls_of(valid: impl ExactSizeIterator<Item = bool>) -> Option<NullBuffer> {
    let nulls = NullBuffer::from_iter(valid);
    (nulls.null_count() > 0).then_some(nulls)
}
