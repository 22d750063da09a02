//! The footer: what the segment is, and the block index.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tsds_traits::{DatabaseId, Error, Result, SchemaRecord, SegmentMeta, TableSchema};

use super::bytes::Reader;
use super::index::{ColumnsReader, MIN_ENTRY, encode_column};
use super::{ColumnIndex, HEADER_LEN, Header, MAX_BLOCK_ROWS, MAX_ROWS, check_totals};

const WHAT: &str = "footer";

/// A codec by id and format version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CodecRef {
    pub(crate) id: Arc<str>,
    pub(crate) version: u16,
}

/// The footer of a segment file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) database: DatabaseId,
    pub(crate) meta: Arc<SegmentMeta>,
    pub(crate) schema: Arc<TableSchema>,
    pub(crate) codecs: Vec<CodecRef>,
    /// The first row of every series, ascending, starting with 0.
    pub(crate) series_starts: Arc<[u32]>,
    /// The rows of every block, the same for every column.
    pub(crate) block_rows: Vec<u32>,
    /// In schema order.
    pub(crate) columns: Vec<ColumnIndex>,
}

/// The part of the footer that says what the segment is.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    database: DatabaseId,
    meta: SegmentMeta,
    schema: SchemaRecord,
}

impl Footer {
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let too_many = |_| Error::invalid_input("segment has too many parts for one file");
        let description = Description {
            database: self.database,
            meta: (*self.meta).clone(),
            schema: SchemaRecord::from(&*self.schema),
        };
        let json = serde_json::to_vec(&description)
            .map_err(|error| Error::internal("segment metadata do not serialise").with_source(error))?;
        let mut out = Vec::new();
        let count = |out: &mut Vec<u8>, count: usize| {
            u32::try_from(count).map(|count| out.extend_from_slice(&count.to_le_bytes())).map_err(too_many)
        };
        count(&mut out, json.len())?;
        out.extend_from_slice(&json);
        count(&mut out, self.codecs.len())?;
        for codec in &self.codecs {
            out.extend_from_slice(&u16::try_from(codec.id.len()).map_err(too_many)?.to_le_bytes());
            out.extend_from_slice(codec.id.as_bytes());
            out.extend_from_slice(&codec.version.to_le_bytes());
        }
        for numbers in [&*self.series_starts, &self.block_rows] {
            count(&mut out, numbers.len())?;
            numbers.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
        }
        count(&mut out, self.columns.len())?;
        self.columns.iter().try_for_each(|column| encode_column(column, &mut out))?;
        Ok(out)
    }

    /// Reads a footer that passed its checksum, of a file with this header whose footer starts at `footer_offset`. Checks
    /// all that can be checked without reading a block.
    ///
    /// # Errors
    ///
    /// `Corrupt`.
    pub(crate) fn decode(bytes: &[u8], header: &Header, footer_offset: u64) -> Result<Self> {
        let mut reader = Reader::new(bytes, WHAT);
        let (database, meta, schema) = decode_description(&mut reader)?;
        let codecs = decode_codecs(&mut reader)?;
        let series_starts = decode_series(&mut reader, &meta)?;
        let block_rows = decode_block_rows(&mut reader, &meta)?;
        let columns = reader.count(1 + MIN_ENTRY)?;
        if columns != schema.columns().len() {
            return Err(Error::corrupt("segment file has another number of columns than its schema"));
        }
        let mut position = ColumnsReader {
            schema: &schema,
            rows: meta.rows,
            block_rows: &block_rows,
            codecs: codecs.len(),
            position: HEADER_LEN as u64,
        };
        let columns =
            (0..columns).map(|index| position.column(&mut reader, index)).collect::<Result<Vec<_>>>()?;
        reader.end()?;
        if position.position.checked_next_multiple_of(super::BLOCK_ALIGN) != Some(footer_offset) {
            return Err(Error::corrupt("segment file has a gap before its footer"));
        }
        let footer = Self {
            database,
            meta: Arc::new(meta),
            schema: Arc::new(schema),
            codecs,
            series_starts: series_starts.into(),
            block_rows,
            columns,
        };
        footer.check_header(header)?;
        check_totals(&footer.meta, &footer.schema, &footer.columns)?;
        Ok(footer)
    }

    fn check_header(&self, header: &Header) -> Result<()> {
        let meta = &self.meta;
        let footer = (self.database, meta.id, meta.table, meta.key_domain, meta.chunk);
        let header = (header.database, header.segment, header.table, header.key_domain, header.chunk);
        if footer == header {
            return Ok(());
        }
        Err(Error::corrupt("segment file header and footer name different segments")
            .with("header", header.1)
            .with("footer", footer.1))
    }
}

fn decode_description(reader: &mut Reader<'_>) -> Result<(DatabaseId, SegmentMeta, TableSchema)> {
    let len = reader.count(1)?;
    let description: Description = serde_json::from_slice(reader.take(len)?)
        .map_err(|error| Error::corrupt("segment file footer does not parse").with("cause", error))?;
    let schema = TableSchema::try_from(&description.schema)
        .map_err(|error| Error::corrupt("segment file has an impossible schema").with("cause", error))?;
    if description.meta.rows > MAX_ROWS {
        return Err(Error::corrupt("segment file claims too many rows").with("rows", description.meta.rows));
    }
    description.meta.validate()?;
    Ok((description.database, description.meta, schema))
}

fn decode_codecs(reader: &mut Reader<'_>) -> Result<Vec<CodecRef>> {
    let codec = |reader: &mut Reader<'_>| {
        let len = reader.u16()?;
        Ok(CodecRef { id: reader.text(len.into())?.into(), version: reader.u16()? })
    };
    (0..reader.count(4)?).map(|_| codec(reader)).collect()
}

fn decode_series(reader: &mut Reader<'_>, meta: &SegmentMeta) -> Result<Vec<u32>> {
    let count = reader.count(4)?;
    let starts = reader.u32s(count)?;
    let ascending = starts.is_sorted_by(|a, b| a < b) && starts.first() == Some(&0);
    let inside = starts.last().is_some_and(|last| u64::from(*last) < meta.rows);
    if ascending && inside && count as u64 == meta.series {
        return Ok(starts);
    }
    Err(Error::corrupt("segment file has an impossible series index"))
}

fn decode_block_rows(reader: &mut Reader<'_>, meta: &SegmentMeta) -> Result<Vec<u32>> {
    let count = reader.count(4)?;
    let rows = reader.u32s(count)?;
    let possible = rows.iter().all(|rows| (1..=MAX_BLOCK_ROWS).contains(rows));
    if possible && rows.iter().copied().map(u64::from).sum::<u64>() == meta.rows {
        return Ok(rows);
    }
    Err(Error::corrupt("segment file has blocks that do not add up to its rows"))
}
