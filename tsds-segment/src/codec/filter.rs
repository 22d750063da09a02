//! Which rows of an array have a key in a set.

use std::ops::RangeInclusive;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::{BooleanBuffer, Buffer, ScalarBuffer};
use arrow_schema::DataType;
use tsds_traits::{Error, KeySet, Result, integer_form, key_of_f32, key_of_f64, key_of_i64};

/// Beyond this many ranges a binary search per value is cheaper than one pass per range.
const MAX_PASSES: usize = 8;

/// The rows that are not null and whose key is in `keys`.
///
/// # Errors
///
/// `Unsupported` for types without keys.
pub(super) fn matching_rows(array: &ArrayRef, keys: &KeySet) -> Result<BooleanBuffer> {
    macro_rules! filter {
        ($type:ty, $key:expr) => {
            select(array.as_primitive::<$type>().values(), keys, $key)
        };
    }
    let bits = match array.data_type() {
        DataType::Boolean => booleans(array.as_boolean().values(), keys),
        DataType::Int8 => filter!(Int8Type, |v| key_of_i64(v.into())),
        DataType::Int16 => filter!(Int16Type, |v| key_of_i64(v.into())),
        DataType::Int32 => filter!(Int32Type, |v| key_of_i64(v.into())),
        DataType::Int64 => filter!(Int64Type, key_of_i64),
        DataType::UInt8 => filter!(UInt8Type, u64::from),
        DataType::UInt16 => filter!(UInt16Type, u64::from),
        DataType::UInt32 => filter!(UInt32Type, u64::from),
        DataType::UInt64 => filter!(UInt64Type, |v| v),
        DataType::Float32 => filter!(Float32Type, |v| key_of_f32(v).into()),
        DataType::Float64 => filter!(Float64Type, key_of_f64),
        other => {
            let data = array.to_data();
            let values = || data.buffers().first().cloned().unwrap_or_default();
            match integer_form(other) {
                Some(DataType::Int32) => {
                    let values = ScalarBuffer::<i32>::new(values(), data.offset(), data.len());
                    select(&values, keys, |value| key_of_i64(value.into()))
                }
                Some(DataType::Int64) => {
                    select(&ScalarBuffer::<i64>::new(values(), data.offset(), data.len()), keys, key_of_i64)
                }
                _ => {
                    return Err(Error::unsupported("type has no order-preserving keys").with("type", other));
                }
            }
        }
    };
    Ok(match array.nulls() {
        Some(nulls) => &bits & nulls.inner(),
        None => bits,
    })
}

fn booleans(values: &BooleanBuffer, keys: &KeySet) -> BooleanBuffer {
    match (keys.contains(0), keys.contains(1)) {
        (true, true) => BooleanBuffer::new_set(values.len()),
        (false, true) => values.clone(),
        (true, false) => !values,
        (false, false) => BooleanBuffer::new_unset(values.len()),
    }
}

fn select<T: Copy>(values: &[T], keys: &KeySet, key: impl Fn(T) -> u64) -> BooleanBuffer {
    match keys.ranges() {
        [] => BooleanBuffer::new_unset(values.len()),
        [first, rest @ ..] if rest.len() < MAX_PASSES => {
            let one = |range: &RangeInclusive<u64>| {
                // One unsigned comparison per value: what lies below the range wraps to above its length.
                let (low, span) = (*range.start(), *range.end() - *range.start());
                pack(values, |value| key(value).wrapping_sub(low) <= span)
            };
            rest.iter().fold(one(first), |found, range| &found | &one(range))
        }
        _ => pack(values, |value| keys.contains(key(value))),
    }
}

/// One bit per value, 64 at a time.
fn pack<T: Copy>(values: &[T], matches: impl Fn(T) -> bool) -> BooleanBuffer {
    let (chunks, rest) = values.as_chunks::<64>();
    let mut words = Vec::with_capacity(chunks.len() + 1);
    for chunk in chunks {
        let mut word = 0u64;
        for (bit, value) in chunk.iter().enumerate() {
            word |= u64::from(matches(*value)) << bit;
        }
        words.push(word);
    }
    let last = rest.iter().enumerate().fold(0u64, |word, (bit, v)| word | u64::from(matches(*v)) << bit);
    words.push(last);
    BooleanBuffer::new(Buffer::from_vec(words), 0, values.len())
}
