//! [`PcoCodec`].

use std::ops::Range;

use arrow_array::{Array, ArrayRef};
use arrow_buffer::{BooleanBuffer, Buffer};
use arrow_schema::DataType;
use tsds_traits::{Codec, CodecCapabilities, EncodeHints, Error, KeySet, Result, TypeSet};

use crate::block::Block;
use crate::numbers::{Kind, with_numbers};
use crate::{block, numbers, pages};

/// The id of [`PcoCodec`].
pub const ID: &str = "example.pco";

pub(crate) const VERSION: u16 = 1;

/// Integers, timestamps and floats, bit for bit, in as few bytes as pco can make of them.
///
/// Not resident: decoding costs more than reading what is plain, so tiers in memory keep its values decoded.
#[derive(Clone, Debug)]
pub struct PcoCodec {
    capabilities: CodecCapabilities,
}

impl PcoCodec {
    /// The codec.
    pub fn new() -> Self {
        let types = TypeSet::NONE.with_integers().with_timestamps().with_floats();
        Self { capabilities: CodecCapabilities::new(types) }
    }
}

impl Default for PcoCodec {
    fn default() -> Self {
        Self::new()
    }
}

fn kind_of(data_type: &DataType) -> Result<Kind> {
    Kind::of(data_type).ok_or_else(|| {
        Error::unsupported("codec holds numbers only; use another one for this type")
            .with("type", data_type)
            .in_plugin(ID)
    })
}

impl Codec for PcoCodec {
    fn id(&self) -> &'static str {
        ID
    }

    fn version(&self) -> u16 {
        VERSION
    }

    fn capabilities(&self) -> &CodecCapabilities {
        &self.capabilities
    }

    fn max_encoded_len(&self, array: &dyn Array) -> Option<usize> {
        let kind = Kind::of(array.data_type())?;
        block::max_len(kind, array.len(), array.null_count())
    }

    fn encode(&self, array: &dyn Array, _hints: &EncodeHints<'_>, out: &mut Vec<u8>) -> Result<()> {
        let kind = kind_of(array.data_type())?;
        let data = array.to_data();
        with_numbers!(kind, N => {
            let valid = numbers::valid_of::<N>(&data);
            let plain = numbers::to_bytes(&valid);
            let packed = pages::compress(&valid).filter(|packed| packed.len() < plain.len());
            block::write(kind, data.len(), data.nulls(), packed.ok_or(plain), out)
        })
        .map_err(|error| error.in_plugin(ID))
    }

    fn decode(&self, version: u16, bytes: &Buffer, rows: usize, data_type: &DataType) -> Result<ArrayRef> {
        self.decode_range(version, bytes, rows, 0..rows, data_type)
    }

    fn decode_range(
        &self,
        version: u16,
        bytes: &Buffer,
        rows: usize,
        range: Range<usize>,
        data_type: &DataType,
    ) -> Result<ArrayRef> {
        if version != VERSION {
            return Err(Error::unsupported("block has a format version that this codec does not know")
                .with("version", version)
                .in_plugin(ID));
        }
        let kind = kind_of(data_type)?;
        if range.start > range.end || range.end > rows {
            return Err(Error::invalid_input("range lies outside the rows of the block")
                .with("start", range.start)
                .with("end", range.end)
                .with("rows", rows)
                .in_plugin(ID));
        }
        let block = Block::parse(bytes, kind, rows);
        let decoded = block.and_then(|block| {
            // Values under nulls are not stored: the range's first value is as far in as rows before it are valid.
            let (from, upto) = (block.valid_before(range.start), block.valid_before(range.end));
            let nulls = block.nulls(range.clone());
            with_numbers!(kind, N => {
                let valid: Vec<N> = match &block.values {
                    Ok(packed) => pages::decompress(packed, block.valid, upto)?.get(from..upto).map(<[N]>::to_vec),
                    Err(plain) => numbers::from_bytes(plain, from..upto),
                }
                .ok_or("block has fewer values than valid rows")?;
                numbers::array_of(valid, range.len(), nulls, data_type)
            })
        });
        decoded.map_err(|what| {
            Error::corrupt(what)
                .with("rows", rows)
                .with("type", data_type)
                .with("bytes", bytes.len())
                .in_plugin(ID)
        })
    }

    fn filter(
        &self,
        _version: u16,
        _bytes: &Buffer,
        _rows: usize,
        data_type: &DataType,
        _keys: &KeySet,
    ) -> Result<BooleanBuffer> {
        Err(Error::unsupported("codec does not filter; decode and filter the values")
            .with("type", data_type)
            .in_plugin(ID))
    }
}
