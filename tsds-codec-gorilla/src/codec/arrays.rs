//! Arrow arrays as lanes and back.

use std::borrow::Cow;
use std::ops::Range;

use arrow_array::{Array, ArrayRef, make_array};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, Buffer, NullBuffer};
use arrow_data::{ArrayData, ArrayDataBuilder};
use arrow_schema::DataType;
use tsds_traits::integer_form;

use crate::block::Block;
use crate::error::{Damaged, Result};
use crate::values::Kind;

/// What the values of a type are to the codec; `None` for types that it does not encode.
pub(super) fn kind(data_type: &DataType) -> Option<Kind> {
    Some(match data_type {
        DataType::Int8 => Kind::Int8,
        DataType::Int16 => Kind::Int16,
        DataType::Int32 => Kind::Int32,
        DataType::Int64 => Kind::Int64,
        DataType::UInt8 => Kind::UInt8,
        DataType::UInt16 => Kind::UInt16,
        DataType::UInt32 => Kind::UInt32,
        DataType::UInt64 => Kind::UInt64,
        DataType::Float32 => Kind::Float32,
        DataType::Float64 => Kind::Float64,
        DataType::Boolean => Kind::Boolean,
        other => return kind(&integer_form(other)?),
    })
}

/// The values of an array, those under nulls too.
pub(super) fn lanes(array: &dyn Array, kind: Kind) -> Cow<'static, [i64]> {
    let data = array.to_data();
    macro_rules! widen {
        ($type:ty, $lane:expr) => {
            values::<$type>(&data).iter().map(|value| $lane(*value)).collect()
        };
    }
    Cow::Owned(match kind {
        Kind::Int8 => widen!(i8, i64::from),
        Kind::Int16 => widen!(i16, i64::from),
        Kind::Int32 => widen!(i32, i64::from),
        Kind::UInt8 => widen!(u8, i64::from),
        Kind::UInt16 => widen!(u16, i64::from),
        Kind::UInt32 | Kind::Float32 => widen!(u32, i64::from),
        Kind::Int64 | Kind::UInt64 | Kind::Float64 => values::<i64>(&data).to_vec(),
        Kind::Boolean => {
            let bits = data.buffers().first().cloned().unwrap_or_default();
            BooleanBuffer::new(bits, data.offset(), data.len()).iter().map(i64::from).collect()
        }
    })
}

/// The values of an array as they lie in memory.
fn values<T: ArrowNativeType>(data: &ArrayData) -> &[T] {
    let all = data.buffers().first().map(Buffer::typed_data::<T>).unwrap_or_default();
    all.get(data.offset()..data.offset() + data.len()).unwrap_or_default()
}

/// Which rows are not null, one bit each; `None` if all are not.
pub(super) fn validity(array: &dyn Array) -> Option<Vec<u64>> {
    let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0)?;
    let chunks = nulls.inner().bit_chunks();
    Some(chunks.iter_padded().take(array.len().div_ceil(64)).collect())
}

/// The rows of a range of a block.
pub(super) fn decode(block: &Block<'_>, range: Range<usize>, data_type: &DataType) -> Result<ArrayRef> {
    let slice = |words: Vec<u64>| BooleanBuffer::new(Buffer::from_vec(words), range.start, range.len());
    let nulls = block.validity()?.map(|words| NullBuffer::new(slice(words)));
    macro_rules! narrow {
        ($type:ty) => {{
            let mut out: Vec<$type> = Vec::with_capacity(range.len());
            block.read_narrow(range.clone(), &mut out, |lane| lane as $type)?;
            Buffer::from_vec(out)
        }};
    }
    let mut offset = 0;
    let values = match block.kind {
        Kind::Boolean => {
            offset = range.start;
            Buffer::from_vec(block.bits()?)
        }
        Kind::Int64 | Kind::UInt64 | Kind::Float64 => {
            let mut out = vec![0; range.len()];
            block.read_lanes(range.clone(), &mut out)?;
            Buffer::from_vec(out)
        }
        Kind::Int32 | Kind::UInt32 | Kind::Float32 => narrow!(u32),
        Kind::Int16 | Kind::UInt16 => narrow!(u16),
        Kind::Int8 | Kind::UInt8 => narrow!(u8),
    };
    let data = ArrayDataBuilder::new(data_type.clone())
        .len(range.len())
        .offset(offset)
        .add_buffer(values)
        .nulls(nulls);
    // Checks that buffers are as long as the rows need.
    let data = data.build().map_err(|_| Damaged::new("its values are not those of its type"))?;
    Ok(make_array(data))
}
