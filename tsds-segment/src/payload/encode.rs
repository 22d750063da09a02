//! Arrays of payload into bytes.

use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, Buffer, NullBuffer};
use arrow_schema::DataType;
use tsds_traits::{Error, Result};

use super::{ALL_VALID, SOME_NULL};

/// The rows of a payload column as `Binary`.
///
/// # Errors
///
/// `Internal` for an array that is no payload; `InvalidInput` for more bytes than 32-bit offsets reach.
pub(crate) fn to_block(array: &ArrayRef) -> Result<ArrayRef> {
    if *array.data_type() == DataType::Binary {
        return Ok(Arc::clone(array));
    }
    let column = Values::new(array.as_ref())?;
    let mut builder = BinaryBuilder::with_capacity(array.len(), 0);
    let (mut record, mut total) = (Vec::new(), 0usize);
    for row in 0..array.len() {
        if column.is_null(row) {
            builder.append_null();
            continue;
        }
        record.clear();
        column.write(row, &mut record)?;
        total = total.saturating_add(record.len());
        if i32::try_from(total).is_err() {
            return Err(Error::invalid_input("values of a payload column are too large for one block")
                .with("type", array.data_type())
                .with("rows", array.len()));
        }
        builder.append_value(&record);
    }
    Ok(Arc::new(builder.finish()))
}

/// An array taken apart, its children too.
struct Values<'a> {
    kind: Kind<'a>,
    nulls: Option<NullBuffer>,
}

enum Kind<'a> {
    Bits(&'a BooleanBuffer),
    /// Bytes of one width, from the first row on.
    Fixed(Buffer, usize),
    /// The offsets of texts or bytes, and what they point into.
    Bytes(&'a [i32], &'a [u8]),
    List(&'a [i32], Box<Values<'a>>),
    FixedList(usize, Box<Values<'a>>),
    Struct(Vec<Values<'a>>),
    /// Offsets, keys, values.
    Map(&'a [i32], Box<Values<'a>>, Box<Values<'a>>),
}

impl<'a> Values<'a> {
    fn new(array: &'a dyn Array) -> Result<Self> {
        let boxed = |array: &'a ArrayRef| Ok::<_, Error>(Box::new(Self::new(array.as_ref())?));
        let size = |size: i32| usize::try_from(size).map_err(|_| no_payload(array));
        let kind = match array.data_type() {
            DataType::Boolean => Kind::Bits(array.as_boolean().values()),
            DataType::FixedSizeBinary(width) => Kind::Fixed(of_rows(array, size(*width)?)?, size(*width)?),
            DataType::Utf8 => {
                let text = array.as_string::<i32>();
                Kind::Bytes(text.value_offsets(), text.value_data())
            }
            DataType::Binary => {
                let bytes = array.as_binary::<i32>();
                Kind::Bytes(bytes.value_offsets(), bytes.value_data())
            }
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                Kind::List(list.value_offsets(), boxed(list.values())?)
            }
            DataType::FixedSizeList(_, length) => {
                Kind::FixedList(size(*length)?, boxed(array.as_fixed_size_list().values())?)
            }
            DataType::Struct(_) => {
                let columns = array.as_struct().columns().iter();
                Kind::Struct(columns.map(|column| Self::new(column.as_ref())).collect::<Result<_>>()?)
            }
            DataType::Map(_, _) => {
                let map = array.as_map();
                Kind::Map(map.value_offsets(), boxed(map.keys())?, boxed(map.values())?)
            }
            other => {
                let width = other.primitive_width().ok_or_else(|| no_payload(array))?;
                Kind::Fixed(of_rows(array, width)?, width)
            }
        };
        Ok(Self { kind, nulls: array.nulls().filter(|nulls| nulls.null_count() > 0).cloned() })
    }

    fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// The value of a row, null or not: the default of its type where it is.
    fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        let valid = !self.is_null(row);
        match &self.kind {
            Kind::Bits(bits) => out.push(u8::from(valid && bits.value(row))),
            Kind::Fixed(bytes, width) => {
                let value = bytes.get(row * width..(row + 1) * width);
                match value.filter(|_| valid) {
                    Some(value) => out.extend_from_slice(value),
                    None => out.resize(out.len() + width, 0),
                }
            }
            Kind::Bytes(offsets, bytes) => {
                let (start, end) = span(offsets, row, valid);
                write_length(end - start, out);
                out.extend_from_slice(bytes.get(start..end).unwrap_or_default());
            }
            Kind::List(offsets, items) => {
                let (start, end) = span(offsets, row, valid);
                write_length(end - start, out);
                if start < end {
                    items.write_run(start, end, true, out)?;
                }
            }
            Kind::FixedList(length, items) => {
                items.write_run(row * length, (row + 1) * length, valid, out)?
            }
            Kind::Struct(fields) => write_fields(fields, row, valid, out)?,
            Kind::Map(offsets, keys, values) => {
                let (start, end) = span(offsets, row, valid);
                write_length(end - start, out);
                if start < end {
                    (start..end).try_for_each(|entry| keys.write(entry, out))?;
                    values.write_run(start, end, true, out)?;
                }
            }
        }
        Ok(())
    }

    /// Values that follow each other, behind which of them are null: all, if what they are in is.
    fn write_run(&self, start: usize, end: usize, valid: bool, out: &mut Vec<u8>) -> Result<()> {
        let is_valid = |row: usize| valid && !self.is_null(row);
        if (start..end).all(is_valid) {
            out.push(ALL_VALID);
        } else {
            out.push(SOME_NULL);
            write_bits((start..end).map(is_valid), out);
        }
        (start..end).try_for_each(|row| self.write_if(valid, row, out))
    }

    fn write_if(&self, valid: bool, row: usize, out: &mut Vec<u8>) -> Result<()> {
        if valid { self.write(row, out) } else { self.write_default(out) }
    }

    fn write_default(&self, out: &mut Vec<u8>) -> Result<()> {
        match &self.kind {
            Kind::Bits(_) | Kind::Bytes(_, _) | Kind::List(_, _) | Kind::Map(_, _, _) => out.push(0),
            Kind::Fixed(_, width) => out.resize(out.len() + width, 0),
            Kind::FixedList(length, items) => {
                out.push(SOME_NULL);
                write_bits((0..*length).map(|_| false), out);
                (0..*length).try_for_each(|_| items.write_default(out))?;
            }
            Kind::Struct(fields) => {
                write_bits(fields.iter().map(|_| false), out);
                fields.iter().try_for_each(|field| field.write_default(out))?;
            }
        }
        Ok(())
    }
}

fn write_fields(fields: &[Values<'_>], row: usize, valid: bool, out: &mut Vec<u8>) -> Result<()> {
    write_bits(fields.iter().map(|field| valid && !field.is_null(row)), out);
    fields.iter().try_for_each(|field| field.write_if(valid, row, out))
}

/// The fixed-width values of an array, from its first row on.
fn of_rows(array: &dyn Array, width: usize) -> Result<Buffer> {
    let data = array.to_data();
    let values = data.buffers().first().ok_or_else(|| no_payload(array))?;
    let (start, len) = (data.offset() * width, data.len() * width);
    if start + len > values.len() {
        return Err(no_payload(array));
    }
    Ok(values.slice_with_length(start, len))
}

/// Where a row's part begins and ends; empty for a null.
fn span(offsets: &[i32], row: usize, valid: bool) -> (usize, usize) {
    match (offsets.get(row), offsets.get(row + 1)) {
        (Some(start), Some(end)) if valid => (start.as_usize(), end.as_usize()),
        _ => (0, 0),
    }
}

/// Seven bits a byte, the lowest first, the top bit set where another byte follows.
fn write_length(mut length: usize, out: &mut Vec<u8>) {
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

/// One bit each, the lowest of a byte first.
fn write_bits(bits: impl Iterator<Item = bool>, out: &mut Vec<u8>) {
    let mut last = 0;
    let mut count = 0;
    for bit in bits {
        last |= u8::from(bit) << (count % 8);
        count += 1;
        if count % 8 == 0 {
            out.push(std::mem::take(&mut last));
        }
    }
    if count % 8 != 0 {
        out.push(last);
    }
}

fn no_payload(array: &dyn Array) -> Error {
    Error::internal("column is no payload").with("type", array.data_type())
}
