//! `tsds.gorilla`, the codec of the TSDS traits, over Arrow arrays.

mod arrays;
mod keys;
mod plugin;

use std::ops::Range;

use arrow_array::{Array, ArrayRef};
use arrow_buffer::{BooleanBuffer, Buffer};
use arrow_schema::DataType;
use tsds_traits::{Codec, CodecCapabilities, EncodeHints, Error, KeySet, Result, TypeSet};

use crate::block::{Block, Column, Header, MAX_ROWS, ModeChoice, VERSION, encode, max_block_len};
use crate::error::Damaged;
use crate::isa::Isa;
use crate::values::Kind;

pub use plugin::plugin;

/// The id of [`GorillaCodec`].
pub const GORILLA: &str = "tsds.gorilla";

/// Encodes every block in the shortest of the modes that the crate has, and decodes it with the fastest instructions that
/// the processor has.
///
/// ```
/// use std::sync::Arc;
/// use arrow_array::{Array, ArrayRef, Float64Array};
/// use tsds_codec_gorilla::GorillaCodec;
/// use tsds_traits::{Codec, EncodeHints};
///
/// let codec = GorillaCodec::new();
/// let temperatures: ArrayRef = Arc::new(Float64Array::from_iter_values((0..1000).map(|i| 20.0 + f64::from(i % 7) / 10.0)));
/// let mut bytes = Vec::new();
/// codec.encode(&temperatures, &EncodeHints::default(), &mut bytes)?;
/// assert!(bytes.len() < 600);
/// let decoded = codec.decode(codec.version(), &bytes.into(), 1000, temperatures.data_type())?;
/// assert_eq!(&decoded, &temperatures);
/// # Ok::<(), tsds_traits::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct GorillaCodec {
    capabilities: CodecCapabilities,
    isa: Isa,
    choice: ModeChoice,
}

impl GorillaCodec {
    /// The codec, with the best instructions that the processor has.
    pub fn new() -> Self {
        Self::with_choice(ModeChoice::Shortest)
    }

    /// The codec, encoding in a mode that was chosen before, such as to compare modes.
    pub fn with_choice(choice: ModeChoice) -> Self {
        let types =
            TypeSet::NONE.with_integers().with_timestamps().with_temporals().with_floats().with_booleans();
        let capabilities = CodecCapabilities::new(types).with_filter().with_resident();
        Self { capabilities, isa: Isa::best(), choice }
    }

    /// Decodes with other instructions, such as to compare them. What comes out is the same. Instructions that the
    /// processor does not have are replaced by portable ones.
    #[must_use]
    pub fn with_isa(self, isa: Isa) -> Self {
        Self { isa, ..self }
    }

    fn parse<'a>(
        &self,
        version: u16,
        bytes: &'a [u8],
        rows: usize,
        data_type: &DataType,
    ) -> Result<Block<'a>> {
        if version != u16::from(VERSION) {
            return Err(Error::unsupported("blocks of this version are not known").with("version", version));
        }
        let kind = self.kind(data_type)?;
        let (header, payload) = Header::parse(bytes).map_err(corrupt)?;
        // Before anything is allocated by what the block says of itself.
        if (header.kind, header.rows) != (kind, rows) {
            return Err(Error::corrupt("encoded block is not the one that was asked for")
                .with("rows", rows)
                .with("rows_found", header.rows)
                .with("type", data_type));
        }
        Block::parse_payload(header, payload, self.isa).map_err(corrupt)
    }

    fn kind(&self, data_type: &DataType) -> Result<Kind> {
        arrays::kind(data_type).ok_or_else(|| {
            Error::unsupported("type is not one that this codec encodes").with("type", data_type)
        })
    }
}

impl Default for GorillaCodec {
    fn default() -> Self {
        Self::new()
    }
}

fn corrupt(damaged: Damaged) -> Error {
    Error::corrupt(damaged.to_string())
}

impl Codec for GorillaCodec {
    fn id(&self) -> &'static str {
        GORILLA
    }

    fn version(&self) -> u16 {
        VERSION.into()
    }

    fn capabilities(&self) -> &CodecCapabilities {
        &self.capabilities
    }

    fn max_encoded_len(&self, array: &dyn Array) -> Option<usize> {
        let kind = arrays::kind(array.data_type())?;
        (array.len() <= MAX_ROWS).then(|| max_block_len(kind, array.len()))
    }

    fn encode(&self, array: &dyn Array, _: &EncodeHints<'_>, out: &mut Vec<u8>) -> Result<()> {
        let kind = self.kind(array.data_type())?;
        if array.len() > MAX_ROWS {
            return Err(Error::unsupported("array has more rows than a block can have")
                .with("rows", array.len())
                .with("limit", MAX_ROWS));
        }
        let lanes = arrays::lanes(array, kind);
        let validity = arrays::validity(array);
        let input = Column { kind, lanes: &lanes, validity: validity.as_deref() };
        encode(input, self.choice, out);
        Ok(())
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
        if range.start > range.end || range.end > rows {
            return Err(Error::invalid_input("range is not within the block")
                .with("range", format!("{range:?}"))
                .with("rows", rows));
        }
        let block = self.parse(version, bytes, rows, data_type)?;
        arrays::decode(&block, range, data_type).map_err(corrupt)
    }

    fn filter(
        &self,
        version: u16,
        bytes: &Buffer,
        rows: usize,
        data_type: &DataType,
        keys: &KeySet,
    ) -> Result<BooleanBuffer> {
        let block = self.parse(version, bytes, rows, data_type)?;
        let found = block.select(&keys::places(block.kind, keys)).map_err(corrupt)?;
        Ok(BooleanBuffer::new(Buffer::from_vec(found), 0, rows))
    }

    fn describe(&self, version: u16, bytes: &[u8]) -> Option<String> {
        let known = version == u16::from(VERSION);
        let block = known.then(|| Block::parse_with(bytes, self.isa).ok()).flatten()?;
        Some(block.mode().name().to_owned())
    }
}
