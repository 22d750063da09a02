//! [`Tier`]: where segments are kept and scanned.

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::{
    AggregatePlan, ColumnId, Durability, Predicate, ReadMeter, Result, SegmentHandle, SegmentId,
    SegmentSource, TableSchema,
};

/// Keeps segments and answers scans over many of them at once.
///
/// # Contract
///
/// - `name` and `capabilities` never change during the life of the value.
/// - `put` is atomic and idempotent by id: after an error or a dropped call the segment is absent or complete; putting a
///   complete segment again, also after reopening, changes nothing and returns an equal [`Stored`]. Concurrent puts of one
///   id act as one.
/// - `put` on a tier of durability `Power` returns only when the segment and its name survive a power cut.
/// - A tier that can never take a segment (its type or size) declines it with a reason and is unchanged; that is no error.
///   No room at present is the error `NoSpace`. A tier never evicts by itself.
/// - `remove` of an absent id succeeds. A segment that an open stream reads stays readable by that stream, or the stream
///   fails; it never yields wrong or missing rows.
/// - `list` shows exactly the completed puts that were not removed, in ascending order. After reopening, a tier of
///   durability `Power` lists what it listed before, a volatile one nothing, and a `Process` one either.
/// - `scan` and `aggregate` do no I/O before the first poll. They see each segment of the request whole or not at all: a
///   segment that is absent gives `NotFound`, which names it and ends the stream; rows that came before stand. A tier below
///   durability `Power` decides that at the first poll, and keeps what is present until the stream ends. A segment is absent
///   if it was not put and there is no segment file for it that the tier serves.
/// - A predicate, function or type that the tier does not know gives `Unsupported` as the first and only item, whatever the
///   capabilities claim: they grow.
/// - After `DeviceLost` every call but `list` (empty), `name`, `capabilities`, `usage` and `close` gives `DeviceLost`: the
///   engine builds the tier anew.
/// - Dropping a stream stops its work; a later request is unaffected.
/// - A tier answers only for what its capabilities claim; a request beyond them gives `Unsupported`, without side effects.
/// - `close` is idempotent; afterwards every call but `close`, `name`, `capabilities` and `usage` gives `Closed`.
/// - All methods may be called concurrently.
#[async_trait]
pub trait Tier: Debug + Send + Sync + 'static {
    /// The plugin id under which the tier is registered, such as `tsds.warm.cpu`.
    fn name(&self) -> &'static str;

    /// What the tier claims to do.
    fn capabilities(&self) -> &TierCapabilities;

    /// Stores a segment, or declines it.
    ///
    /// # Errors
    ///
    /// `NoSpace`, `Unavailable` and `DeviceLost` may pass; `Corrupt` if the source is damaged.
    async fn put(&self, source: Arc<dyn SegmentSource>) -> Result<Put>;

    /// Reads the rows of many segments; see [`ScanRequest`] for what comes in which order.
    fn scan(self: Arc<Self>, request: ScanRequest) -> BoxStream<'static, Result<SegmentBatch>>;

    /// Folds the rows of many segments into state batches of [`AggregatePlan::state_schema`].
    fn aggregate(self: Arc<Self>, request: AggregateRequest) -> BoxStream<'static, Result<RecordBatch>>;

    /// Removes segments; `record` is [`Stored::record`], or what [`Tier::list`] gave.
    ///
    /// # Errors
    ///
    /// As for I/O; some of the segments may then be gone. Calling again is safe.
    async fn remove(&self, segments: &[StoredSegment]) -> Result<()>;

    /// The completed puts, ascending. Used to find what nobody refers to any more, never for correctness.
    ///
    /// # Errors
    ///
    /// As for I/O.
    async fn list(&self) -> Result<Vec<StoredSegment>>;

    /// What the tier holds and may hold.
    fn usage(&self) -> TierUsage;

    /// Stops background work and frees what the tier holds.
    ///
    /// # Errors
    ///
    /// As for I/O.
    async fn close(&self) -> Result<()>;
}

/// What became of a put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// The tier holds the segment.
    Stored(Stored),
    /// The tier cannot hold the segment and is unchanged; the reason, for people.
    Declined(String),
}

/// A completed put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// How many bytes of the tier's own medium the segment takes.
    pub bytes: u64,
    /// The tier's own notes, such as checksums of the file that it wrote. The engine keeps them in the catalog and gives
    /// them back in [`SegmentHandle::record`] with every request. At most 1 MiB.
    pub record: Bytes,
}

/// A segment that a tier holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSegment {
    /// The segment.
    pub id: SegmentId,
    /// What the tier needs to find it. From [`Tier::list`] this may be less than [`Stored::record`]: a location is enough.
    pub record: Bytes,
}

/// What a tier holds and may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TierUsage {
    /// Segments held.
    pub segments: u64,
    /// Rows held.
    pub rows: u64,
    /// Bytes held.
    pub bytes: u64,
    /// The most bytes that the tier may hold, where it has a limit.
    pub limit_bytes: Option<u64>,
    /// For how long the tier's device has worked on queries since the tier was opened; absent where there is no device.
    pub busy: Option<Duration>,
}

/// What a tier claims to do. Start from [`TierCapabilities::new`] and set what holds.
///
/// A tier without a pushdown is asked for plain scans only, and the engine does the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TierCapabilities {
    /// What the tier's segments survive. Only a tier of durability `Power` can be a segment's home.
    pub durability: Durability,
    /// Scans and aggregates take any bound predicate.
    pub predicate: bool,
    /// Scans take any order.
    pub order: bool,
    /// Scans take a limit.
    pub limit: bool,
    /// Aggregates are answered.
    pub aggregate: bool,
    /// The largest segment, by [`crate::SegmentMeta::plain_bytes`], that the tier can take.
    pub max_segment_bytes: Option<u64>,
    /// The device on which the tier runs, such as `NVIDIA H200`; `None` for the host.
    pub device: Option<String>,
    /// Queries that read fewer rows than this are answered faster elsewhere: asking a device takes its time, however little is
    /// asked. The engine then reads a segment's file instead, where it can. 0 if the tier is never too slow to ask.
    pub min_rows: u64,
}

impl TierCapabilities {
    /// A tier of this durability that does plain scans.
    pub fn new(durability: Durability) -> Self {
        Self {
            durability,
            predicate: false,
            order: false,
            limit: false,
            aggregate: false,
            max_segment_bytes: None,
            device: None,
            min_rows: 0,
        }
    }

    /// Claims every pushdown: predicate, order, limit and aggregate.
    #[must_use]
    pub fn with_all_pushdown(self) -> Self {
        Self { predicate: true, order: true, limit: true, aggregate: true, ..self }
    }

    /// Claims, or withdraws, predicates.
    #[must_use]
    pub fn with_predicate(self, predicate: bool) -> Self {
        Self { predicate, ..self }
    }

    /// Claims, or withdraws, orders.
    #[must_use]
    pub fn with_order(self, order: bool) -> Self {
        Self { order, ..self }
    }

    /// Claims, or withdraws, limits.
    #[must_use]
    pub fn with_limit(self, limit: bool) -> Self {
        Self { limit, ..self }
    }

    /// Claims, or withdraws, aggregates.
    #[must_use]
    pub fn with_aggregate(self, aggregate: bool) -> Self {
        Self { aggregate, ..self }
    }

    /// Sets the largest segment.
    #[must_use]
    pub fn with_max_segment_bytes(self, bytes: u64) -> Self {
        Self { max_segment_bytes: Some(bytes), ..self }
    }

    /// Names the device.
    #[must_use]
    pub fn with_device(self, device: impl Into<String>) -> Self {
        Self { device: Some(device.into()), ..self }
    }

    /// Sets from how many rows on the tier is worth asking.
    #[must_use]
    pub fn with_min_rows(self, rows: u64) -> Self {
        Self { min_rows: rows, ..self }
    }
}

/// One column to sort by. The order is total: see [`crate::Value`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SortKey {
    /// The column.
    pub column: ColumnId,
    /// Largest first. Does not move the nulls.
    pub descending: bool,
    /// Nulls before everything else, else after.
    pub nulls_first: bool,
}

/// A scan over many segments of one schema version.
///
/// - Rows are those for which the predicate is true, with the projected columns in the projection's order.
/// - Without `order`, segments come in request order and rows in storage order, and `limit` counts rows over the whole
///   request.
/// - With `order`, each segment, in request order, gives its own matching rows sorted by `order`, equal rows by row number
///   (which is the order of series columns, time and arrival), and at most `limit` of them: exactly the first ones. The
///   engine merges the segments.
/// - A batch holds rows of one segment, at most `batch_rows` of them and at least one. A segment without matching rows
///   gives no batch.
/// - The sequence of rows is a function of the request: the same request gives the same rows in the same order with the
///   same bits. Borders of batches, offsets and the layout of dictionaries may differ.
#[derive(Clone, Debug)]
pub struct ScanRequest {
    /// The schema version of every segment.
    pub schema: Arc<TableSchema>,
    /// The segments, all of this table and schema version, each at most once.
    pub segments: Vec<SegmentHandle>,
    /// The columns to return. May be empty: then batches carry row counts only.
    pub projection: Vec<ColumnId>,
    /// Which rows.
    pub predicate: Option<Predicate>,
    /// In which order; empty for storage order.
    pub order: Vec<SortKey>,
    /// How many rows at most.
    pub limit: Option<u64>,
    /// How many rows a batch holds at most; positive.
    pub batch_rows: usize,
    /// How many bytes of rows a batch should hold at most, unless it is one row: a tier that can ends its batches there, and reads
    /// no more than about 16 times as much ahead. The engine cuts what is larger, so that nothing depends on it but memory.
    pub batch_bytes: u64,
    /// Counts what is read.
    pub meter: ReadMeter,
}

impl ScanRequest {
    /// A plain scan of every row of `segments`.
    pub fn new(schema: Arc<TableSchema>, segments: Vec<SegmentHandle>, projection: Vec<ColumnId>) -> Self {
        Self {
            schema,
            segments,
            projection,
            predicate: None,
            order: Vec::new(),
            limit: None,
            batch_rows: 65_536,
            batch_bytes: 16 << 20,
            meter: ReadMeter::default(),
        }
    }
}

/// An aggregate over many segments of one schema version.
#[derive(Clone, Debug)]
pub struct AggregateRequest {
    /// The schema version of every segment.
    pub schema: Arc<TableSchema>,
    /// The segments, all of this table and schema version, each at most once.
    pub segments: Vec<SegmentHandle>,
    /// Which rows.
    pub predicate: Option<Predicate>,
    /// What is grouped and computed.
    pub plan: AggregatePlan,
    /// Counts what is read.
    pub meter: ReadMeter,
}

impl AggregateRequest {
    /// An aggregate over every row of `segments`.
    pub fn new(schema: Arc<TableSchema>, segments: Vec<SegmentHandle>, plan: AggregatePlan) -> Self {
        Self { schema, segments, predicate: None, plan, meter: ReadMeter::default() }
    }
}

/// Rows of one segment.
#[derive(Clone, Debug)]
pub struct SegmentBatch {
    /// The position of the segment in the request.
    pub segment: usize,
    /// The rows, with the projected columns.
    pub rows: RecordBatch,
}

impl fmt::Display for TierUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segments={} rows={} bytes={}", self.segments, self.rows, self.bytes)
    }
}
