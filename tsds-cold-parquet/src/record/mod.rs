//! The record of a stored file: what the catalog keeps, so that no byte of the file is believed unseen.
//!
//! Described to the byte in `docs/formats/cold-record.md`.

mod bytes;

use ::bytes::Bytes;
use object_store::path::Path;
use tsds_traits::{ColumnId, ColumnStats, Error, Result, Value};

use self::bytes::{Reader, Writer};
use crate::checksum::{FileChecksums, RANGE_BYTES, crc32c};

const MAGIC: &[u8; 8] = b"TSDSCREC";
const VERSION: u16 = 1;
/// The most that [`tsds_traits::Stored::record`] may take.
pub(crate) const MAX_RECORD_BYTES: usize = 1 << 20;
/// The file ends with the length of its footer and a magic number.
pub(crate) const FOOTER_TAIL_BYTES: u64 = 8;

/// The record of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileRecord {
    /// Where the file lies, relative to the root of the store.
    pub(crate) path: Path,
    pub(crate) checksums: FileChecksums,
    /// The length of the Parquet footer, without the eight bytes after it.
    pub(crate) footer_len: u32,
    /// The row groups in file order, with statistics of every column in schema order, or without any where they would
    /// make the record too long.
    pub(crate) row_groups: Vec<RowGroup>,
}

/// What is known of one row group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowGroup {
    pub(crate) rows: u64,
    pub(crate) columns: Vec<ColumnStats>,
}

impl FileRecord {
    pub(crate) fn rows(&self) -> u64 {
        self.row_groups.iter().fold(0, |sum, group| sum.saturating_add(group.rows))
    }

    /// Where the footer lies, with the eight bytes after it.
    pub(crate) fn footer_range(&self) -> std::ops::Range<u64> {
        let len = u64::from(self.footer_len) + FOOTER_TAIL_BYTES;
        self.checksums.size.saturating_sub(len)..self.checksums.size
    }

    /// The bytes, or `None` if no record can describe the file: it is too large.
    pub(crate) fn encode(&self) -> Option<Bytes> {
        let whole = self.encode_with(true)?;
        let fitting = if whole.len() <= MAX_RECORD_BYTES { whole } else { self.encode_with(false)? };
        (fitting.len() <= MAX_RECORD_BYTES).then(|| fitting.into())
    }

    fn encode_with(&self, statistics: bool) -> Option<Vec<u8>> {
        let columns = match self.row_groups.first() {
            Some(group) if statistics => group.columns.as_slice(),
            _ => &[],
        };
        let mut out = Writer::default();
        out.raw(MAGIC);
        out.u16(VERSION);
        out.u16(0); // flags
        out.u32(u32::try_from(RANGE_BYTES).ok()?);
        out.u64(self.checksums.size);
        out.raw(&self.checksums.sha256);
        out.u32(self.footer_len);
        out.u32(u32::try_from(columns.len()).ok()?);
        out.u32(u32::try_from(self.row_groups.len()).ok()?);
        out.text(self.path.as_ref())?;
        self.checksums.ranges.iter().for_each(|crc| out.u32(*crc));
        columns.iter().for_each(|stats| out.u32(stats.column.0));
        for group in &self.row_groups {
            out.u64(group.rows);
            if statistics {
                if group.columns.len() != columns.len() {
                    return None;
                }
                group.columns.iter().for_each(|stats| write_stats(&mut out, stats));
            }
        }
        let bytes = out.finish();
        Some([bytes.as_slice(), &crc32c(&bytes).to_le_bytes()].concat())
    }

    /// Reads what [`FileRecord::encode`] wrote.
    ///
    /// # Errors
    ///
    /// `Unsupported` for a record of a later version; `Corrupt` for anything else. Nothing is allocated that the bytes do
    /// not account for.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let damaged = |problem| {
            Error::corrupt("record of a cold file is damaged")
                .with("problem", problem)
                .with("bytes", bytes.len())
        };
        let (version, mut fields) = open(bytes).map_err(damaged)?;
        if version != VERSION {
            return Err(Error::unsupported(
                "record of a cold file was written by a later version of TSDS; use that version",
            )
            .with("version", version)
            .with("supported", VERSION));
        }
        Self::decode_fields(&mut fields).map_err(damaged)
    }

    fn decode_fields(input: &mut Reader<'_>) -> Result<Self, &'static str> {
        if input.u16()? != 0 {
            return Err("unknown flags");
        }
        if u64::from(input.u32()?) != RANGE_BYTES {
            return Err("unknown range size");
        }
        let size = input.u64()?;
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(input.take(32)?);
        let footer_len = input.u32()?;
        let columns = input.count(4)?;
        let row_groups = input.count(8)?;
        let text = input.text()?;
        let path = Path::parse(text).ok().filter(|path| path.as_ref() == text).ok_or("path is not valid")?;
        let range_count = usize::try_from(size.div_ceil(RANGE_BYTES)).map_err(|_| "too many ranges")?;
        let ranges = input.many(range_count, 4, Reader::u32)?;
        let columns = input.many(columns, 4, |input| input.u32().map(ColumnId))?;
        let row_groups = input.many(row_groups, 8, |input| {
            let rows = input.u64()?;
            let stats = columns.iter().map(|column| read_stats(input, *column, rows));
            Ok(RowGroup { rows, columns: stats.collect::<Result<_, _>>()? })
        })?;
        if !input.is_empty() {
            return Err("bytes after the end");
        }
        if u64::from(footer_len) + FOOTER_TAIL_BYTES > size {
            return Err("footer is longer than the file");
        }
        Ok(Self { path, checksums: FileChecksums { size, sha256, ranges }, footer_len, row_groups })
    }
}

/// What stands in a record of every version: its version, and the fields after it under a checksum that is right.
fn open(bytes: &[u8]) -> Result<(u16, Reader<'_>), &'static str> {
    if bytes.len() > MAX_RECORD_BYTES {
        return Err("too long");
    }
    let (body, crc) = bytes.split_last_chunk::<4>().ok_or("too short")?;
    let mut input = Reader::new(body);
    if input.take(MAGIC.len())? != MAGIC {
        return Err("not a record");
    }
    if crc32c(body) != u32::from_le_bytes(*crc) {
        return Err("checksum differs");
    }
    Ok((input.u16()?, input))
}

const HAS_NAN: u8 = 1;
const EXACT: u8 = 2;

fn write_stats(out: &mut Writer, stats: &ColumnStats) {
    let bounds = [stats.min.as_ref(), stats.max.as_ref()].map(|bound| bound.filter(|bound| is_stored(bound)));
    let whole = bounds == [stats.min.as_ref(), stats.max.as_ref()];
    out.u64(stats.null_count);
    out.u8(if stats.has_nan { HAS_NAN } else { 0 } | if stats.exact && whole { EXACT } else { 0 });
    bounds.into_iter().for_each(|bound| write_value(out, bound));
}

/// Whether version 1 can express the bound. One that it cannot express is unknown to who reads the record.
fn is_stored(bound: &Value) -> bool {
    match bound {
        Value::Bool(_) | Value::Int(_) | Value::UInt(_) | Value::F32(_) | Value::F64(_) => true,
        Value::Text(text) => text.len() <= usize::from(u16::MAX),
        Value::Decimal(_) => true,
        _ => false,
    }
}

fn read_stats(input: &mut Reader<'_>, column: ColumnId, rows: u64) -> Result<ColumnStats, &'static str> {
    let null_count = input.u64()?;
    let flags = input.u8()?;
    if null_count > rows || flags & !(HAS_NAN | EXACT) != 0 {
        return Err("statistics are not possible");
    }
    let (min, max) = (read_value(input)?, read_value(input)?);
    Ok(ColumnStats { column, null_count, has_nan: flags & HAS_NAN != 0, min, max, exact: flags & EXACT != 0 })
}

fn write_value(out: &mut Writer, value: Option<&Value>) {
    match value {
        Some(Value::Bool(value)) => out.raw(&[1, u8::from(*value)]),
        Some(Value::Int(value)) => {
            out.u8(2);
            out.raw(&value.to_le_bytes());
        }
        Some(Value::UInt(value)) => {
            out.u8(3);
            out.u64(*value);
        }
        Some(Value::F32(value)) => {
            out.u8(4);
            out.u32(value.to_bits());
        }
        Some(Value::F64(value)) => {
            out.u8(5);
            out.u64(value.to_bits());
        }
        Some(Value::Text(value)) => match u16::try_from(value.len()) {
            Ok(len) => {
                out.u8(6);
                out.u16(len);
                out.raw(value.as_bytes());
            }
            Err(_) => out.u8(0),
        },
        Some(Value::Decimal(value)) => {
            out.u8(7);
            out.raw(&value.to_le_bytes());
        }
        _ => out.u8(0),
    }
}

fn read_value(input: &mut Reader<'_>) -> Result<Option<Value>, &'static str> {
    Ok(Some(match input.u8()? {
        0 => return Ok(None),
        1 => match input.u8()? {
            0 => Value::Bool(false),
            1 => Value::Bool(true),
            _ => return Err("bool is neither false nor true"),
        },
        2 => Value::Int(input.u64()? as i64),
        3 => Value::UInt(input.u64()?),
        4 => Value::F32(f32::from_bits(input.u32()?)),
        5 => Value::F64(f64::from_bits(input.u64()?)),
        6 => Value::Text(input.text()?.to_owned()),
        7 => {
            let (low, high) = (input.u64()?, input.u64()? as i64);
            Value::Decimal(i128::from(high) << 64 | i128::from(low))
        }
        _ => return Err("unknown kind of value"),
    }))
}

#[cfg(test)]
mod tests;
