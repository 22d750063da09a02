//! `tsds.zstd`: the plain encoding, compressed. For files only.

use std::cell::RefCell;
use std::ops::Range;

use ::zstd::bulk::{Compressor, Decompressor};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::{BooleanBuffer, Buffer};
use arrow_schema::DataType;
use tsds_traits::{Codec, CodecCapabilities, EncodeHints, Error, ErrorKind, KeySet, Result};

use super::plain::{PlainCodec, check_range, types};
use super::plain_layout::{Extent, Shape};

/// The id of [`ZstdCodec`].
pub const ZSTD: &str = "tsds.zstd";

/// The level of [`ZstdCodec::new`].
pub(super) const DEFAULT_LEVEL: i32 = 1;

/// How many times its encoded length the values of a `Binary` block may decode to. What compresses better is stored as it
/// is, so that nobody can make a reader allocate much with few bytes.
pub const MAX_EXPANSION: u32 = 256;

const MAGIC: [u8; 4] = *b"TSZS";
const HEADER: usize = 16;
const STORED: u8 = 0;
const COMPRESSED: u8 = 1;
/// What a Zstandard frame decompresses to comes in blocks of at most this many bytes (RFC 8878, 3.1.1.2.4), each of which
/// takes [`FRAME_BLOCK_MIN`] bytes or more of the frame: a header of three and at least one more.
const FRAME_BLOCK_MAX: usize = 128 << 10;
const FRAME_BLOCK_MIN: usize = 4;

thread_local! {
    // A context is some 100 KB, and blocks are small: one per thread, not one per block.
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
    static COMPRESSOR: RefCell<Option<(i32, Compressor<'static>)>> = const { RefCell::new(None) };
}

/// The plain encoding, compressed with Zstandard where that makes it shorter. Not resident: too slow for every query.
#[derive(Clone, Debug)]
pub struct ZstdCodec {
    level: i32,
    plain: PlainCodec,
    capabilities: CodecCapabilities,
}

impl ZstdCodec {
    /// The codec at level 1.
    pub fn new() -> Self {
        Self {
            level: DEFAULT_LEVEL,
            plain: PlainCodec::new(),
            capabilities: CodecCapabilities::new(types()).with_max_expansion(MAX_EXPANSION),
        }
    }

    /// The codec at a level of 1 (fast) to 19 (small). Decoding is the same for all.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` for another level.
    pub fn with_level(level: i32) -> Result<Self> {
        match level {
            1..=19 => Ok(Self { level, ..Self::new() }),
            _ => Err(Error::new(ErrorKind::ConfigInvalid, "zstd level must be from 1 to 19")
                .with("level", level)
                .in_plugin(ZSTD)),
        }
    }

    fn expand(&self, version: u16, bytes: &Buffer, rows: usize, data_type: &DataType) -> Result<Buffer> {
        if version != 1 {
            return Err(Error::unsupported("block has a format version that this codec does not know")
                .with("version", version)
                .in_plugin(ZSTD));
        }
        let shape = Shape::of(data_type).ok_or_else(|| {
            Error::unsupported("codec does not hold this type").with("type", data_type).in_plugin(ZSTD)
        })?;
        let refused = |refusal| {
            let error = match refusal {
                Refusal::Damaged(what) => Error::corrupt(what),
                Refusal::NoMemory(bytes) => {
                    Error::new(ErrorKind::Exhausted, "no memory for a decompressed block")
                        .with("bytes", bytes)
                }
            };
            error.with("rows", rows).with("type", data_type).in_plugin(ZSTD)
        };
        expand_shape(shape, bytes, rows).map_err(refused)
    }
}

impl Default for ZstdCodec {
    fn default() -> Self {
        Self::new()
    }
}

/// Why a block is not decompressed.
enum Refusal {
    Damaged(&'static str),
    /// The memory that it needs is not to be had.
    NoMemory(usize),
}

impl From<&'static str> for Refusal {
    fn from(what: &'static str) -> Self {
        Self::Damaged(what)
    }
}

fn expand_shape(shape: Shape, bytes: &Buffer, rows: usize) -> Result<Buffer, Refusal> {
    let (header, payload) =
        bytes.as_slice().split_first_chunk::<HEADER>().ok_or("zstd block is shorter than its header")?;
    let &[m0, m1, m2, m3, storage, 0, 0, 0, l0, l1, l2, l3, l4, l5, l6, l7] = header else {
        return Err("zstd block has a wrong header".into());
    };
    if [m0, m1, m2, m3] != MAGIC {
        return Err("zstd block has a wrong header".into());
    }
    let plain_len = usize::try_from(u64::from_le_bytes([l0, l1, l2, l3, l4, l5, l6, l7]))
        .map_err(|_| "zstd block is impossibly long")?;
    match storage {
        STORED if payload.len() == plain_len => Ok(bytes.slice_with_length(HEADER, plain_len)),
        STORED => Err("zstd block has a wrong length".into()),
        COMPRESSED if plain_len > (payload.len() / FRAME_BLOCK_MIN).saturating_mul(FRAME_BLOCK_MAX) => {
            Err("zstd block claims a length that its frame cannot have".into())
        }
        COMPRESSED if is_possible(shape, rows, payload.len(), plain_len) => decompress(payload, plain_len),
        COMPRESSED => Err("zstd block claims a length that its rows cannot have".into()),
        _ => Err("zstd block has a wrong header".into()),
    }
}

/// Whether the plain encoding of `rows` values can be `plain_len` long. Checked before anything of that length is allocated.
fn is_possible(shape: Shape, rows: usize, compressed: usize, plain_len: usize) -> bool {
    let most_value_bytes = match shape {
        Shape::Bytes => compressed.saturating_mul(MAX_EXPANSION as usize),
        _ => 0,
    };
    let len = |validity, value_bytes| Extent::new(shape, rows, validity, value_bytes).map(|e| e.len());
    match shape {
        Shape::Bytes => len(true, most_value_bytes).is_some_and(|most| plain_len <= most),
        _ => [len(false, 0), len(true, 0)].contains(&Some(plain_len)),
    }
}

fn decompress(payload: &[u8], plain_len: usize) -> Result<Buffer, Refusal> {
    let mut plain = Vec::new();
    plain.try_reserve_exact(plain_len).map_err(|_| Refusal::NoMemory(plain_len))?;
    let written = DECOMPRESSOR.with_borrow_mut(|slot| {
        let decompressor = match slot {
            Some(decompressor) => decompressor,
            None => slot.insert(Decompressor::new().map_err(|_| "zstd cannot start")?),
        };
        decompressor
            .decompress_to_buffer(payload, &mut plain)
            .map_err(|_| Refusal::from("zstd block does not decompress"))
    })?;
    match written == plain_len {
        true => Ok(Buffer::from_vec(plain)),
        false => Err("zstd block decompresses to another length".into()),
    }
}

fn compress(level: i32, plain: &[u8]) -> Result<Vec<u8>> {
    let failed = |error| Error::internal("zstd cannot compress").with_source(error).in_plugin(ZSTD);
    COMPRESSOR.with_borrow_mut(|slot| {
        let compressor = match slot {
            Some((at, compressor)) if *at == level => compressor,
            _ => &mut slot.insert((level, Compressor::new(level).map_err(failed)?)).1,
        };
        compressor.compress(plain).map_err(failed)
    })
}

impl Codec for ZstdCodec {
    fn id(&self) -> &'static str {
        ZSTD
    }

    fn version(&self) -> u16 {
        1
    }

    fn capabilities(&self) -> &CodecCapabilities {
        &self.capabilities
    }

    fn max_encoded_len(&self, array: &dyn Array) -> Option<usize> {
        self.plain.max_encoded_len(array)?.checked_add(HEADER)
    }

    fn encode(&self, array: &dyn Array, hints: &EncodeHints<'_>, out: &mut Vec<u8>) -> Result<()> {
        let mut plain = Vec::new();
        self.plain.encode(array, hints, &mut plain).map_err(|error| {
            let error = Error::new(error.kind(), error.message()).with("type", array.data_type());
            error.with("rows", array.len()).in_plugin(ZSTD)
        })?;
        let compressed = compress(self.level, &plain)?;
        let shorter = compressed.len() < plain.len()
            && Shape::of(array.data_type())
                .is_some_and(|shape| is_possible(shape, array.len(), compressed.len(), plain.len()));
        let (storage, payload) = if shorter { (COMPRESSED, &compressed) } else { (STORED, &plain) };
        out.reserve(HEADER + payload.len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[storage, 0, 0, 0]);
        out.extend_from_slice(&(plain.len() as u64).to_le_bytes());
        out.extend_from_slice(payload);
        Ok(())
    }

    fn decode(&self, version: u16, bytes: &Buffer, rows: usize, data_type: &DataType) -> Result<ArrayRef> {
        let plain = self.expand(version, bytes, rows, data_type)?;
        self.plain.decode(1, &plain, rows, data_type)
    }

    fn decode_range(
        &self,
        version: u16,
        bytes: &Buffer,
        rows: usize,
        range: Range<usize>,
        data_type: &DataType,
    ) -> Result<ArrayRef> {
        check_range(&range, rows).map_err(|error| error.in_plugin(ZSTD))?;
        Ok(self.decode(version, bytes, rows, data_type)?.slice(range.start, range.len()))
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
            .in_plugin(ZSTD))
    }
}
