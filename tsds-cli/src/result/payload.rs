//! Values of payload columns as text: bytes as hexadecimal digits, everything else as JSON.

use std::io;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

use super::cell::Column;
use super::json::append_cell;

/// A value that is not null, as it stands in tables and CSV.
pub(super) fn payload_text(array: &dyn Array, row: usize) -> io::Result<String> {
    let mut out = Vec::new();
    match bytes(array, row) {
        Some(bytes) => append_hex(bytes, &mut out),
        None => append_payload(array, row, &mut out)?,
    }
    String::from_utf8(out).map_err(io::Error::other)
}

/// A value as JSON. A map is an array of pairs: its keys need not be text, nor differ.
pub(super) fn append_payload(array: &dyn Array, row: usize, out: &mut Vec<u8>) -> io::Result<()> {
    if array.is_null(row) {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    if let Some(bytes) = bytes(array, row) {
        out.push(b'"');
        append_hex(bytes, out);
        out.push(b'"');
        return Ok(());
    }
    match array.data_type() {
        DataType::List(_) => append_items(&array.as_list::<i32>().value(row), out),
        DataType::FixedSizeList(_, _) => append_items(&array.as_fixed_size_list().value(row), out),
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            out.push(b'{');
            for (index, (field, column)) in fields.iter().zip(columns).enumerate() {
                separate(index, out);
                serde_json::to_writer(&mut *out, field.name())?;
                out.push(b':');
                append_payload(column, row, out)?;
            }
            out.push(b'}');
            Ok(())
        }
        DataType::Map(_, _) => {
            let entries = array.as_map().value(row);
            out.push(b'[');
            for entry in 0..entries.len() {
                separate(entry, out);
                out.push(b'[');
                for (index, column) in entries.columns().iter().enumerate() {
                    separate(index, out);
                    append_payload(column, entry, out)?;
                }
                out.push(b']');
            }
            out.push(b']');
            Ok(())
        }
        _ => append_cell(Column::new(array)?.cell(row), out),
    }
}

fn append_items(items: &ArrayRef, out: &mut Vec<u8>) -> io::Result<()> {
    out.push(b'[');
    for row in 0..items.len() {
        separate(row, out);
        append_payload(items, row, out)?;
    }
    out.push(b']');
    Ok(())
}

fn separate(index: usize, out: &mut Vec<u8>) {
    if index > 0 {
        out.push(b',');
    }
}

fn bytes(array: &dyn Array, row: usize) -> Option<&[u8]> {
    match array.data_type() {
        DataType::Binary => Some(array.as_binary::<i32>().value(row)),
        DataType::FixedSizeBinary(_) => Some(array.as_fixed_size_binary().value(row)),
        _ => None,
    }
}

fn append_hex(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            out.push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
        }
    }
}
