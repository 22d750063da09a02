//! `tsds.plain`: values as Arrow lays them out, so that decoding shares memory with the block.

use std::ops::Range;

use arrow_array::{Array, ArrayRef, make_array};
use arrow_buffer::{BooleanBuffer, Buffer};
use arrow_data::ArrayData;
use arrow_schema::DataType;
use tsds_traits::{Codec, CodecCapabilities, EncodeHints, Error, KeySet, Result, TypeSet};

use super::filter;
use super::plain_layout::{ALIGN, Extent, PlainView, Shape, header};

/// The id of [`PlainCodec`].
pub const PLAIN: &str = "tsds.plain";

/// Values as Arrow lays them out, behind a header and a validity bitmap. Decoding copies nothing where the block lies at
/// a multiple of the values' width in memory; [`Codec::filter`] reads the values in place.
#[derive(Clone, Debug)]
pub struct PlainCodec {
    capabilities: CodecCapabilities,
}

impl PlainCodec {
    /// The codec.
    pub fn new() -> Self {
        Self { capabilities: CodecCapabilities::new(types()).with_filter().with_resident() }
    }
}

impl Default for PlainCodec {
    fn default() -> Self {
        Self::new()
    }
}

/// What [`Shape::of`] knows.
pub(super) fn types() -> TypeSet {
    TypeSet::NONE
        .with_integers()
        .with_timestamps()
        .with_temporals()
        .with_decimals()
        .with_floats()
        .with_booleans()
        .with_bytes()
}

/// An array about to be encoded.
struct Source<'a> {
    array: &'a dyn Array,
    data: ArrayData,
    shape: Shape,
    rows: u32,
    nulls: u32,
    extent: Extent,
}

impl<'a> Source<'a> {
    fn new(array: &'a dyn Array) -> Option<Self> {
        let shape = Shape::of(array.data_type())?;
        let data = array.to_data();
        // `Array::null_count` and not `logical_null_count`: the types that blocks hold have no other nulls.
        let nulls = array.null_count();
        let value_bytes = match shape {
            Shape::Bytes => valid_bytes(&data)?,
            _ => 0,
        };
        let extent = Extent::new(shape, array.len(), nulls > 0, value_bytes)?;
        let rows = u32::try_from(array.len()).ok()?;
        Some(Self { array, data, shape, rows, nulls: u32::try_from(nulls).ok()?, extent })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let align = |out: &mut Vec<u8>| out.resize(start + (out.len() - start).next_multiple_of(ALIGN), 0);
        out.reserve(self.extent.len());
        out.extend_from_slice(&header(self.shape, self.rows, self.nulls, self.extent.values.1 as u64));
        if let Some(nulls) = self.array.nulls().filter(|_| self.nulls > 0) {
            write_bits(nulls.inner(), out);
            align(out);
        }
        match self.shape {
            Shape::Bits => self.write_booleans(out),
            Shape::Fixed(width) => self.write_fixed(width, out),
            Shape::Bytes => self.write_bytes(out, align),
        }
    }

    fn write_booleans(&self, out: &mut Vec<u8>) {
        let rows = self.array.len();
        let Some(values) = self.data.buffers().first() else { return };
        let values = BooleanBuffer::new(values.clone(), self.data.offset(), rows);
        match self.array.nulls() {
            Some(nulls) => write_bits(&(&values & nulls.inner()), out),
            None => write_bits(&values, out),
        }
    }

    fn write_fixed(&self, width: usize, out: &mut Vec<u8>) {
        let begin = self.data.offset() * width;
        let values = self.data.buffers().first().map(Buffer::as_slice).unwrap_or_default();
        let start = out.len();
        out.extend_from_slice(&values[begin..begin + self.array.len() * width]);
        if let Some(nulls) = self.array.nulls().filter(|_| self.nulls > 0) {
            for row in (!nulls.inner()).set_indices() {
                out[start + row * width..start + (row + 1) * width].fill(0);
            }
        }
    }

    fn write_bytes(&self, out: &mut Vec<u8>, align: impl Fn(&mut Vec<u8>)) {
        let ([offsets, values], nulls) = (self.data.buffers(), self.array.nulls()) else { return };
        let offsets = sliced_offsets(offsets, &self.data);
        let valid = |row: usize| nulls.is_none_or(|nulls| nulls.is_valid(row));
        let mut end = 0i32;
        out.extend_from_slice(&end.to_le_bytes());
        for (row, pair) in offsets.windows(2).enumerate() {
            end += if valid(row) { pair[1] - pair[0] } else { 0 };
            out.extend_from_slice(&end.to_le_bytes());
        }
        align(out);
        if nulls.is_none() {
            let last = offsets.len() - 1;
            out.extend_from_slice(&values[offsets[0] as usize..offsets[last] as usize]);
            return;
        }
        for (_, pair) in offsets.windows(2).enumerate().filter(|(row, _)| valid(*row)) {
            out.extend_from_slice(&values[pair[0] as usize..pair[1] as usize]);
        }
    }
}

/// How many bytes the valid values have; `None` where `i32` offsets cannot say it.
fn valid_bytes(data: &ArrayData) -> Option<usize> {
    let offsets = sliced_offsets(data.buffers().first()?, data);
    let total = match data.nulls() {
        None => (*offsets.last()? - *offsets.first()?) as usize,
        Some(nulls) => {
            let lengths = offsets.windows(2).map(|pair| (pair[1] - pair[0]) as usize);
            lengths.enumerate().filter(|(row, _)| nulls.is_valid(*row)).map(|(_, len)| len).sum()
        }
    };
    i32::try_from(total).ok().map(|_| total)
}

/// The offsets of the array's own rows. Arrow allows an empty array to have none at all.
fn sliced_offsets<'a>(offsets: &'a Buffer, data: &ArrayData) -> &'a [i32] {
    offsets.typed_data().get(data.offset()..=data.offset() + data.len()).unwrap_or(&[0])
}

/// Bits from bit 0 of a fresh byte, spare bits zero.
fn write_bits(bits: &BooleanBuffer, out: &mut Vec<u8>) {
    let bytes = bits.sliced();
    out.extend_from_slice(&bytes[..bits.len().div_ceil(8)]);
    if let (1.., Some(last)) = (bits.len() % 8, out.last_mut()) {
        *last &= (1 << (bits.len() % 8)) - 1;
    }
}

impl Codec for PlainCodec {
    fn id(&self) -> &'static str {
        PLAIN
    }

    fn version(&self) -> u16 {
        1
    }

    fn capabilities(&self) -> &CodecCapabilities {
        &self.capabilities
    }

    fn max_encoded_len(&self, array: &dyn Array) -> Option<usize> {
        Source::new(array).map(|source| source.extent.len())
    }

    fn encode(&self, array: &dyn Array, _hints: &EncodeHints<'_>, out: &mut Vec<u8>) -> Result<()> {
        let source = Source::new(array).ok_or_else(|| {
            Error::unsupported("codec does not hold this array")
                .with("type", array.data_type())
                .with("rows", array.len())
                .in_plugin(PLAIN)
        })?;
        source.write(out);
        Ok(())
    }

    fn decode(&self, version: u16, bytes: &Buffer, rows: usize, data_type: &DataType) -> Result<ArrayRef> {
        let view = PlainView::parse(version, bytes, rows, data_type)?;
        let nulls = view.nulls(rows);
        let buffers = view.offsets.into_iter().chain([view.values]).collect();
        ArrayData::builder(data_type.clone())
            .len(rows)
            .nulls(nulls)
            .buffers(buffers)
            .align_buffers(true)
            .build()
            .map(make_array)
            .map_err(|error| {
                Error::corrupt("plain block is not an array").with_source(error).in_plugin(PLAIN)
            })
    }

    fn decode_range(
        &self,
        version: u16,
        bytes: &Buffer,
        rows: usize,
        range: Range<usize>,
        data_type: &DataType,
    ) -> Result<ArrayRef> {
        check_range(&range, rows).map_err(|error| error.in_plugin(PLAIN))?;
        Ok(self.decode(version, bytes, rows, data_type)?.slice(range.start, range.len()))
    }

    fn filter(
        &self,
        version: u16,
        bytes: &Buffer,
        rows: usize,
        data_type: &DataType,
        keys: &KeySet,
    ) -> Result<BooleanBuffer> {
        let array = self.decode(version, bytes, rows, data_type)?;
        filter::matching_rows(&array, keys).map_err(|error| error.in_plugin(PLAIN))
    }
}

/// Refuses a range of rows that does not lie within `0..rows`.
pub(super) fn check_range(range: &Range<usize>, rows: usize) -> Result<()> {
    if range.start <= range.end && range.end <= rows {
        return Ok(());
    }
    Err(Error::invalid_input("range lies outside the rows of the block")
        .with("start", range.start)
        .with("end", range.end)
        .with("rows", rows))
}
