//! Blocks by their bytes: what a codec's format is, beyond what today's code writes and reads.

use arrow_schema::DataType;

use super::arrays::Cell;

/// A block by its bytes: one that a release wrote, or one that none ever did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrozenBlock {
    /// What failures call it.
    pub name: &'static str,
    /// The format version that stands beside the block.
    pub version: u16,
    /// The type that stands beside the block.
    pub data_type: DataType,
    /// The number of rows that stands beside the block.
    pub rows: usize,
    /// The block.
    pub bytes: Vec<u8>,
    /// What the bytes mean, for ever.
    pub meaning: Meaning,
}

/// What the bytes of a [`FrozenBlock`] mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// These values, which the codec encodes to these very bytes.
    Written(Vec<Option<Cell>>),
    /// These values, which the codec may encode otherwise today: an older version, or a library whose bytes change.
    Read(Vec<Option<Cell>>),
    /// Nothing: the format rules them out, and every way to read them is `Corrupt`.
    Corrupt,
}

impl FrozenBlock {
    /// Bytes that these values are encoded to, and decoded from.
    pub fn written(
        name: &'static str,
        version: u16,
        data_type: DataType,
        cells: Vec<Option<Cell>>,
        bytes: Vec<u8>,
    ) -> Self {
        Self { name, version, data_type, rows: cells.len(), bytes, meaning: Meaning::Written(cells) }
    }

    /// Bytes that these values are decoded from.
    pub fn read(
        name: &'static str,
        version: u16,
        data_type: DataType,
        cells: Vec<Option<Cell>>,
        bytes: Vec<u8>,
    ) -> Self {
        Self { name, version, data_type, rows: cells.len(), bytes, meaning: Meaning::Read(cells) }
    }

    /// Bytes that no encoder wrote.
    pub fn corrupt(
        name: &'static str,
        version: u16,
        data_type: DataType,
        rows: usize,
        bytes: Vec<u8>,
    ) -> Self {
        Self { name, version, data_type, rows, bytes, meaning: Meaning::Corrupt }
    }
}
