//! The block index: where every block lies, which codec reads it, and what is in it.

use tsds_traits::{ColumnStats, Error, Result, TableSchema, ValueClass, is_payload_type};

use super::bytes::Reader;
use super::{BLOCK_ALIGN, stats_bytes};

/// How a column's values are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Storage {
    /// Blocks of the column's own type.
    Values = 0,
    /// Text as `Binary` blocks.
    Text = 1,
    /// Text as one dictionary and `UInt32` blocks of codes.
    Codes = 2,
    /// Decimals that fit 64 bits, all of them, as `Int64` blocks of units of the column's scale.
    Units = 3,
    /// Payload as `Binary` blocks, one value a row.
    Payload = 4,
}

/// One block of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlockEntry {
    pub(crate) offset: u64,
    pub(crate) len: u32,
    pub(crate) crc: u32,
    /// The position in the footer's list of codecs.
    pub(crate) codec: u16,
    pub(crate) rows: u32,
    pub(crate) stats: ColumnStats,
}

impl BlockEntry {
    /// The first byte after the block.
    pub(crate) fn end(&self) -> u64 {
        self.offset.saturating_add(self.len.into())
    }
}

/// The blocks of one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ColumnIndex {
    pub(crate) storage: Storage,
    pub(crate) dictionary: Option<BlockEntry>,
    pub(crate) blocks: Vec<BlockEntry>,
}

impl ColumnIndex {
    /// Every block in file order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &BlockEntry> {
        self.dictionary.iter().chain(&self.blocks)
    }
}

/// What a block entry takes at least: all but the bounds.
pub(super) const MIN_ENTRY: usize = 8 + 4 + 4 + 2 + TAG + stats_bytes::MIN_LEN;
/// The room for an authentication tag; zero where the file is not encrypted.
const TAG: usize = 16;

pub(super) fn encode_column(column: &ColumnIndex, out: &mut Vec<u8>) -> Result<()> {
    out.push(column.storage as u8);
    if let Some(dictionary) = &column.dictionary {
        out.extend_from_slice(&dictionary.rows.to_le_bytes());
        encode_entry(dictionary, out)?;
    }
    column.blocks.iter().try_for_each(|block| encode_entry(block, out))
}

fn encode_entry(entry: &BlockEntry, out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(&entry.offset.to_le_bytes());
    out.extend_from_slice(&entry.len.to_le_bytes());
    out.extend_from_slice(&entry.crc.to_le_bytes());
    out.extend_from_slice(&entry.codec.to_le_bytes());
    out.extend_from_slice(&[0; TAG]);
    stats_bytes::encode(&entry.stats, out)
}

/// Reads the columns of a segment, whose blocks have `block_rows` rows each and lie from `position` on, with nothing but
/// padding between them.
pub(super) struct ColumnsReader<'a> {
    pub(super) schema: &'a TableSchema,
    /// The rows of the segment.
    pub(super) rows: u64,
    pub(super) block_rows: &'a [u32],
    pub(super) codecs: usize,
    /// Where the next block must start.
    pub(super) position: u64,
}

impl ColumnsReader<'_> {
    pub(super) fn column(&mut self, reader: &mut Reader<'_>, index: usize) -> Result<ColumnIndex> {
        let column = self
            .schema
            .columns()
            .get(index)
            .ok_or_else(|| Error::corrupt("segment file has more columns than its schema"))?;
        let class = ValueClass::of(&column.data_type);
        if class.is_none() && !is_payload_type(&column.data_type) {
            return Err(Error::corrupt("segment file has a column of an unknown type"));
        }
        let storage = match (reader.u8()?, class) {
            (1, Some(ValueClass::Text)) => Storage::Text,
            (2, Some(ValueClass::Text)) => Storage::Codes,
            (
                0,
                Some(
                    ValueClass::Bool
                    | ValueClass::Int
                    | ValueClass::UInt
                    | ValueClass::F32
                    | ValueClass::F64
                    | ValueClass::Decimal,
                ),
            ) => Storage::Values,
            (3, Some(ValueClass::Decimal)) => Storage::Units,
            (4, None) => Storage::Payload,
            (other, _) => {
                return Err(Error::corrupt("segment file stores a column in an impossible way")
                    .with("column", column.id)
                    .with("storage", other));
            }
        };
        let dictionary = match storage {
            Storage::Codes => {
                let rows = reader.u32()?;
                if u64::from(rows) > self.rows {
                    return Err(Error::corrupt(
                        "segment file has more values in a dictionary than it has rows",
                    )
                    .with("column", column.id)
                    .with("values", rows));
                }
                Some(self.entry(reader, rows, |reader| stats_bytes::decode(reader, column.id, class, rows))?)
            }
            _ => None,
        };
        if dictionary.as_ref().is_some_and(|dictionary| dictionary.stats.null_count > 0) {
            return Err(Error::corrupt("segment file has a null in a dictionary").with("column", column.id));
        }
        let mut blocks = Vec::with_capacity(self.block_rows.len().min(reader.remaining() / MIN_ENTRY + 1));
        for rows in self.block_rows {
            let entry =
                self.entry(reader, *rows, |reader| stats_bytes::decode(reader, column.id, class, *rows))?;
            if entry.stats.null_count > 0 && !column.nullable {
                return Err(
                    Error::corrupt("segment file has nulls in a column without").with("column", column.id)
                );
            }
            blocks.push(entry);
        }
        Ok(ColumnIndex { storage, dictionary, blocks })
    }

    fn entry(
        &mut self,
        reader: &mut Reader<'_>,
        rows: u32,
        stats: impl FnOnce(&mut Reader<'_>) -> Result<ColumnStats>,
    ) -> Result<BlockEntry> {
        let (offset, len, crc, codec) = (reader.u64()?, reader.u32()?, reader.u32()?, reader.u16()?);
        reader.zeros(TAG)?;
        if Some(offset) != self.position.checked_next_multiple_of(BLOCK_ALIGN) {
            return Err(Error::corrupt("segment file has a block where none can be").with("offset", offset));
        }
        if usize::from(codec) >= self.codecs {
            return Err(
                Error::corrupt("segment file names a codec that it does not list").with("codec", codec)
            );
        }
        let entry = BlockEntry { offset, len, crc, codec, rows, stats: stats(reader)? };
        self.position = entry.end();
        Ok(entry)
    }
}
