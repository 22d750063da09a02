//! The bytes of a `tsds.plain` block: `docs/formats/codec-plain.md`.

use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow_schema::DataType;
use tsds_traits::{Error, Result, integer_form};

use super::plain::PLAIN;

/// The first bytes of every block.
pub(super) const MAGIC: [u8; 4] = *b"TSPL";
/// The length of the header, and the alignment of everything after it, relative to the start of the block.
pub(super) const ALIGN: usize = 64;

const HAS_VALIDITY: u8 = 1;

/// How values of a type lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One bit each.
    Bits,
    /// This many bytes each: 1, 2, 4, 8 or 16.
    Fixed(usize),
    /// 32-bit offsets, then bytes.
    Bytes,
}

impl Shape {
    /// The shape of a type that blocks can hold.
    pub(super) fn of(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Boolean => Some(Self::Bits),
            DataType::Binary => Some(Self::Bytes),
            DataType::Float32 | DataType::Float64 | DataType::Decimal128(_, _) => {
                data_type.primitive_width().map(Self::Fixed)
            }
            other if other.is_integer() || integer_form(other).is_some() => {
                other.primitive_width().map(Self::Fixed)
            }
            _ => None,
        }
    }

    fn kind_and_width(self) -> [u8; 2] {
        match self {
            Self::Bits => [1, 0],
            Self::Fixed(width) => [2, width as u8],
            Self::Bytes => [3, 0],
        }
    }
}

/// Where the parts of a block lie, from what its header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) validity: Option<(usize, usize)>,
    pub(super) offsets: Option<(usize, usize)>,
    pub(super) values: (usize, usize),
}

impl Extent {
    /// `None` where the sizes overflow. `value_bytes` counts for [`Shape::Bytes`] only.
    pub(super) fn new(shape: Shape, rows: usize, validity: bool, value_bytes: usize) -> Option<Self> {
        let mut end = ALIGN;
        let mut place = |len: usize| {
            let start = end.checked_next_multiple_of(ALIGN)?;
            end = start.checked_add(len)?;
            Some((start, len))
        };
        let validity = match validity {
            true => Some(place(rows.div_ceil(8))?),
            false => None,
        };
        let offsets = match shape {
            Shape::Bytes => Some(place(rows.checked_add(1)?.checked_mul(4)?)?),
            _ => None,
        };
        let values = place(match shape {
            Shape::Bits => rows.div_ceil(8),
            Shape::Fixed(width) => rows.checked_mul(width)?,
            Shape::Bytes => value_bytes,
        })?;
        Some(Self { validity, offsets, values })
    }

    /// The length of the block.
    pub(super) fn len(&self) -> usize {
        self.values.0 + self.values.1
    }
}

/// The header of a block.
pub(super) fn header(shape: Shape, rows: u32, nulls: u32, value_bytes: u64) -> [u8; ALIGN] {
    let mut header = [0; ALIGN];
    header[..4].copy_from_slice(&MAGIC);
    header[4..6].copy_from_slice(&shape.kind_and_width());
    header[6] = if nulls > 0 { HAS_VALIDITY } else { 0 };
    header[8..12].copy_from_slice(&rows.to_le_bytes());
    header[12..16].copy_from_slice(&nulls.to_le_bytes());
    header[16..24].copy_from_slice(&value_bytes.to_le_bytes());
    header
}

/// The parts of a `tsds.plain` block, checked: lengths, counts and offsets are what Arrow needs of them.
///
/// For readers that take the parts as they are, such as devices. Every part shares memory with the block and starts at a
/// multiple of 64 bytes from its start.
#[derive(Clone, Debug)]
pub struct PlainView {
    /// How many rows are null.
    pub null_count: usize,
    /// One bit per row, set where the row is valid, least significant first; `None` where no row is null.
    pub validity: Option<Buffer>,
    /// For `Binary` the `rows + 1` ascending `i32` offsets of the values, from 0 to the length of `values`.
    pub offsets: Option<Buffer>,
    /// The values: bits, little-endian numbers or bytes. What stands under a null is zero or of length 0.
    pub values: Buffer,
}

impl PlainView {
    /// Takes a block of version 1 apart.
    ///
    /// # Errors
    ///
    /// `Corrupt` for bytes that no encoder wrote; `Unsupported` for another version and for a type that blocks do not hold.
    pub fn parse(version: u16, bytes: &Buffer, rows: usize, data_type: &DataType) -> Result<Self> {
        if version != 1 {
            return Err(Error::unsupported("block has a format version that this codec does not know")
                .with("version", version)
                .in_plugin(PLAIN));
        }
        let shape = Shape::of(data_type).ok_or_else(|| {
            Error::unsupported("codec does not hold this type").with("type", data_type).in_plugin(PLAIN)
        })?;
        Self::parse_shape(shape, bytes, rows)
            .map_err(|what| Error::corrupt(what).with("rows", rows).with("type", data_type).in_plugin(PLAIN))
    }

    fn parse_shape(shape: Shape, bytes: &Buffer, rows: usize) -> Result<Self, &'static str> {
        let raw = bytes.as_slice();
        let stored: &[u8; ALIGN] = raw.first_chunk().ok_or("plain block is shorter than its header")?;
        let &[_, _, _, _, _, _, flags, _, r0, r1, r2, r3, n0, n1, n2, n3, b0, b1, b2, b3, b4, b5, b6, b7, ..] =
            stored;
        let nulls = u32::from_le_bytes([n0, n1, n2, n3]);
        let stored_rows = u32::from_le_bytes([r0, r1, r2, r3]);
        let value_bytes = u64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7]);
        if usize::try_from(stored_rows) != Ok(rows) {
            return Err("plain block holds another number of rows");
        }
        let value_len = usize::try_from(value_bytes).map_err(|_| "plain block is impossibly long")?;
        let extent = Extent::new(shape, rows, flags == HAS_VALIDITY, value_len)
            .ok_or("plain block is impossibly long")?;
        // The header has one form per content: comparing it whole covers magic, type, flags, lengths and reserved bytes.
        if header(shape, stored_rows, nulls, extent.values.1 as u64) != *stored {
            return Err("plain block has a wrong header");
        }
        if extent.len() != raw.len() {
            return Err("plain block has a wrong length");
        }
        let part = |(start, len)| bytes.slice_with_length(start, len);
        let gap_is_zero =
            |from: usize, to: usize| raw.get(from..to).is_some_and(|gap| gap.iter().all(|b| *b == 0));
        let mut end = ALIGN;
        for (start, len) in [extent.validity, extent.offsets, Some(extent.values)].into_iter().flatten() {
            if !gap_is_zero(end, start) {
                return Err("plain block has bytes between its parts");
            }
            end = start + len;
        }
        let view = Self {
            null_count: nulls as usize,
            validity: extent.validity.map(part),
            offsets: extent.offsets.map(part),
            values: part(extent.values),
        };
        view.check_validity(rows)?;
        view.check_offsets()?;
        if shape == Shape::Bits && !spare_bits_are_zero(&view.values, rows) {
            return Err("plain block has bits beyond its rows");
        }
        Ok(view)
    }

    fn check_validity(&self, rows: usize) -> Result<(), &'static str> {
        match &self.validity {
            None => Ok(()),
            Some(bits) if !spare_bits_are_zero(bits, rows) => Err("plain block has validity beyond its rows"),
            Some(bits) if rows - bits.count_set_bits_offset(0, rows) != self.null_count => {
                Err("plain block has a wrong number of nulls")
            }
            Some(_) => Ok(()),
        }
    }

    fn check_offsets(&self) -> Result<(), &'static str> {
        let Some(offsets) = &self.offsets else { return Ok(()) };
        // Not `typed_data`: the block may lie anywhere in memory.
        let (offsets, _) = offsets.as_slice().as_chunks::<4>();
        let mut last = 0;
        for (index, offset) in offsets.iter().enumerate() {
            let offset = i32::from_le_bytes(*offset);
            if offset < last || (index == 0 && offset != 0) {
                return Err("plain block has offsets that do not ascend from 0");
            }
            last = offset;
        }
        match usize::try_from(last) == Ok(self.values.len()) {
            true => Ok(()),
            false => Err("plain block has offsets that do not end with its values"),
        }
    }

    /// The validity as Arrow has it.
    pub fn nulls(&self, rows: usize) -> Option<NullBuffer> {
        self.validity.as_ref().map(|bits| NullBuffer::new(BooleanBuffer::new(bits.clone(), 0, rows)))
    }
}

fn spare_bits_are_zero(bits: &[u8], rows: usize) -> bool {
    match (rows % 8, bits.last()) {
        (0, _) | (_, None) => true,
        (used, Some(last)) => last >> used == 0,
    }
}
