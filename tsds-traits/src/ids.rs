//! The numbers that name things: tables, columns, segments, chunks, sequences.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A table's catalog number, never reused.
    TableId(u32)
}
id! {
    /// A column's catalog number: unique in its table, never reused, the same in every schema version.
    ColumnId(u32)
}
id! {
    /// The number of one version of a table's schema, from 1 upwards.
    SchemaVersion(u32)
}
id! {
    /// The engine-wide number of a durable write, from 1 upwards, never used twice. 0 means "before any write".
    Sequence(u64)
}
id! {
    /// What shares one data key. 0 is the domain of everything that is not encrypted by domain. The domain of a row is a
    /// function of its series, and changes at the border of a seal only: rows of one series in one interval are in one
    /// segment, or ties between them could not be broken.
    KeyDomain(u64)
}

impl Sequence {
    /// Before any write.
    pub const ZERO: Self = Self(0);

    /// The sequence after this one; saturates, which no real database reaches.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// The random 128-bit number that a database gets when it is created. Checksums are seeded with it, so that bytes of
/// another database never parse. As text, also where it is serialised, 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DatabaseId(pub [u8; 16]);

impl Serialize for DatabaseId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DatabaseId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl std::str::FromStr for DatabaseId {
    type Err = crate::Error;

    /// Reads what [`fmt::Display`] writes: 32 lower-case hexadecimal digits.
    fn from_str(text: &str) -> crate::Result<Self> {
        let parsed = (text.len() == 32 && is_lower_hex(text)).then(|| u128::from_str_radix(text, 16).ok());
        let number = parsed.flatten();
        number
            .map(|number| Self(number.to_be_bytes()))
            .ok_or_else(|| crate::Error::invalid_input("not a database id").with("text", text))
    }
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl fmt::Display for DatabaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for DatabaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Names one physical write of a segment: `id` is never reused, and every rewrite of the same rows (another home,
/// another key) gets the next `generation`, so that no name ever stands for two different byte sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SegmentId {
    /// The segment's number, never reused.
    pub id: u64,
    /// Counts the physical writes of this segment, from 0.
    pub generation: u32,
}

impl SegmentId {
    /// The first physical write of segment `id`.
    pub fn new(id: u64) -> Self {
        Self { id, generation: 0 }
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:08x}", self.id, self.generation)
    }
}

impl std::str::FromStr for SegmentId {
    type Err = crate::Error;

    /// Reads what [`fmt::Display`] writes: 16 and 8 lower-case hexadecimal digits around a hyphen.
    fn from_str(text: &str) -> crate::Result<Self> {
        let parse = || {
            let (id, generation) = text.split_once('-')?;
            if id.len() != 16 || generation.len() != 8 || !is_lower_hex(id) || !is_lower_hex(generation) {
                return None;
            }
            Some(Self {
                id: u64::from_str_radix(id, 16).ok()?,
                generation: u32::from_str_radix(generation, 16).ok()?,
            })
        };
        parse().ok_or_else(|| crate::Error::invalid_input("not a segment id").with("text", text))
    }
}

/// The sequences `(after, upto]`. A segment owns every row of its table, chunk and key domain in its interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SequenceInterval {
    /// The last sequence before the interval.
    pub after: Sequence,
    /// The last sequence of the interval.
    pub upto: Sequence,
}

impl SequenceInterval {
    /// `(after, upto]`.
    pub fn new(after: Sequence, upto: Sequence) -> Self {
        Self { after, upto }
    }

    /// Whether the interval holds no sequence.
    pub fn is_empty(&self) -> bool {
        self.upto <= self.after
    }

    /// Whether `sequence` lies in the interval.
    pub fn contains(&self, sequence: Sequence) -> bool {
        self.after < sequence && sequence <= self.upto
    }
}

impl fmt::Display for SequenceInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {}]", self.after, self.upto)
    }
}

/// The time range `[start, end)` of a chunk, in whole seconds since 1970-01-01T00:00:00 UTC.
///
/// Seconds and not the time column's unit, so that the bounds of the chunk that holds the last instant of a
/// nanosecond column are still representable, and so that one chunk is the same in every unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChunkRange {
    /// First second of the chunk.
    pub start: i64,
    /// First second after the chunk.
    pub end: i64,
}

impl ChunkRange {
    /// Whether the instant `second` (floored to whole seconds) lies in the chunk.
    pub fn contains_second(&self, second: i64) -> bool {
        self.start <= second && second < self.end
    }
}

impl fmt::Display for ChunkRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}s, {}s)", self.start, self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_id_is_stored_as_hexadecimal_digits() {
        let id = DatabaseId(std::array::from_fn(|at| 0xf0 + at as u8));
        let text = "\"f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff\"";
        assert_eq!(serde_json::to_string(&id).unwrap(), text);
        assert_eq!(serde_json::from_str::<DatabaseId>(text).unwrap(), id);
        assert_eq!(DatabaseId([0; 16]).to_string().parse::<DatabaseId>().unwrap(), DatabaseId([0; 16]));
        for bad in ["", "f0", "F0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF", "+0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"] {
            assert!(bad.parse::<DatabaseId>().is_err(), "{bad}");
            assert!(serde_json::from_str::<DatabaseId>(&format!("\"{bad}\"")).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_segment_id_reads_back_from_its_text() {
        let id = SegmentId { id: 0x1f, generation: 3 };
        assert_eq!(id.to_string(), "000000000000001f-00000003");
        assert_eq!(id.to_string().parse::<SegmentId>().unwrap(), id);
        for bad in ["", "1f-3", "000000000000001F-00000003", "+00000000000001f-00000003"] {
            assert!(bad.parse::<SegmentId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_interval_is_open_below_and_closed_above() {
        let interval = SequenceInterval::new(Sequence(3), Sequence(5));
        assert!(
            !interval.contains(Sequence(3))
                && interval.contains(Sequence(4))
                && interval.contains(Sequence(5))
        );
        assert!(SequenceInterval::new(Sequence(5), Sequence(5)).is_empty());
    }
}
