//! The write path: validate, log, sync, make visible, acknowledge.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow_array::RecordBatch;
use serde::Serialize;
use tokio::sync::watch;
use tsds_traits::{Durability, Error, ErrorKind, RecordKind, Result, Sequence, TableId, WalRecord};

use crate::batches::{BatchId, Begun, Claim};
use crate::core::{Core, lock};
use crate::hot::HotMemtable;
use crate::metrics;
use crate::table::upgrade::Upgrade;
use crate::table::validate;
use crate::version::TableVersion;

/// How many sequences the catalog gives out at once.
pub(crate) const SEQUENCE_BLOCK: u64 = 1 << 20;

/// What is true of a write that was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// The write's sequence. Later writes have higher ones.
    pub sequence: Sequence,
    /// How many rows were written.
    pub rows: u64,
    /// What the rows survive now.
    pub durability: Durability,
}

/// The order of writes: who gets which sequence, and what becomes visible when.
#[derive(Debug)]
pub(crate) struct Writer {
    /// Held while a record gets its sequence and goes to the log, so that the log is in order.
    log: tokio::sync::Mutex<LogPosition>,
    publish: Mutex<Publish>,
    /// Everything up to here is visible, or never will be.
    visible: watch::Sender<Sequence>,
}

#[derive(Debug)]
struct LogPosition {
    next: Sequence,
    reserved: Sequence,
}

/// No write gets a sequence, until dropped.
#[derive(Debug)]
pub(crate) struct Paused<'a> {
    _position: tokio::sync::MutexGuard<'a, LogPosition>,
}

/// Writes that are in the log and not visible yet, in order and without gaps.
#[derive(Debug)]
pub(crate) struct Publish {
    queue: VecDeque<QueuedWrite>,
}

#[derive(Debug)]
struct QueuedWrite {
    sequence: Sequence,
    table: TableId,
    rows: RecordBatch,
    claim: Option<Claim>,
    fate: Fate,
}

/// What the log said of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Unknown,
    Durable,
    /// The log refused or lost it: it must never become visible in this process.
    Withdrawn,
}

impl Writer {
    /// Starts at `next`; the catalog vouches for everything up to `reserved`.
    pub(crate) fn new(next: Sequence, reserved: Sequence) -> Self {
        Self {
            log: tokio::sync::Mutex::new(LogPosition { next, reserved }),
            publish: Mutex::new(Publish { queue: VecDeque::new() }),
            visible: watch::Sender::new(Sequence(next.0.saturating_sub(1))),
        }
    }

    /// Everything up to here is visible, or never will be.
    pub(crate) fn visible(&self) -> Sequence {
        *self.visible.borrow()
    }

    /// Keeps writes from getting sequences for as long as the answer is held; returns once every write that has one is
    /// visible, or never will be.
    pub(crate) async fn pause(&self) -> Result<Paused<'_>> {
        let position = self.log.lock().await;
        self.until_visible(Sequence(position.next.0.saturating_sub(1))).await?;
        Ok(Paused { _position: position })
    }

    /// Held while rows become visible.
    pub(crate) fn publishing(&self) -> &Mutex<Publish> {
        &self.publish
    }

    async fn until_visible(&self, sequence: Sequence) -> Result<()> {
        let mut visible = self.visible.subscribe();
        let closed = |_| Error::internal("writer is gone");
        visible.wait_for(|visible| *visible >= sequence).await.map_err(closed)?;
        Ok(())
    }

    /// The last sequence that was given out.
    pub(crate) async fn last(&self) -> Sequence {
        Sequence(self.log.lock().await.next.0.saturating_sub(1))
    }
}

impl Core {
    /// Writes a batch to a table: all of it, or nothing.
    ///
    /// From the log on, the write goes on by itself: a caller who stops waiting changes nothing.
    pub(crate) async fn ingest(
        self: &Arc<Self>,
        table: TableId,
        batch: RecordBatch,
        id: Option<BatchId>,
    ) -> Result<Receipt> {
        self.check_open()?;
        self.check_writable()?;
        let (schema_version, name);
        let batch = {
            // Not held while waiting for memory: it would pin the very memtables that must go.
            let current = self.table(table)?;
            schema_version = current.schema.version();
            name = current.record.name.clone();
            validate::conform(batch, &current.record.name, &current.schema, &current.schemas)?
        };
        let rows = batch.num_rows() as u64;
        let durability = self.wal.durability();
        if rows == 0 {
            return Ok(Receipt { sequence: self.writer.visible(), rows, durability });
        }
        let claim = match id {
            Some(id) => match self.batches.begin(table, id, rows).await? {
                Begun::Claimed(claim) => Some(claim),
                Begun::Written(sequence) => {
                    self.writer.until_visible(sequence).await?;
                    return Ok(Receipt { sequence, rows, durability });
                }
            },
            None => None,
        };
        let timeout = Duration::from_millis(self.settings().ingest.timeout_ms);
        let admitted = self.budget.admit(|| self.hard_limit(), timeout, &*self.world.clock).await;
        admitted.map_err(|error| match self.oldest_pin() {
            Some(age) => error.with("oldest_pin_seconds", age.as_secs()),
            None => error,
        })?;
        let record = WalRecord {
            sequence: Sequence::ZERO,
            table,
            schema_version,
            kind: RecordKind::ROWS,
            rows: u32::try_from(rows).map_err(|_| {
                Error::invalid_input("batch has more than 4,294,967,295 rows").with("rows", rows)
            })?,
            client_batch_id: claim.as_ref().map(|claim| claim.id().0),
            payload: tsds_hot::encode_rows(&batch)?,
        };
        let core = Arc::clone(self);
        let sequence = self.detached(async move { core.write(record, batch, claim).await }).await?;
        metrics::ingested(&name, rows);
        if self.needs_sealing() {
            self.mover.wake();
        }
        Ok(Receipt { sequence, rows, durability })
    }

    async fn write(&self, record: WalRecord, batch: RecordBatch, claim: Option<Claim>) -> Result<Sequence> {
        let bytes = record.payload.iter().map(|slice| slice.len() as u64).sum();
        let sequence = self.log(record, batch, claim).await?;
        metrics::logged(bytes);
        let asked = self.now();
        let synced = self.wal.sync(sequence).await;
        metrics::synced(self.now().saturating_sub(asked));
        match &synced {
            Ok(_) => self.decide(sequence, Fate::Durable)?,
            Err(error) => {
                if error.kind() != ErrorKind::NoSpace {
                    self.fail(error);
                }
                self.decide(sequence, Fate::Withdrawn)?;
            }
        }
        synced?;
        self.writer.until_visible(sequence).await?;
        Ok(sequence)
    }

    /// A write that was checked before its table was altered, as one of the schema that is in force now.
    fn brought_up(&self, record: &mut WalRecord, rows: RecordBatch) -> Result<RecordBatch> {
        let table = self.table(record.table)?;
        if table.schema.version() == record.schema_version {
            return Ok(rows);
        }
        let rows = Upgrade::new(table.schema_of(record.schema_version)?, &table.schema).batch(&rows)?;
        record.payload = tsds_hot::encode_rows(&rows)?;
        record.schema_version = table.schema.version();
        Ok(rows)
    }

    /// Gives the record its sequence, appends it to the log and queues its rows to become visible.
    async fn log(&self, mut record: WalRecord, rows: RecordBatch, claim: Option<Claim>) -> Result<Sequence> {
        let mut position = self.writer.log.lock().await;
        if position.next > position.reserved {
            let reserved = Sequence(position.next.0.saturating_add(SEQUENCE_BLOCK));
            self.commit(vec![], move |record| record.sequences_reserved = reserved).await?;
            position.reserved = reserved;
        }
        // A table is altered only while nobody is here.
        let rows = self.brought_up(&mut record, rows)?;
        let sequence = position.next;
        let table = record.table;
        record.sequence = sequence;
        if let Err(error) = self.wal.append(record).await {
            // Anything else refused the record, which leaves the log as it was.
            if error.kind() == ErrorKind::NotDurable {
                self.fail(&error);
            }
            return Err(error);
        }
        position.next = sequence.next();
        lock(&self.writer.publish).queue.push_back(QueuedWrite {
            sequence,
            table,
            rows,
            claim,
            fate: Fate::Unknown,
        });
        Ok(sequence)
    }

    /// Notes the fate of a write, and makes every write visible whose fate, and that of all before it, is known.
    fn decide(&self, sequence: Sequence, fate: Fate) -> Result<()> {
        let mut publish = lock(&self.writer.publish);
        if let Some(write) = publish.queue.iter_mut().find(|write| write.sequence == sequence) {
            write.fate = fate;
        }
        let mut outcome = Ok(());
        let mut visible = None;
        while publish.queue.front().is_some_and(|write| write.fate != Fate::Unknown) {
            let Some(write) = publish.queue.pop_front() else { break };
            visible = Some(write.sequence);
            if write.fate == Fate::Durable
                && let Err(error) = self.show(write)
            {
                outcome = Err(error);
            }
        }
        if let Some(visible) = visible {
            self.writer.visible.send_replace(visible);
        }
        outcome
    }

    fn show(&self, write: QueuedWrite) -> Result<()> {
        let version = self.version.load();
        let table = version
            .tables
            .get(&write.table)
            .ok_or_else(|| Error::internal("a row's table is gone").with("table", write.table))?;
        table.active.append(write.sequence, write.rows)?;
        if let Some(claim) = write.claim {
            claim.written(write.sequence);
        }
        Ok(())
    }

    /// Stops the table's memtable from taking rows and gives the table a new one. Nothing happens if it is empty.
    pub(crate) fn freeze(&self, table: TableId) -> Result<()> {
        // No row may arrive between reading how far the memtable goes and putting the next one in its place.
        let _publish = lock(&self.writer.publish);
        self.install(|version| {
            let current = version
                .tables
                .get(&table)
                .ok_or_else(|| Error::internal("table is gone").with("table", table))?;
            if current.active.rows() == 0 {
                return Ok(version.with_table(TableVersion::clone(current)));
            }
            let mut next = TableVersion::clone(current);
            next.begin_memtable(|upto| {
                HotMemtable::new(Arc::clone(&current.schema), upto, Arc::clone(&self.budget), self.now())
            });
            Ok(version.with_table(next))
        })
    }

    /// The table as it is now.
    pub(crate) fn table(&self, table: TableId) -> Result<Arc<TableVersion>> {
        let version = self.version.load();
        let found = version.tables.get(&table).cloned();
        found.ok_or_else(|| Error::new(ErrorKind::NotFound, "table does not exist").with("table", table))
    }
}
