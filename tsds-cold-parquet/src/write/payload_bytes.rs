//! How much the values of payload are.

use std::ops::Range;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_buffer::ArrowNativeType;
use arrow_schema::DataType;

/// The bytes of some rows: those of their values, and what nulls take of a fixed size, so that rows together have as many as each of
/// them, however they are sliced.
pub(super) fn payload_bytes(array: &dyn Array, rows: Range<usize>) -> u64 {
    let within = |offsets: &[i32], items: &dyn Array| {
        let of = |row: usize| match (offsets.get(row), offsets.get(row + 1)) {
            (Some(start), Some(end)) => payload_bytes(items, start.as_usize()..end.as_usize()),
            _ => 0,
        };
        valid(array, rows.clone()).map(of).sum()
    };
    match array.data_type() {
        DataType::Binary => lengths(array, rows, array.as_binary::<i32>().value_offsets()),
        DataType::Utf8 => lengths(array, rows, array.as_string::<i32>().value_offsets()),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            within(list.value_offsets(), list.values())
        }
        DataType::Map(_, _) => {
            let map = array.as_map();
            within(map.value_offsets(), map.entries())
        }
        DataType::FixedSizeList(_, size) => {
            let (items, size) = (array.as_fixed_size_list().values(), size.unsigned_abs() as usize);
            // A null has all its items, too.
            payload_bytes(items, rows.start * size..rows.end * size)
        }
        DataType::Struct(_) => {
            let columns = array.as_struct().columns();
            columns.iter().map(|column| payload_bytes(column, rows.clone())).sum()
        }
        DataType::FixedSizeBinary(size) => rows.len() as u64 * u64::from(size.unsigned_abs()),
        other => (rows.len() * other.primitive_width().unwrap_or(1)) as u64,
    }
}

fn lengths(array: &dyn Array, rows: Range<usize>, offsets: &[i32]) -> u64 {
    let length = |row: usize| match (offsets.get(row), offsets.get(row + 1)) {
        (Some(start), Some(end)) => u64::from((end - start).unsigned_abs()),
        _ => 0,
    };
    valid(array, rows).map(length).sum()
}

fn valid(array: &dyn Array, rows: Range<usize>) -> impl Iterator<Item = usize> {
    let nulls = array.nulls().cloned();
    rows.filter(move |row| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(*row)))
}
