//! The note in a file's footer: whose rows the file holds, so that a catalog can be rebuilt from files alone.
//!
//! It is JSON in a key-value pair of the Parquet footer. Parquet readers find it as metadata; [`read`] finds it in the raw
//! footer, without giving bytes that nobody vouches for to a Parquet decoder.

use arrow_schema::Schema;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::{ARROW_SCHEMA_META_KEY, encode_arrow_schema};
use parquet::file::metadata::KeyValue;
use serde::{Deserialize, Serialize};
use tsds_traits::{DatabaseId, Error, Result, SchemaRecord, SegmentId, SegmentMeta, TableSchema};

use crate::record::FOOTER_TAIL_BYTES;
use crate::settings::ParquetSettings;
use crate::store::from_store;

/// The key of [`FileNote`], the last pair in the file.
const NOTE_KEY: &str = "tsds.segment";
/// The key of the [`SchemaRecord`].
const SCHEMA_KEY: &str = "tsds.schema";
/// The key of the [`SegmentMeta`].
const META_KEY: &str = "tsds.meta";
/// The format of notes and files.
pub(crate) const FORMAT_VERSION: u16 = 1;
/// How much of the end of a file is read first. After the note stand some three bytes for each column.
const TAIL_BYTES: u64 = 16 * 1024;
/// What every Parquet file ends with.
const PARQUET_MAGIC: &[u8] = b"PAR1";
/// A longer footer is not searched, and its file counts as one without a note.
const MAX_FOOTER_BYTES: u64 = 64 << 20;

/// What a file says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileNote {
    format: u16,
    database: String,
    segment: SegmentId,
    rows: u64,
    /// How the file was written: the same rows and settings give the same bytes.
    compression: String,
    row_group_rows: usize,
}

/// What a file of any version says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct AnyVersion {
    format: u16,
    database: String,
}

/// A note that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundNote {
    any: AnyVersion,
    /// The rest, if it is of this version.
    note: Option<FileNote>,
}

impl FileNote {
    fn new(meta: &SegmentMeta, database: DatabaseId, settings: &ParquetSettings) -> Self {
        Self {
            format: FORMAT_VERSION,
            database: database.to_string(),
            segment: meta.id,
            rows: meta.rows,
            compression: settings.compression.clone(),
            row_group_rows: settings.row_group_rows,
        }
    }
}

impl FoundNote {
    fn parse(json: &[u8]) -> Option<Self> {
        let any: AnyVersion = serde_json::from_slice(json).ok()?;
        let note = if any.format == FORMAT_VERSION { Some(serde_json::from_slice(json).ok()?) } else { None };
        Some(Self { any, note })
    }

    /// The database that wrote the file.
    pub(crate) fn database(&self) -> &str {
        &self.any.database
    }

    /// Whether the file is one of this database.
    pub(crate) fn is_of(&self, database: DatabaseId) -> bool {
        self.any.database == database.to_string()
    }

    /// How many rows the file has, as far as this version knows.
    pub(crate) fn rows(&self) -> u64 {
        self.note.as_ref().map_or(0, |note| note.rows)
    }

    /// The settings with which the file was written, for writing it once more; `None` if no file is written like that.
    ///
    /// # Errors
    ///
    /// `Unsupported` for a file of another version.
    pub(crate) fn settings(&self, current: &ParquetSettings) -> Result<Option<ParquetSettings>> {
        let Some(note) = &self.note else {
            return Err(Error::unsupported(
                "cold file was written by another version of TSDS; use that version",
            )
            .with("format", self.any.format)
            .with("supported", FORMAT_VERSION));
        };
        let settings = ParquetSettings {
            compression: note.compression.clone(),
            row_group_rows: note.row_group_rows,
            ..current.clone()
        };
        Ok(settings.validate().is_ok().then_some(settings))
    }
}

/// The key-value pairs of a file, in the order in which they are written: what is long comes first, so that the note is
/// among the last bytes of the file.
pub(crate) fn key_values(
    meta: &SegmentMeta,
    schema: &TableSchema,
    file_schema: &Schema,
    database: DatabaseId,
    settings: &ParquetSettings,
) -> Result<Vec<KeyValue>> {
    let failed = |error: serde_json::Error| {
        Error::internal("metadata of a segment cannot be written as json").with("cause", error)
    };
    let schema = serde_json::to_string(&SchemaRecord::from(schema)).map_err(failed)?;
    let note = serde_json::to_string(&FileNote::new(meta, database, settings)).map_err(failed)?;
    let meta = serde_json::to_string(meta).map_err(failed)?;
    let arrow = encode_arrow_schema(file_schema);
    let pairs = [(ARROW_SCHEMA_META_KEY, arrow), (SCHEMA_KEY, schema), (META_KEY, meta), (NOTE_KEY, note)];
    Ok(pairs.map(|(key, value)| KeyValue::new(key.to_owned(), value)).into())
}

/// The note of a file of `size` bytes, if it has one. The bytes need not be trustworthy, and neither is the note: whoever
/// acts on it verifies what it claims.
///
/// # Errors
///
/// `NotFound` without the file; as for I/O.
pub(crate) async fn read(store: &dyn ObjectStore, path: &Path, size: u64) -> Result<Option<FoundNote>> {
    let range = |start: u64| async move {
        store.get_range(path, start..size).await.map_err(|error| from_store(error).with("file", path))
    };
    if size < FOOTER_TAIL_BYTES {
        return Ok(None);
    }
    let tail_start = size.saturating_sub(TAIL_BYTES);
    let tail = range(tail_start).await?;
    let note = find(&tail);
    if note.is_some() {
        return Ok(note);
    }
    match footer_start(&tail, size) {
        Some(start) if start < tail_start => Ok(find(&range(start).await?)),
        _ => Ok(None),
    }
}

/// Where the footer of a file of `size` bytes begins, by its last bytes.
fn footer_start(tail: &[u8], size: u64) -> Option<u64> {
    let (rest, magic) = tail.split_last_chunk::<4>()?;
    let (_, len) = rest.split_last_chunk::<4>()?;
    let len = u64::from(u32::from_le_bytes(*len));
    (magic == PARQUET_MAGIC && len <= MAX_FOOTER_BYTES).then(|| size.checked_sub(len + FOOTER_TAIL_BYTES))?
}

/// The last note in some bytes.
fn find(tail: &[u8]) -> Option<FoundNote> {
    let key = NOTE_KEY.as_bytes();
    let at = tail.windows(key.len()).rposition(|window| window == key)?;
    // Thrift's compact protocol: the value is the next field of the same struct (delta 1) and binary (type 8).
    const VALUE_FIELD: u8 = 0x18;
    let (header, rest) = tail.get(at + key.len()..)?.split_first()?;
    if *header != VALUE_FIELD {
        return None;
    }
    let (len, rest) = varint(rest)?;
    FoundNote::parse(rest.get(..len)?)
}

/// A length of at most 28 bits in groups of seven, lowest first.
fn varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::sim;
    use object_store::memory::InMemory;
    use proptest::prelude::*;

    fn note() -> FileNote {
        FileNote {
            format: FORMAT_VERSION,
            database: DatabaseId([7; 16]).to_string(),
            segment: SegmentId { id: 9, generation: 1 },
            rows: 5,
            compression: "zstd".into(),
            row_group_rows: 4_096,
        }
    }

    fn json(note: &FileNote) -> Vec<u8> {
        serde_json::to_vec(note).unwrap()
    }

    fn found(note: &FileNote) -> FoundNote {
        FoundNote::parse(&json(note)).unwrap()
    }

    #[test]
    fn settings_that_nobody_writes_with_are_not_followed() {
        let current = ParquetSettings::default();
        let settings = found(&note()).settings(&current).unwrap().unwrap();
        assert_eq!(settings, ParquetSettings { row_group_rows: 4_096, ..current.clone() });
        let impossible = FileNote { row_group_rows: 0, ..note() };
        assert_eq!(found(&impossible).settings(&current).unwrap(), None);
    }

    #[test]
    fn a_note_of_a_later_version_names_its_database_and_is_unsupported() {
        let later = br#"{"format":2,"database":"07070707070707070707070707070707","rows":"many"}"#;
        let later = FoundNote::parse(later).unwrap();
        assert!(later.is_of(DatabaseId([7; 16])) && !later.is_of(DatabaseId([8; 16])));
        let error = later.settings(&ParquetSettings::default()).unwrap_err();
        assert_eq!(error.kind(), tsds_traits::ErrorKind::Unsupported);
        assert!(error.to_string().contains("format=2 supported=1"), "{error}");
    }

    #[test]
    fn the_stored_form_is_frozen() {
        let text = concat!(
            r#"{"format":1,"database":"07070707070707070707070707070707","segment":{"id":9,"generation":1},"#,
            r#""rows":5,"compression":"zstd","row_group_rows":4096}"#
        );
        assert_eq!(String::from_utf8(json(&note())).unwrap(), text);
    }

    fn tail_with(value: &[u8]) -> Vec<u8> {
        let mut tail = b"other bytes".to_vec();
        tail.extend_from_slice(NOTE_KEY.as_bytes());
        tail.push(0x18);
        let mut len = value.len();
        while len >= 0x80 {
            tail.push((len & 0x7f) as u8 | 0x80);
            len >>= 7;
        }
        tail.push(len as u8);
        tail.extend_from_slice(value);
        tail.extend_from_slice(b"created by somebody");
        tail
    }

    #[test]
    fn a_note_is_found_in_the_bytes_around_it() {
        let json = json(&note());
        assert!(json.len() > 0x80, "the length takes two bytes");
        assert_eq!(find(&tail_with(&json)), Some(found(&note())));
    }

    #[test]
    fn a_cut_note_is_none() {
        let tail = tail_with(&json(&note()));
        let end = tail.len() - b"created by somebody".len();
        assert!((0..end).all(|len| find(&tail[..len]).is_none()));
    }

    #[test]
    fn a_note_far_from_the_end_is_found_by_the_length_of_the_footer() {
        let footer = [tail_with(&json(&note())), vec![1; TAIL_BYTES as usize]].concat();
        let read_with = |footer_len: usize| {
            let end = [&(footer_len as u32).to_le_bytes()[..], PARQUET_MAGIC].concat();
            let file = [b"PAR1 rows".to_vec(), footer.clone(), end].concat();
            let (machine, _) = sim(1);
            machine.block_on(async move {
                let (store, path, size) = (InMemory::new(), Path::from("7/x"), file.len() as u64);
                store.put(&path, file.into()).await.unwrap();
                read(&store, &path, size).await.unwrap()
            })
        };
        assert_eq!(read_with(footer.len()), Some(found(&note())));
        for wrong in [0, 100, footer.len() * 2, u32::MAX as usize] {
            assert_eq!(read_with(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_after_the_key_are_harmless(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut tail = NOTE_KEY.as_bytes().to_vec();
            tail.extend_from_slice(&bytes);
            let _ = find(&tail);
        }
    }
}
