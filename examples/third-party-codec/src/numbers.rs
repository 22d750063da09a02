//! Between Arrow's arrays and slices of numbers.

use std::ops::Range;

use arrow_array::{ArrayRef, make_array};
use arrow_buffer::{ArrowNativeType, Buffer, NullBuffer};
use arrow_data::ArrayData;
use arrow_schema::DataType;

// Values that pco does not make shorter are stored as they lie in memory.
#[cfg(target_endian = "big")]
compile_error!(
    "example-pco stores numbers little endian, as every machine on which Arrow is tested has them"
);

/// A number that both Arrow and pco know.
pub(crate) trait Number: ArrowNativeType + pco::data_types::Number {}

impl<N: ArrowNativeType + pco::data_types::Number> Number for N {}

/// The numbers behind a column type. What each is called in a block's header never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    I8 = 1,
    I16 = 2,
    I32 = 3,
    I64 = 4,
    U8 = 5,
    U16 = 6,
    U32 = 7,
    U64 = 8,
    F32 = 9,
    F64 = 10,
}

impl Kind {
    /// `None` for a type that has no numbers.
    pub(crate) fn of(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Int8 => Self::I8,
            DataType::Int16 => Self::I16,
            DataType::Int32 => Self::I32,
            DataType::Int64 | DataType::Timestamp(_, _) => Self::I64,
            DataType::UInt8 => Self::U8,
            DataType::UInt16 => Self::U16,
            DataType::UInt32 => Self::U32,
            DataType::UInt64 => Self::U64,
            DataType::Float32 => Self::F32,
            DataType::Float64 => Self::F64,
            _ => return None,
        })
    }

    /// Bytes of one number.
    pub(crate) fn width(self) -> usize {
        with_numbers!(self, N => size_of::<N>())
    }
}

/// Runs `$body` with `$N` as the Rust type of a [`Kind`].
macro_rules! with_numbers {
    ($kind:expr, $N:ident => $body:expr) => {
        with_numbers!(@match $kind, $N, $body,
            I8 i8, I16 i16, I32 i32, I64 i64, U8 u8, U16 u16, U32 u32, U64 u64, F32 f32, F64 f64)
    };
    (@match $kind:expr, $N:ident, $body:expr, $($variant:ident $type:ty),*) => {
        match $kind {
            $(crate::numbers::Kind::$variant => {
                type $N = $type;
                $body
            })*
        }
    };
}
pub(crate) use with_numbers;

/// The values that are not null, in order.
pub(crate) fn valid_of<N: Number>(data: &ArrayData) -> Vec<N> {
    let values = data.buffers().first().map(Buffer::typed_data::<N>).unwrap_or_default();
    let values = values.get(data.offset()..data.offset() + data.len()).unwrap_or_default();
    match data.nulls() {
        None => values.to_vec(),
        Some(nulls) => nulls.valid_indices().filter_map(|row| values.get(row).copied()).collect(),
    }
}

/// Numbers as they lie in memory.
pub(crate) fn to_bytes<N: Number>(values: &[N]) -> Vec<u8> {
    Buffer::from_slice_ref(values).as_slice().to_vec()
}

/// Some of the numbers that [`to_bytes`] wrote; `None` if there are fewer.
pub(crate) fn from_bytes<N: Number>(bytes: &[u8], range: Range<usize>) -> Option<Vec<N>> {
    let width = size_of::<N>();
    let bytes = bytes.get(range.start.checked_mul(width)?..range.end.checked_mul(width)?)?;
    // Copied into memory of its own, a block that lies anywhere becomes aligned.
    Some(Buffer::from_slice_ref(bytes).typed_data::<N>().to_vec())
}

/// An array of `rows` rows: `valid` where there is no null, zero under nulls.
pub(crate) fn array_of<N: Number>(
    valid: Vec<N>,
    rows: usize,
    nulls: Option<NullBuffer>,
    data_type: &DataType,
) -> Result<ArrayRef, &'static str> {
    let values = match &nulls {
        None => valid,
        Some(nulls) => {
            let mut spread = vec![<N as Default>::default(); rows];
            for (row, value) in nulls.valid_indices().zip(valid) {
                if let Some(slot) = spread.get_mut(row) {
                    *slot = value;
                }
            }
            spread
        }
    };
    let data =
        ArrayData::builder(data_type.clone()).len(rows).nulls(nulls).add_buffer(Buffer::from_vec(values));
    data.build().map(make_array).map_err(|_| "block is not an array of its type")
}
