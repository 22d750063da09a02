//! [`WalSink`]: makes writes durable before they are acknowledged.

use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::{DatabaseId, Durability, Result, SchemaVersion, Sequence, TableId};

/// A log of records in sequence order.
///
/// # Contract
///
/// - Records are appended one after the other, each with the sequence after the last one (the first with
///   [`WalOpen::next`]); anything else is refused with `Internal` and nothing is appended.
/// - `append` returns without waiting for the disk. A record is whole or absent after a crash. A record that is refused
///   leaves the log as it was and may be appended again.
/// - A sink splits what its medium cannot take in one piece.
/// - `sync(up_to)` returns once every record up to `up_to` is durable, and shares one physical sync among all who wait. It
///   returns at least `up_to`. Dropping the call changes nothing. `up_to` beyond the last appended record is `InvalidInput`.
/// - `durable` never goes back, and never exceeds what a crash would leave. A sink of durability below `Power` still
///   advances it, as its capabilities say what that means.
/// - After a failed sync the sink is poisoned: those who waited get `NotDurable`, every later `append` and `sync` gets
///   `Closed`, and `durable` stays. A failed sync is never repeated: the page cache lies afterwards.
/// - A full disk gives `NoSpace` without poisoning, and the sink goes on by itself when there is space. `NoSpace` from
///   `append` refuses that record, which may be appended again. `NoSpace` from `sync` withdraws every record above
///   `durable()`: they are never replayed, their sequences are never used again, and the next append carries the sequence
///   after the last one that was *appended*. Waiters at or below `durable()` succeed.
/// - `replay(after)` yields the records that were there when the sink was opened, in order, from the one after `after`.
///   Records that were appended since are not among them.
/// - `release(up_to)` lets the sink forget records up to `up_to`; it forgets none above, ever.
/// - `close` makes everything appended durable, and is idempotent.
#[async_trait]
pub trait WalSink: Debug + Send + Sync + 'static {
    /// The plugin id under which the sink is registered, such as `tsds.wal.arrow`.
    fn name(&self) -> &'static str;

    /// What a synced record survives.
    fn durability(&self) -> Durability;

    /// Appends a record.
    ///
    /// # Errors
    ///
    /// `NoSpace` and `Exhausted` may pass; `Closed` once poisoned or closed; `InvalidInput` for a record that is too large.
    async fn append(&self, record: WalRecord) -> Result<()>;

    /// Waits until every record up to `up_to` is durable; returns the last durable sequence.
    ///
    /// # Errors
    ///
    /// `NotDurable` if the sync failed; `NoSpace`; `Closed` once poisoned or closed.
    async fn sync(&self, up_to: Sequence) -> Result<Sequence>;

    /// The last durable sequence.
    fn durable(&self) -> Sequence;

    /// The records that were there at opening, after `after`.
    fn replay(&self, after: Sequence) -> BoxStream<'static, Result<WalRecord>>;

    /// Forgets the records up to `up_to`.
    ///
    /// # Errors
    ///
    /// As for I/O; calling again is safe.
    async fn release(&self, up_to: Sequence) -> Result<()>;

    /// What the log holds.
    fn usage(&self) -> WalUsage;

    /// Makes everything durable and stops background work.
    ///
    /// # Errors
    ///
    /// As [`WalSink::sync`].
    async fn close(&self) -> Result<()>;
}

/// One record of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalRecord {
    /// The sequence, assigned by the engine.
    pub sequence: Sequence,
    /// The table.
    pub table: TableId,
    /// The schema version of the rows.
    pub schema_version: SchemaVersion,
    /// What the payload is.
    pub kind: RecordKind,
    /// How many rows the payload holds.
    pub rows: u32,
    /// The caller's id of the batch, for retries after an unknown outcome.
    pub client_batch_id: Option<[u8; 16]>,
    /// The payload, opaque to the sink: the concatenation of these slices. After replay it is one slice.
    pub payload: Vec<Bytes>,
}

/// What the payload of a record is: a stable number, so that a sink can store kinds that it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecordKind(pub u16);

impl RecordKind {
    /// Rows of a table.
    pub const ROWS: Self = Self(1);
}

/// What a sink holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WalUsage {
    /// Bytes of records that were not released.
    pub bytes: u64,
    /// Files, where the sink has any.
    pub files: u64,
    /// Bytes of torn tails that were cut at opening.
    pub torn_bytes: u64,
}

/// What the engine tells a sink when it opens it.
#[derive(Clone, Copy, Debug)]
pub struct WalOpen {
    /// The database to which the log belongs.
    pub database: DatabaseId,
    /// Everything up to here was released, or is durable elsewhere.
    pub floor: Sequence,
    /// Everything up to here is known to have been durable, from outside of the log. Its absence is corruption.
    pub known_durable: Sequence,
    /// The sequence of the next record; greater than any that was ever used.
    pub next: Sequence,
}
