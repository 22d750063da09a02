//! Bytes into arrays of payload. The bytes may be forged.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, make_array};
use arrow_buffer::{BooleanBufferBuilder, Buffer, MutableBuffer, NullBuffer};
use arrow_data::ArrayData;
use arrow_schema::DataType;
use tsds_traits::{Error, Result};

use super::{ALL_VALID, SOME_NULL};

/// The rows of a payload column from what [`super::to_block`] made of them.
///
/// # Errors
///
/// `Corrupt` for bytes that it makes of no column of this type.
pub(crate) fn from_block(raw: ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    if data_type == raw.data_type() {
        return Ok(raw);
    }
    let block = raw.as_binary_opt::<i32>();
    let block = block
        .ok_or_else(|| Error::corrupt("block of payload has another type").with("type", raw.data_type()))?;
    decode(block, data_type).map_err(|error| error.with("type", data_type))
}

fn decode(block: &BinaryArray, data_type: &DataType) -> Result<ArrayRef> {
    let mut column = Builder::new(data_type)?;
    for row in 0..block.len() {
        if block.is_null(row) {
            column.push_null();
            continue;
        }
        let mut reader = Reader { rest: block.value(row) };
        column.push(&mut reader, true)?;
        if !reader.rest.is_empty() {
            return Err(Error::corrupt("value of a payload column goes on after its end").with("row", row));
        }
    }
    column.finish(data_type)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(ended)?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        let (first, rest) = self.rest.split_first().ok_or_else(ended)?;
        self.rest = rest;
        Ok(*first)
    }

    /// A length in its shortest form. Each of what is counted takes a byte at least, and is there.
    fn length(&mut self) -> Result<usize> {
        let mut length = 0usize;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            length |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let shortest = shift == 0 || byte != 0;
                if !shortest || length > self.rest.len() {
                    break;
                }
                return Ok(length);
            }
        }
        Err(Error::corrupt("value of a payload column has an impossible length"))
    }

    /// Which of `count` values are not null.
    fn bits(&mut self, count: usize) -> Result<&'a [u8]> {
        let bits = self.take(count.div_ceil(8))?;
        match bits.last() {
            Some(last) if !count.is_multiple_of(8) && last >> (count % 8) != 0 => {
                Err(Error::corrupt("value of a payload column has bits beyond its values"))
            }
            _ => Ok(bits),
        }
    }

    /// As [`Self::bits`], where they are there; `None` where nothing is null.
    fn validity(&mut self, count: usize) -> Result<Option<&'a [u8]>> {
        match self.byte()? {
            ALL_VALID => Ok(None),
            SOME_NULL => self.bits(count).map(Some),
            other => Err(Error::corrupt("value of a payload column has unknown nulls").with("flag", other)),
        }
    }
}

fn ended() -> Error {
    Error::corrupt("value of a payload column ends too early")
}

fn is_set(bits: Option<&[u8]>, index: usize) -> bool {
    bits.is_none_or(|bits| bits.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1))
}

/// An array that grows.
struct Builder {
    valid: BooleanBufferBuilder,
    kind: Kind,
}

enum Kind {
    Bits(BooleanBufferBuilder),
    Fixed(usize, MutableBuffer),
    Bytes(Offsets, MutableBuffer),
    List(Offsets, Box<Builder>),
    FixedList(usize, Box<Builder>),
    Struct(Vec<Builder>),
    Map(Offsets, Box<Builder>, Box<Builder>),
}

/// The offsets of lists, texts and bytes.
struct Offsets {
    values: Vec<i32>,
    end: usize,
}

impl Offsets {
    fn new() -> Self {
        Self { values: vec![0], end: 0 }
    }

    fn push(&mut self, length: usize) -> Result<()> {
        self.end = self.end.saturating_add(length);
        let end = i32::try_from(self.end)
            .map_err(|_| Error::corrupt("block of payload has more values than offsets reach"))?;
        self.values.push(end);
        Ok(())
    }

    fn push_empty(&mut self) {
        self.values.push(self.values.last().copied().unwrap_or_default());
    }
}

impl Builder {
    fn new(data_type: &DataType) -> Result<Self> {
        let unknown = || Error::internal("column is no payload").with("type", data_type);
        let boxed = |data_type: &DataType| Ok::<_, Error>(Box::new(Self::new(data_type)?));
        let size = |size: i32| usize::try_from(size).map_err(|_| unknown());
        let kind = match data_type {
            DataType::Boolean => Kind::Bits(BooleanBufferBuilder::new(0)),
            DataType::FixedSizeBinary(width) => Kind::Fixed(size(*width)?, MutableBuffer::new(0)),
            DataType::Utf8 | DataType::Binary => Kind::Bytes(Offsets::new(), MutableBuffer::new(0)),
            DataType::List(field) => Kind::List(Offsets::new(), boxed(field.data_type())?),
            DataType::FixedSizeList(field, length) => {
                Kind::FixedList(size(*length)?, boxed(field.data_type())?)
            }
            DataType::Struct(fields) => {
                let fields = fields.iter().map(|field| Self::new(field.data_type()));
                Kind::Struct(fields.collect::<Result<_>>()?)
            }
            DataType::Map(entries, _) => {
                let DataType::Struct(fields) = entries.data_type() else { return Err(unknown()) };
                let [key, value] = &fields[..] else { return Err(unknown()) };
                Kind::Map(Offsets::new(), boxed(key.data_type())?, boxed(value.data_type())?)
            }
            other => Kind::Fixed(other.primitive_width().ok_or_else(unknown)?, MutableBuffer::new(0)),
        };
        Ok(Self { valid: BooleanBufferBuilder::new(0), kind })
    }

    /// Reads one value. What is null has one too, which nobody looks at.
    fn push(&mut self, reader: &mut Reader<'_>, valid: bool) -> Result<()> {
        self.valid.append(valid);
        match &mut self.kind {
            Kind::Bits(bits) => match reader.byte()? {
                bit @ (0 | 1) => bits.append(bit == 1),
                _ => return Err(Error::corrupt("value of a payload column is neither true nor false")),
            },
            Kind::Fixed(width, values) => values.extend_from_slice(reader.take(*width)?),
            Kind::Bytes(offsets, values) => {
                let length = reader.length()?;
                values.extend_from_slice(reader.take(length)?);
                offsets.push(length)?;
            }
            Kind::List(offsets, items) => {
                let length = reader.length()?;
                offsets.push(length)?;
                if length > 0 {
                    items.push_run(reader, length)?;
                }
            }
            Kind::FixedList(length, items) => items.push_run(reader, *length)?,
            Kind::Struct(fields) => {
                let bits = reader.bits(fields.len())?;
                for (index, field) in fields.iter_mut().enumerate() {
                    field.push(reader, is_set(Some(bits), index))?;
                }
            }
            Kind::Map(offsets, keys, values) => {
                let length = reader.length()?;
                offsets.push(length)?;
                for _ in 0..length {
                    keys.push(reader, true)?;
                }
                if length > 0 {
                    values.push_run(reader, length)?;
                }
            }
        }
        Ok(())
    }

    fn push_run(&mut self, reader: &mut Reader<'_>, count: usize) -> Result<()> {
        let bits = reader.validity(count)?;
        (0..count).try_for_each(|index| self.push(reader, is_set(bits, index)))
    }

    /// A null of the column itself, which has no bytes. Not more than the number of rows times what the type has of a fixed size.
    fn push_null(&mut self) {
        self.valid.append(false);
        match &mut self.kind {
            Kind::Bits(bits) => bits.append(false),
            Kind::Fixed(width, values) => values.extend_zeros(*width),
            Kind::Bytes(offsets, _) | Kind::List(offsets, _) | Kind::Map(offsets, _, _) => {
                offsets.push_empty()
            }
            Kind::FixedList(length, items) => (0..*length).for_each(|_| items.push_null()),
            Kind::Struct(fields) => fields.iter_mut().for_each(Self::push_null),
        }
    }

    fn finish(self, data_type: &DataType) -> Result<ArrayRef> {
        let len = self.valid.len();
        let mut valid = self.valid;
        let nulls = NullBuffer::new(valid.finish());
        let nulls = (nulls.null_count() > 0).then_some(nulls);
        let mismatch = || Error::internal("payload was read as another type").with("type", data_type);
        let builder = ArrayData::builder(data_type.clone()).len(len).nulls(nulls.clone());
        let child = |array: ArrayRef| array.to_data();
        let builder = match (self.kind, data_type) {
            (Kind::Bits(mut bits), _) => return Ok(Arc::new(BooleanArray::new(bits.finish(), nulls))),
            (Kind::Fixed(_, values), _) => builder.add_buffer(values.into()),
            (Kind::Bytes(offsets, values), _) => {
                builder.add_buffer(Buffer::from_vec(offsets.values)).add_buffer(values.into())
            }
            (Kind::List(offsets, items), DataType::List(field)) => builder
                .add_buffer(Buffer::from_vec(offsets.values))
                .add_child_data(child(items.finish(field.data_type())?)),
            (Kind::FixedList(_, items), DataType::FixedSizeList(field, _)) => {
                builder.add_child_data(child(items.finish(field.data_type())?))
            }
            (Kind::Struct(columns), DataType::Struct(fields)) => {
                let columns = columns.into_iter().zip(fields);
                let columns = columns.map(|(column, field)| Ok(child(column.finish(field.data_type())?)));
                builder.child_data(columns.collect::<Result<_>>()?)
            }
            (Kind::Map(offsets, keys, values), DataType::Map(entries, _)) => {
                let DataType::Struct(fields) = entries.data_type() else { return Err(mismatch()) };
                let [key, value] = &fields[..] else { return Err(mismatch()) };
                let (keys, values) = (keys.finish(key.data_type())?, values.finish(value.data_type())?);
                let entries = ArrayData::builder(entries.data_type().clone())
                    .len(keys.len())
                    .add_child_data(child(keys))
                    .add_child_data(child(values))
                    .build()?;
                builder.add_buffer(Buffer::from_vec(offsets.values)).add_child_data(entries)
            }
            _ => return Err(mismatch()),
        };
        // Checks offsets, lengths and that text is UTF-8.
        let data = builder.build().map_err(|error| {
            Error::corrupt("payload column does not decode").with("cause", &error).with_source(error)
        })?;
        let array = make_array(data);
        if let (DataType::Decimal128(precision, _), Some(decimals)) =
            (data_type, array.as_primitive_opt::<Decimal128Type>())
        {
            decimals.validate_decimal_precision(*precision).map_err(|error| {
                Error::corrupt("decimal has more digits than its type").with("cause", error)
            })?;
        }
        Ok(array)
    }
}
