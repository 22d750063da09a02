//! Opening: what the catalog says, what the log still holds, and what a crash left behind.

mod leftovers;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::StreamExt;
use serde::Serialize;
use tsds_traits::{Error, RecordKind, Result, SchemaVersion, Sequence, TableId, TableSchema, WalSink};

use crate::batches::KnownBatches;
use crate::catalog::{Contents, SealRecord, SegmentRecord, TableRecord};
use crate::hot::{HotBudget, HotMemtable};
use crate::version::{Reclaim, SegmentEntry, TableVersion, Version, check_tiling};

pub(crate) use leftovers::Leftovers;

/// What opening found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RecoveryReport {
    /// The database was not closed before.
    pub unclean: bool,
    /// Rows that came from the log.
    pub replayed_rows: u64,
    /// Bytes of a torn tail that were cut from the log: they were never acknowledged.
    pub torn_bytes: u64,
    /// Writes of segments that were begun and are undone: their rows are where they were before.
    pub undone_writes: u64,
    /// Copies of segments that have moved on and are removed.
    pub removed_copies: u64,
    /// Segment files that the catalog names and that are not there. As long as there are any, nothing is removed.
    pub missing_files: u64,
}

/// Builds the version that the catalog describes, with empty memtables.
pub(crate) fn version_of(
    contents: &Contents,
    budget: &Arc<HotBudget>,
    reclaim: &Reclaim,
    now: Duration,
) -> Result<Version> {
    let mut seals: BTreeMap<TableId, Vec<SealRecord>> = BTreeMap::new();
    for (table, seal) in &contents.seals {
        seals.entry(*table).or_default().push(seal.clone());
    }
    let mut segments: BTreeMap<TableId, Vec<&SegmentRecord>> = BTreeMap::new();
    for segment in &contents.segments {
        segments.entry(segment.meta.table).or_default().push(segment);
    }
    let mut version = Version::default();
    for record in &contents.tables {
        let seals = seals.remove(&record.id).unwrap_or_default();
        let segments = segments.remove(&record.id).unwrap_or_default();
        check_tiling(record, &seals, segments.iter().map(|segment| &segment.meta))
            .map_err(|error| Error::corrupt("catalog contradicts itself").with_source(error))?;
        let table = table_version(record, seals, &segments, budget, reclaim, now)?;
        version = version.with_table(table);
    }
    match (seals.keys().next(), segments.keys().next()) {
        (None, None) => Ok(version),
        (table, other) => Err(Error::corrupt("catalog has segments of a table that it does not have")
            .with("table", table.or(other).copied().unwrap_or(TableId(0)))),
    }
}

fn table_version(
    record: &TableRecord,
    seals: Vec<SealRecord>,
    segments: &[&SegmentRecord],
    budget: &Arc<HotBudget>,
    reclaim: &Reclaim,
    now: Duration,
) -> Result<TableVersion> {
    let mut schemas: BTreeMap<SchemaVersion, Arc<TableSchema>> = BTreeMap::new();
    for schema in &record.schemas {
        schemas.insert(schema.version, Arc::new(TableSchema::try_from(schema)?.with_name(&record.name)));
    }
    let schema = schemas.values().next_back().cloned();
    let schema = schema.ok_or_else(|| Error::corrupt("table has no schema").with("table", &record.name))?;
    let mut table = TableVersion {
        active: HotMemtable::new(Arc::clone(&schema), record.sealed_upto, Arc::clone(budget), now),
        record: Arc::new(record.clone()),
        schema,
        schemas,
        seals: Arc::new(seals),
        segments: segments.iter().map(|segment| SegmentEntry::new(segment, now, reclaim.clone())).collect(),
        frozen: Vec::new(),
    };
    segments.iter().try_for_each(|segment| table.schema_of(segment.meta.schema_version).map(|_| ()))?;
    table.sort_segments();
    Ok(table)
}

/// Puts the rows of the log that are not in segments into memtables, one for each schema version, and takes note of their batches.
/// `memtable` makes one for rows of a schema above a sequence. Returns how many rows there were.
pub(crate) async fn replay(
    wal: &dyn WalSink,
    floor: Sequence,
    version: &mut Version,
    batches: &KnownBatches,
    memtable: impl Fn(&Arc<TableSchema>, Sequence) -> Arc<HotMemtable>,
) -> Result<u64> {
    let mut records = wal.replay(floor);
    let mut rows = 0u64;
    while let Some(record) = records.next().await {
        let record = record?;
        if record.kind != RecordKind::ROWS {
            return Err(Error::corrupt(
                "log has a record of an unknown kind; it was written by a newer version of TSDS",
            )
            .with("kind", record.kind.0)
            .with("sequence", record.sequence));
        }
        let table = version.tables.get(&record.table).ok_or_else(|| {
            Error::corrupt("log has rows of a table that the catalog does not have")
                .with("table", record.table)
                .with("sequence", record.sequence)
        })?;
        if record.sequence <= table.sealed_upto() {
            continue;
        }
        let schema = table.schemas.get(&record.schema_version).ok_or_else(|| {
            Error::corrupt("log has rows of an unknown schema version")
                .with("table", &table.record.name)
                .with("schema_version", record.schema_version)
        })?;
        let (table, schema) = (Arc::clone(table), Arc::clone(schema));
        let active = match table.active.schema().version() == schema.version() {
            true => Arc::clone(&table.active),
            // The table was altered here.
            false => continue_with(version, &table, &schema, &memtable),
        };
        let payload = record.payload.first().cloned().unwrap_or_default();
        let batch = tsds_hot::decode_rows(&schema, &payload, record.rows)
            .map_err(|error| error.with("sequence", record.sequence).with("table", &table.record.name))?;
        rows += batch.num_rows() as u64;
        if let Some(id) = record.client_batch_id {
            batches.replayed(record.table, id, record.sequence, batch.num_rows() as u64);
        }
        active.append(record.sequence, batch)?;
    }
    let tables: Vec<_> = version.tables.values().cloned().collect();
    for table in tables.iter().filter(|table| table.active.schema().version() != table.schema.version()) {
        // It was altered after the last row.
        continue_with(version, table, &table.schema, &memtable);
    }
    Ok(rows)
}

/// Gives a table another memtable, for rows of this schema.
fn continue_with(
    version: &mut Version,
    table: &TableVersion,
    schema: &Arc<TableSchema>,
    memtable: &impl Fn(&Arc<TableSchema>, Sequence) -> Arc<HotMemtable>,
) -> Arc<HotMemtable> {
    let mut next = TableVersion::clone(table);
    next.begin_memtable(|upto| memtable(schema, upto));
    let active = Arc::clone(&next.active);
    *version = version.with_table(next);
    active
}
