//! The first sixteen bytes.

use crc_fast::{CrcAlgorithm, Digest};

use crate::error::{Damaged, Result};
use crate::values::Kind;

/// What a block begins with.
const MAGIC: [u8; 3] = *b"TSG";
/// The version of the format that is written.
pub const VERSION: u8 = 1;
/// The most rows of a block.
pub const MAX_ROWS: usize = 1 << 24;
/// The length of the header.
pub(crate) const HEADER_LEN: usize = 16;
/// Where the checksum lies in the header.
const CHECKSUM_AT: usize = 12;

/// Some rows are null.
pub(crate) const NULLS: u8 = 1;
/// Decimals are rounded to single precision.
pub(crate) const SINGLE: u8 = 2;
/// Decimals have corrections.
pub(crate) const CORRECTIONS: u8 = 4;
/// Some rows are exceptions.
pub(crate) const EXCEPTIONS: u8 = 8;
/// All flags there are.
const FLAGS: u8 = NULLS | SINGLE | CORRECTIONS | EXCEPTIONS;

/// How the values of a block are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Mode {
    /// As they are.
    Raw = 0,
    /// A first value and a step that is always the same, maybe 0.
    Progression = 1,
    /// As integers, or, if they are floats, as integers in the same order.
    Integers = 2,
    /// As integers divided by a power of ten.
    Decimal = 3,
    /// As places in a sorted list of the distinct ones.
    Dictionary = 4,
    /// In the codes of the Gorilla paper.
    Classic = 5,
    /// As bits.
    Bits = 6,
}

impl Mode {
    /// All modes.
    pub const ALL: [Self; 7] = [
        Self::Raw,
        Self::Progression,
        Self::Integers,
        Self::Decimal,
        Self::Dictionary,
        Self::Classic,
        Self::Bits,
    ];

    /// What the mode is called in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Progression => "progression",
            Self::Integers => "integers",
            Self::Decimal => "decimal",
            Self::Dictionary => "dictionary",
            Self::Classic => "classic",
            Self::Bits => "bits",
        }
    }
}

/// How values are stored: the mode, what belongs to it, and flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) mode: Mode,
    /// The exponent of decimals; the logarithm of the number of lanes of classic codes; else 0.
    pub(crate) detail: u8,
    pub(crate) flags: u8,
}

impl Shape {
    pub(crate) fn new(mode: Mode) -> Self {
        Self { mode, detail: 0, flags: 0 }
    }

    pub(crate) fn to_bytes(self) -> [u8; 3] {
        [self.mode as u8, self.detail, self.flags]
    }

    pub(crate) fn parse([mode, detail, flags]: [u8; 3]) -> Result<Self> {
        let mode = Mode::ALL.into_iter().find(|known| *known as u8 == mode);
        let mode = mode.ok_or(Damaged::new("it has an unknown mode"))?;
        if flags & !FLAGS != 0 {
            return Err(Damaged::new("it has unknown flags"));
        }
        Ok(Self { mode, detail, flags })
    }

    pub(crate) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// A header whose magic, version and checksum are right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) shape: Shape,
    pub(crate) rows: usize,
}

impl Header {
    /// Fills in the header of the block that all of `bytes` are, whose first [`HEADER_LEN`] bytes are reserved.
    pub(crate) fn write(&self, bytes: &mut [u8]) {
        let Some((header, payload)) = bytes.split_first_chunk_mut::<HEADER_LEN>() else { return };
        header[..3].copy_from_slice(&MAGIC);
        header[3] = VERSION;
        header[4] = self.kind as u8;
        header[5..8].copy_from_slice(&self.shape.to_bytes());
        header[8..12].copy_from_slice(&(self.rows as u32).to_le_bytes());
        let checksum = checksum(header, payload);
        header[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
    }

    /// Reads and checks the header of a block.
    pub(crate) fn parse(bytes: &[u8]) -> Result<(Self, &[u8])> {
        let (header, payload) =
            bytes.split_first_chunk::<HEADER_LEN>().ok_or(Damaged::new("it is shorter than its header"))?;
        let [m0, m1, m2, version, kind, mode, detail, flags, r0, r1, r2, r3, c0, c1, c2, c3] = *header;
        if [m0, m1, m2] != MAGIC {
            return Err(Damaged::new("it does not begin as a block does"));
        }
        if checksum(header, payload) != u32::from_le_bytes([c0, c1, c2, c3]) {
            return Err(Damaged::new("its checksum is wrong"));
        }
        // Only now: a version that is wrong by damage is damage.
        if version != VERSION {
            return Err(Damaged::new("it has a version that this program does not know"));
        }
        let kind = Kind::from_code(kind).ok_or(Damaged::new("its values have an unknown type"))?;
        let rows = u32::from_le_bytes([r0, r1, r2, r3]) as usize;
        if rows > MAX_ROWS {
            return Err(Damaged::new("it has more rows than a block can have"));
        }
        Ok((Self { kind, shape: Shape::parse([mode, detail, flags])?, rows }, payload))
    }
}

/// CRC-32C of everything but the checksum.
fn checksum(header: &[u8; HEADER_LEN], payload: &[u8]) -> u32 {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    digest.update(&header[..CHECKSUM_AT]);
    digest.update(payload);
    digest.finalize() as u32
}

/// Makes the checksum of changed bytes right, so that what comes after it is tested.
#[cfg(any(test, feature = "conformance"))]
pub(crate) fn forge_checksum(bytes: &mut [u8]) {
    let Some((header, payload)) = bytes.split_first_chunk_mut::<HEADER_LEN>() else { return };
    let checksum = checksum(header, payload);
    header[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
}
