//! What the catalog stores. Frozen: `docs/formats/catalog.md`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tsds_traits::{
    DatabaseId, Error, Result, SchemaRecord, SegmentId, SegmentMeta, Sequence, SequenceInterval, TableId,
};

/// The version of everything in the catalog.
pub(crate) const FORMAT_VERSION: u32 = 1;

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
    /// Which plugin fills which role, and the version of what it writes.
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
    /// Every version of the schema, ascending.
    pub schemas: Vec<SchemaRecord>,
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

/// Where a segment durably is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Home {
    /// A segment file.
    File,
    /// A tier of durability `Power`, by plugin id.
    Tier(String),
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
    /// Enough of the segment to find the copy.
    pub meta: SegmentMeta,
    pub home: Home,
    #[serde(with = "hex")]
    pub tier_record: Vec<u8>,
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
        let nibble = |digit: u8| (digit as char).to_digit(16).map(|value| value as u8);
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

const ENVELOPE_VERSION: u8 = 1;
const ENVELOPE_BYTES: usize = 5;

fn checksum(table: &str, key: &[u8], body: &[u8]) -> u32 {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    // The table and key are part of what is checked: a value under another key is as wrong as a flipped bit.
    for part in [table.as_bytes(), &[0], &(key.len() as u32).to_le_bytes(), key, body] {
        digest.update(part);
    }
    digest.finalize() as u32
}

/// Version, CRC32C of table name, key and body, then the body as JSON.
pub(super) fn encode(table: &str, key: &[u8], record: &impl Serialize) -> Result<Vec<u8>> {
    let mut value = vec![ENVELOPE_VERSION, 0, 0, 0, 0];
    serde_json::to_writer(&mut value, record)
        .map_err(|error| Error::internal("cannot encode a catalog record").with("cause", error))?;
    let crc = checksum(table, key, &value[ENVELOPE_BYTES..]);
    value[1..ENVELOPE_BYTES].copy_from_slice(&crc.to_le_bytes());
    Ok(value)
}

/// Reads what [`encode`] wrote.
pub(super) fn decode<T: DeserializeOwned>(table: &str, key: &[u8], value: &[u8]) -> Result<T> {
    let corrupt =
        |what: &str| Error::corrupt(what).with("catalog_table", table).with("key", format!("{key:02x?}"));
    let (envelope, body) =
        value.split_at_checked(ENVELOPE_BYTES).ok_or_else(|| corrupt("catalog record is too short"))?;
    let [version, crc @ ..] = envelope else { return Err(corrupt("catalog record is too short")) };
    if *version != ENVELOPE_VERSION {
        return Err(corrupt("catalog record has an unknown format version").with("version", version));
    }
    if crc != checksum(table, key, body).to_le_bytes() {
        return Err(corrupt("catalog record fails its checksum"));
    }
    serde_json::from_slice(body)
        .map_err(|error| corrupt("catalog record does not parse").with("cause", error))
}

/// The key of a table: its number, big endian, so that keys sort as numbers.
pub(super) fn table_key(table: TableId) -> [u8; 4] {
    table.0.to_be_bytes()
}

/// The key of a seal: table, then the interval's end.
pub(super) fn seal_key(table: TableId, upto: Sequence) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&table.0.to_be_bytes());
    key[4..].copy_from_slice(&upto.0.to_be_bytes());
    key
}

/// The key of a segment: its number, then its generation.
pub(super) fn segment_key(id: SegmentId) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&id.id.to_be_bytes());
    key[8..].copy_from_slice(&id.generation.to_be_bytes());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_every_flip_is_found() {
        let seal = SealRecord { interval: SequenceInterval::new(Sequence(1), Sequence(9)), rows: 4 };
        let key = seal_key(TableId(3), Sequence(9));
        let value = encode("seals", &key, &seal).unwrap();
        assert_eq!(decode::<SealRecord>("seals", &key, &value).unwrap(), seal);
        for bit in 0..value.len() * 8 {
            let mut flipped = value.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode::<SealRecord>("seals", &key, &flipped).is_err(), "bit {bit}");
        }
        for len in 0..value.len() {
            assert!(decode::<SealRecord>("seals", &key, &value[..len]).is_err(), "length {len}");
        }
    }

    #[test]
    fn a_record_under_another_key_is_corrupt() {
        let seal = SealRecord { interval: SequenceInterval::new(Sequence(1), Sequence(9)), rows: 4 };
        let value = encode("seals", &seal_key(TableId(3), Sequence(9)), &seal).unwrap();
        assert!(decode::<SealRecord>("seals", &seal_key(TableId(4), Sequence(9)), &value).is_err());
        assert!(decode::<SealRecord>("tables", &seal_key(TableId(3), Sequence(9)), &value).is_err());
    }

    #[test]
    fn the_stored_form_is_frozen() {
        let seal = SealRecord { interval: SequenceInterval::new(Sequence(1), Sequence(9)), rows: 4 };
        let value = encode("seals", &seal_key(TableId(3), Sequence(9)), &seal).unwrap();
        assert_eq!(&value[ENVELOPE_BYTES..], br#"{"interval":{"after":1,"upto":9},"rows":4}"#);
        assert_eq!(value[..ENVELOPE_BYTES], [1, 0x05, 0x8b, 0x03, 0xdd]);
    }
}
