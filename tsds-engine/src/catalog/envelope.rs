//! What every value of the catalog is wrapped in. Frozen: `docs/formats/catalog.md`.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tsds_traits::{Error, Result};

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 5;

fn checksum(version: u8, table: &str, key: &[u8], body: &[u8]) -> u32 {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    // Version, table and key are part of what is checked: a value under another key is as wrong as a flipped bit.
    for part in [&[version], table.as_bytes(), &[0], &(key.len() as u32).to_le_bytes(), key, body] {
        digest.update(part);
    }
    digest.finalize() as u32
}

/// Version, CRC32C of version, table name, key and body, then the body as JSON.
pub(super) fn encode(table: &str, key: &[u8], record: &impl Serialize) -> Result<Vec<u8>> {
    let mut value = vec![VERSION, 0, 0, 0, 0];
    serde_json::to_writer(&mut value, record)
        .map_err(|error| Error::internal("cannot encode a catalog record").with("cause", error))?;
    let crc = checksum(VERSION, table, key, &value[HEADER_BYTES..]);
    value[1..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    Ok(value)
}

/// Reads what [`encode`] wrote.
///
/// # Errors
///
/// `Corrupt` for damage; `Unsupported` for a whole value with an envelope of another version.
pub(super) fn decode<T: DeserializeOwned>(table: &str, key: &[u8], value: &[u8]) -> Result<T> {
    let corrupt =
        |what: &str| Error::corrupt(what).with("catalog_table", table).with("key", format!("{key:02x?}"));
    let (header, body) =
        value.split_at_checked(HEADER_BYTES).ok_or_else(|| corrupt("catalog record is too short"))?;
    let [version, crc @ ..] = header else { return Err(corrupt("catalog record is too short")) };
    if crc != checksum(*version, table, key, body).to_le_bytes() {
        return Err(corrupt("catalog record fails its checksum"));
    }
    if *version != VERSION {
        return Err(Error::unsupported(
            "the catalog was written by another version of TSDS; open it with that version",
        )
        .with("envelope", version)
        .with("supported", VERSION));
    }
    serde_json::from_slice(body)
        .map_err(|error| corrupt("catalog record does not parse").with("cause", error))
}

/// What the database record says in every version; whatever else it has is not looked at.
#[derive(Deserialize)]
struct AnyVersion {
    format: u32,
}

/// The format version that a database record states, whatever that version's records look like.
///
/// # Errors
///
/// As [`decode`].
pub(super) fn format_of(table: &str, key: &[u8], value: &[u8]) -> Result<u32> {
    decode(table, key, value).map(|AnyVersion { format }| format)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tsds_traits::ErrorKind;

    #[test]
    fn a_record_reads_back_and_every_flip_is_found() {
        let value = encode("seals", &[1, 2], &json!({"rows": 4})).unwrap();
        assert_eq!(decode::<serde_json::Value>("seals", &[1, 2], &value).unwrap(), json!({"rows": 4}));
        let damaged = |value: &[u8]| decode::<serde_json::Value>("seals", &[1, 2], value).unwrap_err().kind();
        for bit in 0..value.len() * 8 {
            let mut flipped = value.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(damaged(&flipped), ErrorKind::Corrupt, "bit {bit}");
        }
        for len in 0..value.len() {
            assert_eq!(damaged(&value[..len]), ErrorKind::Corrupt, "length {len}");
        }
    }

    #[test]
    fn a_record_under_another_key_is_corrupt() {
        let value = encode("seals", &[1, 2], &json!({})).unwrap();
        assert!(decode::<serde_json::Value>("seals", &[1, 3], &value).is_err());
        assert!(decode::<serde_json::Value>("tables", &[1, 2], &value).is_err());
    }

    #[test]
    fn a_later_envelope_is_another_version_and_no_damage() {
        let body = b"whatever it will be";
        let mut value = vec![2];
        value.extend(checksum(2, "database", b"database", body).to_le_bytes());
        value.extend(body);
        let error = format_of("database", b"database", &value).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("envelope=2 supported=1"), "{error}");
        value[0] = 3;
        assert_eq!(format_of("database", b"database", &value).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
