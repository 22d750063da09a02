//! A codec in the plainest way there is: what generated segments are encoded with.

use std::ops::Range;

use arrow_array::{Array, ArrayRef};
use arrow_buffer::{BooleanBuffer, Buffer};
use arrow_schema::DataType;
use tsds_traits::{Codec, CodecCapabilities, EncodeHints, Error, KeySet, Result, TypeSet};

use super::arrays::{Cell, Layout, build, canonical_bits, read, value_of};
use crate::Failure;

const NULL: u8 = 0;
const BITS: u8 = 1;
const BYTES: u8 = 2;
const WIDE: u8 = 3;

/// Writes one value after the other: a tag (0 null, 1 bits, 2 bytes, 3 a decimal) and what it says. No product knows it.
#[derive(Debug)]
pub struct CellCodec {
    capabilities: CodecCapabilities,
}

impl CellCodec {
    /// The id stored with blocks.
    pub const ID: &'static str = "conformance.cells";

    /// For these types, with a filter.
    pub fn new(types: TypeSet) -> Self {
        Self { capabilities: CodecCapabilities::new(types).with_filter() }
    }

    fn check(&self, version: u16, data_type: &DataType) -> Result<()> {
        if version != 1 || !self.capabilities.types.contains(data_type) {
            return Err(Error::unsupported("version or type")
                .with("version", version)
                .with("type", data_type));
        }
        Ok(())
    }

    fn cells(
        &self,
        version: u16,
        bytes: &[u8],
        rows: usize,
        data_type: &DataType,
    ) -> Result<Vec<Option<Cell>>> {
        self.check(version, data_type)?;
        // A row takes at least its tag.
        if bytes.len() < rows {
            return Err(Error::corrupt("block is too short"));
        }
        let mut rest = bytes;
        let cells = (0..rows).map(|_| read_cell(&mut rest, data_type)).collect::<Option<Vec<_>>>();
        match cells {
            Some(cells) if rest.is_empty() => Ok(cells),
            _ => Err(Error::corrupt("block is not what was written")),
        }
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn read_cell(rest: &mut &[u8], data_type: &DataType) -> Option<Option<Cell>> {
    let binary = *data_type == DataType::Binary;
    let decimal = matches!(data_type, DataType::Decimal128(_, _));
    match take(rest, 1)?[0] {
        NULL => Some(None),
        WIDE if decimal => {
            let value = i128::from_le_bytes(take(rest, 16)?.try_into().ok()?);
            Some(Some(Cell::Wide(value)))
        }
        BITS if !binary && !decimal => {
            let bits = u64::from_le_bytes(take(rest, 8)?.try_into().ok()?);
            (canonical_bits(data_type, bits) == bits).then_some(Some(Cell::Bits(bits)))
        }
        BYTES if binary => {
            let length = u32::from_le_bytes(take(rest, 4)?.try_into().ok()?);
            Some(Some(Cell::Bytes(take(rest, length as usize)?.to_vec())))
        }
        _ => None,
    }
}

fn internal(failure: Failure) -> Error {
    Error::internal("the cell codec failed").with("failure", failure)
}

impl Codec for CellCodec {
    fn id(&self) -> &'static str {
        CellCodec::ID
    }

    fn version(&self) -> u16 {
        1
    }

    fn capabilities(&self) -> &CodecCapabilities {
        &self.capabilities
    }

    fn max_encoded_len(&self, array: &dyn Array) -> Option<usize> {
        self.check(1, array.data_type()).ok()?;
        let length = |cell: &Option<Cell>| match cell {
            Some(Cell::Bytes(bytes)) => 5 + bytes.len(),
            Some(Cell::Wide(_)) => 17,
            _ => 9,
        };
        Some(read(array).ok()?.iter().map(length).sum())
    }

    fn encode(&self, array: &dyn Array, _: &EncodeHints<'_>, out: &mut Vec<u8>) -> Result<()> {
        self.check(1, array.data_type())?;
        for cell in read(array).map_err(internal)? {
            match cell {
                None => out.push(NULL),
                Some(Cell::Bits(bits)) => {
                    out.push(BITS);
                    out.extend(bits.to_le_bytes());
                }
                Some(Cell::Wide(value)) => {
                    out.push(WIDE);
                    out.extend(value.to_le_bytes());
                }
                Some(Cell::Bytes(bytes)) => {
                    out.push(BYTES);
                    out.extend((bytes.len() as u32).to_le_bytes());
                    out.extend(bytes);
                }
            }
        }
        Ok(())
    }

    fn decode(&self, version: u16, bytes: &Buffer, rows: usize, data_type: &DataType) -> Result<ArrayRef> {
        let cells = self.cells(version, bytes, rows, data_type)?;
        build(data_type, &cells, Layout::COMPACT).map_err(internal)
    }

    fn decode_range(
        &self,
        version: u16,
        bytes: &Buffer,
        rows: usize,
        range: Range<usize>,
        data_type: &DataType,
    ) -> Result<ArrayRef> {
        if range.start > range.end || range.end > rows {
            return Err(Error::invalid_input("range is outside of the block"));
        }
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
        let key = |cell: &Cell| value_of(data_type, cell)?.order_key();
        let cells = self.cells(version, bytes, rows, data_type)?;
        let kept = cells.iter().map(|cell| cell.as_ref().and_then(key).is_some_and(|key| keys.contains(key)));
        Ok(kept.collect())
    }
}
