//! What the catalog stores. Frozen: `docs/formats/catalog.md`.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tsds_traits::{
    DatabaseId, SchemaRecord, SegmentId, SegmentMeta, Sequence, SequenceInterval, StoredSegment, TableId,
};

use crate::batches::BatchId;

/// The version of everything in the catalog: of its tables, of their keys and of every record.
pub(crate) const FORMAT_VERSION: u32 = 2;
/// The oldest version that is read. 1 lacks the table of batches; the first commit to its database record makes it 2.
pub(crate) const READS_FROM: u32 = 1;

/// The name under which the plugin that writes the log is noted.
pub(crate) const LOG: &str = "wal";
/// The name of the tier of cold files.
pub(crate) const COLD: &str = "cold";

/// The one record about the database as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DatabaseRecord {
    /// [`FORMAT_VERSION`] of whoever wrote it.
    pub format: u32,
    pub database: DatabaseId,
    /// No sequence up to here is ever given to a new write.
    pub sequences_reserved: Sequence,
    /// No segment number up to here is ever given to a new segment.
    pub segments_reserved: u64,
    /// The next table's number.
    pub next_table: u32,
    /// Every row up to here has another home than the log.
    pub wal_floor: Sequence,
    /// Every sequence up to here was durable once: a log that lacks one of them is damaged.
    pub known_durable: Sequence,
    /// Whether the database was closed, and not opened since.
    pub closed: bool,
    /// Which plugin writes what, and in which version: [`LOG`], and every tier that can be a home by its name.
    pub plugins: BTreeMap<String, PluginRecord>,
}

/// A plugin that wrote to this database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PluginRecord {
    pub id: String,
    pub format_version: u16,
}

/// One table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TableRecord {
    pub id: TableId,
    pub name: String,
    /// `None` until the first seal fixes it from the density of the rows.
    pub chunk_interval: Option<String>,
    /// Versions of the schema, ascending; the last is that of new rows.
    pub schemas: Vec<SchemaRecord>,
    /// The next column's number. No number below was free when a column was made, also where its schema is gone.
    pub next_column: u32,
    /// Rows up to here are in segments, rows above in memory and in the log.
    pub sealed_upto: Sequence,
    /// Rows that recorded retention deleted.
    pub deleted_rows: u64,
}

/// One seal of a table: the tile `interval` of the table's sequences, and how many rows it put into segments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SealRecord {
    pub interval: SequenceInterval,
    pub rows: u64,
}

/// A batch that its writer has named, and whose rows are in segments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BatchRecord {
    pub sequence: Sequence,
    pub id: BatchId,
    pub rows: u64,
}

/// Where a segment durably is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Home {
    /// A segment file.
    File,
    /// A tier of durability `Power`, by the name under which the database record notes its plugin. A name and not the
    /// plugin's id, so that one plugin can be two tiers.
    Tier(String),
}

impl Home {
    /// The tier of cold files.
    pub(crate) fn cold() -> Self {
        Self::Tier(COLD.into())
    }
}

/// One segment and its home.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SegmentRecord {
    pub meta: SegmentMeta,
    pub home: Home,
    /// What the segment takes at its home.
    pub bytes: u64,
    /// What the tier noted when it stored the segment, in lower-case hexadecimal.
    #[serde(with = "hex")]
    pub tier_record: Vec<u8>,
}

/// A physical write that was begun, or a copy that nobody needs any more: what start-up removes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemovalRecord {
    pub segment: SegmentId,
    pub home: Home,
    /// As of [`SegmentRecord`]; empty as long as the tier has not answered.
    #[serde(with = "hex")]
    pub tier_record: Vec<u8>,
}

impl RemovalRecord {
    /// Of a segment file.
    pub(crate) fn file(segment: SegmentId) -> Self {
        Self { segment, home: Home::File, tier_record: Vec::new() }
    }

    /// What a tier needs to find the copy.
    pub(crate) fn stored(&self) -> StoredSegment {
        StoredSegment { id: self.segment, record: Bytes::copy_from_slice(&self.tier_record) }
    }
}

mod hex {
    //! Bytes as lower-case hexadecimal text.
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
        let text: String = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect();
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let nibble = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        if !text.len().is_multiple_of(2) {
            return Err(D::Error::custom("hexadecimal text of odd length"));
        }
        text.as_bytes()
            .chunks_exact(2)
            .map(|pair| match pair {
                [high, low] => Some(nibble(*high)? << 4 | nibble(*low)?),
                _ => None,
            })
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| D::Error::custom("not hexadecimal text"))
    }
}

/// The key of a table: its number, big endian, so that keys sort as numbers.
pub(super) fn table_key(table: TableId) -> [u8; 4] {
    table.0.to_be_bytes()
}

/// The key of a seal or a batch: table, then the interval's end, or the batch's sequence.
pub(super) fn sequence_key(table: TableId, sequence: Sequence) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&table.0.to_be_bytes());
    key[4..].copy_from_slice(&sequence.0.to_be_bytes());
    key
}

/// The key of a segment: its number, then its generation.
pub(super) fn segment_key(id: SegmentId) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&id.id.to_be_bytes());
    key[8..].copy_from_slice(&id.generation.to_be_bytes());
    key
}
