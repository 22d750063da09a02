//! Segments as tiers see them: metadata, statistics, and where their rows come from.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_schema::DataType;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::{
    ChunkRange, ColumnId, Error, KeyDomain, Result, SchemaVersion, SegmentId, SequenceInterval, TableId,
    TableSchema, Value,
};

/// What is known of a segment without reading its rows. Frozen: `docs/formats/segment-metadata.md`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentMeta {
    /// Which physical write this is.
    pub id: SegmentId,
    /// The table.
    pub table: TableId,
    /// The schema version of the rows.
    pub schema_version: SchemaVersion,
    /// The chunk that holds every row.
    pub chunk: ChunkRange,
    /// The key domain of the rows.
    pub key_domain: KeyDomain,
    /// The sequences of the rows: the segment owns all rows of its table, chunk and key domain in this interval.
    pub interval: SequenceInterval,
    /// The number of rows; never 0.
    pub rows: u64,
    /// The smallest and the largest time, inclusive, in the time column's unit.
    pub time_range: (i64, i64),
    /// The number of distinct series.
    pub series: u64,
    /// The size of the rows as plain Arrow data: what they need in memory.
    pub plain_bytes: u64,
    /// Statistics of columns of the schema version, in schema order. Of a column that is missing nothing is known.
    pub columns: Vec<ColumnStats>,
}

/// Statistics of one column in one segment or block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnStats {
    /// The column.
    pub column: ColumnId,
    /// How many values are null.
    pub null_count: u64,
    /// Whether a float value is NaN.
    pub has_nan: bool,
    /// A lower bound, in the order of [`Value`], of the values that are neither null nor NaN. `None`: no bound is known, or
    /// there is no such value; only `null_count` can prove that there are none.
    pub min: Option<Value>,
    /// An upper bound, likewise.
    pub max: Option<Value>,
    /// Whether `min` and `max` occur, rather than only bound what occurs. Long text is cut.
    pub exact: bool,
}

impl SegmentMeta {
    /// The statistics of a column.
    pub fn stats(&self, column: ColumnId) -> Option<&ColumnStats> {
        self.columns.iter().find(|stats| stats.column == column)
    }

    /// Checks what must hold of any metadata, whoever wrote it.
    ///
    /// # Errors
    ///
    /// `Corrupt`, naming what does not hold.
    pub fn validate(&self) -> Result<()> {
        let problem = if self.rows == 0 {
            "segment has no rows"
        } else if self.interval.is_empty() {
            "segment has an empty sequence interval"
        } else if self.time_range.0 > self.time_range.1 {
            "segment ends before it begins"
        } else if self.chunk.start >= self.chunk.end {
            "segment has an empty chunk"
        } else if self.series == 0 || self.series > self.rows {
            "segment has an impossible number of series"
        } else if self.columns.iter().any(|stats| stats.null_count > self.rows) {
            "segment has more nulls than rows"
        } else {
            return Ok(());
        };
        Err(Error::corrupt(problem).with("segment", self.id))
    }
}

/// A segment named in a request: its metadata, and the record that the tier returned when it stored the segment.
#[derive(Clone, Debug)]
pub struct SegmentHandle {
    /// The metadata.
    pub meta: Arc<SegmentMeta>,
    /// [`crate::Stored::record`], unchanged. Empty where a tier never stored the segment.
    pub record: Bytes,
}

/// What is known of one block without reading it.
#[derive(Clone, Debug)]
pub struct BlockLayout {
    /// The codec's id.
    pub codec: Arc<str>,
    /// The codec's format version.
    pub version: u16,
    /// The type that the codec decodes to: the column's own, `Binary` for plain text, for dictionaries and for payload, whose values stand
    /// there as `docs/formats/payload.md` says, `UInt32` for codes
    /// of the column's dictionary.
    pub data_type: DataType,
    /// The number of the block's first row in the segment.
    pub first_row: u64,
    /// How many rows the block holds.
    pub rows: u32,
    /// Where series begin in the block, ascending, starting with 0; rows relative to the block.
    pub run_starts: Arc<[u32]>,
    /// Statistics of the decoded values of the column.
    pub stats: ColumnStats,
}

/// One block: a run of rows of one column, encoded by one codec.
#[derive(Clone, Debug)]
pub struct EncodedBlock {
    /// What the block is.
    pub layout: BlockLayout,
    /// The encoded bytes, verified against their checksum.
    pub bytes: Buffer,
}

/// A column of a segment, or part of its rows, encoded.
#[derive(Clone, Debug)]
pub struct EncodedColumn {
    /// The sorted distinct values, where blocks hold codes: type `Binary`, one row per value, ascending bytewise.
    pub dictionary: Option<EncodedBlock>,
    /// The blocks in row order, without gaps. Every column of a segment is cut into blocks at the same rows.
    pub blocks: Vec<EncodedBlock>,
}

/// Where the rows of a segment come from when a tier stores it.
#[async_trait]
pub trait SegmentSource: Debug + Send + Sync + 'static {
    /// The metadata.
    fn meta(&self) -> &Arc<SegmentMeta>;

    /// The schema version of the rows.
    fn schema(&self) -> &Arc<TableSchema>;

    /// All rows in storage order, every column in schema order. May be called several times; each stream is complete.
    fn batches(&self) -> BoxStream<'static, Result<RecordBatch>>;

    /// How a column is cut into blocks, where a segment file stands behind the source, else `None`. No I/O.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a column that the schema version lacks.
    fn layout(&self, column: ColumnId) -> Result<Option<Vec<BlockLayout>>>;

    /// The dictionary of a column and those of its blocks that hold rows of `rows`, where a segment file stands behind the
    /// source, else `None`. The whole column is `0..meta.rows`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a column that the schema version lacks; `Corrupt` where a checksum fails.
    async fn blocks(&self, column: ColumnId, rows: Range<u64>) -> Result<Option<EncodedColumn>>;
}

/// Finds the segment files behind segments, for a tier that also serves what it does not hold itself.
#[async_trait]
pub trait SegmentFiles: Debug + Send + Sync + 'static {
    /// The source of a segment whose home is a file, or `None` where no such file exists.
    ///
    /// # Errors
    ///
    /// `Corrupt` if there is a file and it is damaged.
    async fn open(
        &self,
        meta: &Arc<SegmentMeta>,
        schema: &Arc<TableSchema>,
    ) -> Result<Option<Arc<dyn SegmentSource>>>;
}
