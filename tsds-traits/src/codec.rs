//! [`Codec`]: turns the values of one block into bytes and back.

use std::fmt::Debug;
use std::ops::Range;

use arrow_array::{Array, ArrayRef};
use arrow_buffer::{BooleanBuffer, Buffer};
use arrow_schema::DataType;

use crate::{KeySet, Result, integer_form};

/// Encodes arrays of one block and decodes them, bit for bit.
///
/// Arrays are of a primitive type (integers, floats, timestamps, dates, times of day, durations, decimals), `Boolean`, or `Binary` for raw bytes; nulls, slices and
/// any offset are allowed. Dictionaries and text are taken apart before a codec sees them.
///
/// # Contract
///
/// - `id`, `version` and `capabilities` never change during the life of the value. A change of the encoded bytes is a new
///   version; a codec decodes every version from 1 to its own, for ever.
/// - `decode(encode(array))` equals the array: type, length, validity and the bits of every valid value, NaN payloads and
///   signs of zero too. What stands under a null may differ.
/// - `encode` appends at most `max_encoded_len` bytes to `out` and leaves what was there. The bytes depend on the logical
///   array and the hints only, not on offsets or on what stands under nulls.
/// - `decode_range` equals `decode` sliced.
/// - Encoded bytes are untrusted: any bytes with any `rows` and any type give `Ok` or `Corrupt`. Never a panic, never an
///   allocation beyond a small multiple of what `rows` values of the type need (for `Binary`: plus the length of the
///   input times the codec's stated expansion), never undefined behaviour.
/// - A type outside the capabilities gives `Unsupported`.
pub trait Codec: Debug + Send + Sync + 'static {
    /// The id stored with every block, such as `tsds.plain`.
    fn id(&self) -> &'static str;

    /// The format version that `encode` writes.
    fn version(&self) -> u16;

    /// What the codec claims to do.
    fn capabilities(&self) -> &CodecCapabilities;

    /// An upper bound of the encoded length of `array`, or `None` where it cannot be encoded.
    fn max_encoded_len(&self, array: &dyn Array) -> Option<usize>;

    /// Appends the encoded array to `out`.
    ///
    /// # Errors
    ///
    /// `Unsupported` for a type outside the capabilities; `out` is then unchanged.
    fn encode(&self, array: &dyn Array, hints: &EncodeHints<'_>, out: &mut Vec<u8>) -> Result<()>;

    /// Decodes `rows` values of `data_type` that `version` of this codec wrote. The result may share memory with `bytes`.
    ///
    /// # Errors
    ///
    /// `Corrupt` for bytes that are not what `encode` wrote; `Unsupported` for an unknown version or type.
    fn decode(&self, version: u16, bytes: &Buffer, rows: usize, data_type: &DataType) -> Result<ArrayRef>;

    /// Decodes the rows of `range`, which lies within `0..rows`.
    ///
    /// # Errors
    ///
    /// As [`Codec::decode`]; `InvalidInput` for a range outside `0..rows`.
    fn decode_range(
        &self,
        version: u16,
        bytes: &Buffer,
        rows: usize,
        range: Range<usize>,
        data_type: &DataType,
    ) -> Result<ArrayRef>;

    /// The rows whose value is not null and whose key is in `keys`, without decoding where that is possible. Only asked
    /// where the capabilities claim it, and never on `Binary` or `Decimal128`.
    ///
    /// # Errors
    ///
    /// As [`Codec::decode`].
    fn filter(
        &self,
        version: u16,
        bytes: &Buffer,
        rows: usize,
        data_type: &DataType,
        keys: &KeySet,
    ) -> Result<BooleanBuffer>;

    /// How a block is stored, in a word, for statistics such as those of `tsds stats`: the name of a mode, where the codec has
    /// several. `None` where there is nothing to say, as by default, and for bytes that are no block. Nothing else depends
    /// on it.
    fn describe(&self, version: u16, bytes: &[u8]) -> Option<String> {
        let _ = (version, bytes);
        None
    }
}

/// What a caller knows of an array and a codec may use. Hints change the size of the encoding, never its meaning.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct EncodeHints<'a> {
    /// Where series begin in the block, ascending, starting with 0; empty if unknown.
    pub run_starts: &'a [u32],
    /// Values ascend within each run.
    pub sorted: bool,
}

impl<'a> EncodeHints<'a> {
    /// Says where series begin, and whether values ascend within each.
    pub fn runs(run_starts: &'a [u32], sorted: bool) -> Self {
        Self { run_starts, sorted }
    }
}

/// What a codec claims to do. Start from [`CodecCapabilities::new`] and set what holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CodecCapabilities {
    /// Which types the codec takes.
    pub types: TypeSet,
    /// [`Codec::filter`] is answered.
    pub filter: bool,
    /// Decoding is cheap enough for blocks that stay in memory and are read by every query. General-purpose compressors
    /// are not.
    pub resident: bool,
    /// How many times its encoded length a `Binary` block can decode to; 1 for codecs that do not compress bytes.
    pub max_expansion: u32,
}

impl CodecCapabilities {
    /// A codec for `types`, neither filtering nor resident.
    pub fn new(types: TypeSet) -> Self {
        Self { types, filter: false, resident: false, max_expansion: 1 }
    }

    /// Claims [`Codec::filter`].
    #[must_use]
    pub fn with_filter(self) -> Self {
        Self { filter: true, ..self }
    }

    /// Claims to be cheap enough for resident blocks.
    #[must_use]
    pub fn with_resident(self) -> Self {
        Self { resident: true, ..self }
    }

    /// States the largest expansion of `Binary` blocks.
    #[must_use]
    pub fn with_max_expansion(self, times: u32) -> Self {
        Self { max_expansion: times, ..self }
    }
}

/// Groups of types that codecs take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TypeSet {
    /// `Int8` to `Int64`, `UInt8` to `UInt64`.
    pub integers: bool,
    /// `Timestamp` of every unit and zone.
    pub timestamps: bool,
    /// `Date32`, `Date64`, `Time32`, `Time64` and `Duration`. They lie in memory as [`crate::integer_form`] says.
    pub temporals: bool,
    /// `Decimal128`: 16 bytes a value. Decimals have no keys, so [`Codec::filter`] is never asked for them.
    pub decimals: bool,
    /// `Float32` and `Float64`.
    pub floats: bool,
    /// `Boolean`.
    pub booleans: bool,
    /// `Binary`.
    pub bytes: bool,
}

impl TypeSet {
    /// Everything that a block can hold at this version of the crate. A codec names its types one by one, so that a type
    /// that comes later is not claimed unseen; this is for those who take any array apart by its buffers.
    pub const ALL: Self = Self {
        integers: true,
        timestamps: true,
        temporals: true,
        decimals: true,
        floats: true,
        booleans: true,
        bytes: true,
    };
    /// Nothing.
    pub const NONE: Self = Self {
        integers: false,
        timestamps: false,
        temporals: false,
        decimals: false,
        floats: false,
        booleans: false,
        bytes: false,
    };

    /// Adds the integers.
    #[must_use]
    pub fn with_integers(self) -> Self {
        Self { integers: true, ..self }
    }

    /// Adds the timestamps.
    #[must_use]
    pub fn with_timestamps(self) -> Self {
        Self { timestamps: true, ..self }
    }

    /// Adds dates, times of day and durations.
    #[must_use]
    pub fn with_temporals(self) -> Self {
        Self { temporals: true, ..self }
    }

    /// Adds decimals.
    #[must_use]
    pub fn with_decimals(self) -> Self {
        Self { decimals: true, ..self }
    }

    /// Adds the floats.
    #[must_use]
    pub fn with_floats(self) -> Self {
        Self { floats: true, ..self }
    }

    /// Adds the booleans.
    #[must_use]
    pub fn with_booleans(self) -> Self {
        Self { booleans: true, ..self }
    }

    /// Adds raw bytes.
    #[must_use]
    pub fn with_bytes(self) -> Self {
        Self { bytes: true, ..self }
    }

    /// Whether the set has a type.
    pub fn contains(&self, data_type: &DataType) -> bool {
        match data_type {
            DataType::Boolean => self.booleans,
            DataType::Float32 | DataType::Float64 => self.floats,
            DataType::Timestamp(_, _) => self.timestamps,
            DataType::Binary => self.bytes,
            DataType::Decimal128(_, _) => self.decimals,
            temporal if integer_form(temporal).is_some() => self.temporals,
            other => self.integers && other.is_integer(),
        }
    }
}
