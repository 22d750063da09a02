//! The bytes of a block, as the README describes them.

use std::ops::Range;

use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer};
use crc_fast::{CrcAlgorithm, Digest};
use tsds_traits::{Error, Result};

use crate::numbers::Kind;

const MAGIC: [u8; 4] = *b"XPCO";
const HEADER: usize = 20;
/// Where the checksum stands in the header.
const CHECKSUM: Range<usize> = 16..20;

const HAS_NULLS: u8 = 1;
const IS_PACKED: u8 = 2;

/// The values of a block: what pco made of them, or else as they are.
type Values<B> = std::result::Result<B, B>;

/// The longest that a block can be; `None` if it has more rows than the header can say.
pub(crate) fn max_len(kind: Kind, rows: usize, nulls: usize) -> Option<usize> {
    u32::try_from(rows).ok()?;
    let values = rows.checked_sub(nulls)?.checked_mul(kind.width())?;
    values.checked_add(HEADER + validity_len(rows, nulls))
}

fn validity_len(rows: usize, nulls: usize) -> usize {
    if nulls > 0 { rows.div_ceil(8) } else { 0 }
}

/// Appends a block.
pub(crate) fn write(
    kind: Kind,
    rows: usize,
    nulls: Option<&NullBuffer>,
    values: Values<Vec<u8>>,
    out: &mut Vec<u8>,
) -> Result<()> {
    let too_many = || Error::unsupported("block has more than 2^32 rows").with("rows", rows);
    let row_count = u32::try_from(rows).map_err(|_| too_many())?;
    let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
    let null_count = nulls.map_or(0, |nulls| nulls.null_count() as u32);
    let flags = if null_count > 0 { HAS_NULLS } else { 0 } | if values.is_ok() { IS_PACKED } else { 0 };
    let validity = nulls.map(validity_bytes).unwrap_or_default();
    let (Ok(values) | Err(values)) = values;

    let mut header = Vec::with_capacity(CHECKSUM.start);
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&[kind as u8, flags, 0, 0]);
    header.extend_from_slice(&row_count.to_le_bytes());
    header.extend_from_slice(&null_count.to_le_bytes());
    let checksum = checksum_of(&[&header, &validity, &values]);
    out.reserve(HEADER + validity.len() + values.len());
    for part in [&header[..], &checksum.to_le_bytes(), &validity, &values] {
        out.extend_from_slice(part);
    }
    Ok(())
}

/// Bits from bit 0 of a fresh byte, spare bits zero: the same for every offset at which the array begins.
fn validity_bytes(nulls: &NullBuffer) -> Vec<u8> {
    let bits = nulls.inner();
    let mut bytes = bits.sliced().as_slice().to_vec();
    bytes.truncate(bits.len().div_ceil(8));
    if let (1.., Some(last)) = (bits.len() % 8, bytes.last_mut()) {
        *last &= (1 << (bits.len() % 8)) - 1;
    }
    bytes
}

fn checksum_of(parts: &[&[u8]]) -> u32 {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    parts.iter().for_each(|part| digest.update(part));
    // A CRC of 32 bits in a u64.
    digest.finalize() as u32
}

/// A block whose header, lengths and checksum are right.
pub(crate) struct Block {
    validity: Option<BooleanBuffer>,
    /// How many rows are not null, and so how many values there are.
    pub(crate) valid: usize,
    pub(crate) values: Values<Buffer>,
}

impl Block {
    /// Checks a block of `rows` rows. The checksum comes before anything else looks at the content: what chance damages
    /// never reaches pco.
    pub(crate) fn parse(bytes: &Buffer, kind: Kind, rows: usize) -> std::result::Result<Self, &'static str> {
        let raw = bytes.as_slice();
        let (header, content) =
            raw.split_first_chunk::<HEADER>().ok_or("block is shorter than its header")?;
        let &[m0, m1, m2, m3, stored_kind, flags, 0, 0, r0, r1, r2, r3, n0, n1, n2, n3, c0, c1, c2, c3] =
            header
        else {
            return Err("block has a wrong header");
        };
        if [m0, m1, m2, m3] != MAGIC || flags & !(HAS_NULLS | IS_PACKED) != 0 {
            return Err("block has a wrong header");
        }
        let counted = raw.get(..CHECKSUM.start).unwrap_or_default();
        if u32::from_le_bytes([c0, c1, c2, c3]) != checksum_of(&[counted, content]) {
            return Err("block does not match its checksum");
        }
        if stored_kind != kind as u8 {
            return Err("block holds another type");
        }
        let nulls = u32::from_le_bytes([n0, n1, n2, n3]) as usize;
        if u32::from_le_bytes([r0, r1, r2, r3]) as usize != rows || nulls > rows {
            return Err("block has another number of rows");
        }
        if (nulls > 0) != (flags & HAS_NULLS != 0) {
            return Err("block has nulls without saying where, or none and says so");
        }
        let (valid, validity_len) = (rows - nulls, validity_len(rows, nulls));
        if content.len() < validity_len {
            return Err("block ends within its validity");
        }
        let validity =
            (nulls > 0).then(|| BooleanBuffer::new(bytes.slice_with_length(HEADER, validity_len), 0, rows));
        if validity.as_ref().is_some_and(|bits| bits.count_set_bits() != valid) {
            return Err("block has a wrong number of nulls");
        }
        let values = bytes.slice(HEADER + validity_len);
        match flags & IS_PACKED != 0 {
            true => Ok(Self { validity, valid, values: Ok(values) }),
            false if valid.checked_mul(kind.width()) == Some(values.len()) => {
                Ok(Self { validity, valid, values: Err(values) })
            }
            false => Err("block has a wrong length"),
        }
    }

    /// How many of the first `row` rows are not null.
    pub(crate) fn valid_before(&self, row: usize) -> usize {
        self.validity.as_ref().map_or(row, |bits| bits.slice(0, row).count_set_bits())
    }

    /// The validity of some rows; `None` if none of the block is null.
    pub(crate) fn nulls(&self, rows: Range<usize>) -> Option<NullBuffer> {
        self.validity.as_ref().map(|bits| NullBuffer::new(bits.slice(rows.start, rows.len())))
    }
}
