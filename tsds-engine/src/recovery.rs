//! Opening: what the catalog says, what the log still holds, and what a crash left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::StreamExt;
use serde::Serialize;
use tsds_segment::SegmentStore;
use tsds_traits::{
    Error, RecordKind, Result, SchemaVersion, SegmentId, Sequence, StoredSegment, TableId, TableSchema,
    WalSink, World,
};

use crate::catalog::{Catalog, Contents, Edit, Home, RemovalRecord, SealRecord, SegmentRecord, TableRecord};
use crate::guard::GuardedTier;
use crate::hot::{HotBudget, HotMemtable};
use crate::version::{Reclaim, SegmentEntry, TableVersion, Version, check_tiling};

/// What opening found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RecoveryReport {
    /// The database was not closed before.
    pub unclean: bool,
    /// Rows that came from the log.
    pub replayed_rows: u64,
    /// Bytes of a torn tail that were cut from the log: they were never acknowledged.
    pub torn_bytes: u64,
    /// Moves that were begun and are undone.
    pub undone_moves: u64,
    /// Copies that had moved on and are removed.
    pub removed_copies: u64,
    /// Files that nothing refers to and are removed.
    pub removed_orphans: u64,
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
        schemas.insert(schema.version, Arc::new(TableSchema::try_from(schema)?));
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
    table.sort_segments();
    Ok(table)
}

/// Puts the rows of the log that are not in segments into memtables. Returns how many there were.
pub(crate) async fn replay(wal: &dyn WalSink, floor: Sequence, version: &Version) -> Result<u64> {
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
        let payload = record.payload.first().cloned().unwrap_or_default();
        let batch = tsds_hot::decode_rows(schema, &payload, record.rows)
            .map_err(|error| error.with("sequence", record.sequence).with("table", &table.record.name))?;
        rows += batch.num_rows() as u64;
        table.active.append(record.sequence, batch)?;
    }
    Ok(rows)
}

/// Finishes or undoes what a crash left: intents, garbage, files that nothing refers to. Every step can be repeated.
pub(crate) async fn clean_up(
    world: &World,
    catalog: &Arc<Catalog>,
    contents: &Contents,
    store: &SegmentStore,
    cold: &GuardedTier,
    report: &mut RecoveryReport,
) -> Result<()> {
    let leftovers: Vec<&RemovalRecord> = contents.intents.iter().chain(&contents.garbage).collect();
    let in_cold: Vec<StoredSegment> = leftovers
        .iter()
        .filter(|copy| copy.home != Home::File)
        .map(|copy| StoredSegment {
            id: copy.meta.id,
            record: bytes::Bytes::copy_from_slice(&copy.tier_record),
        })
        .collect();
    if !in_cold.is_empty() {
        cold.remove(&in_cold).await?;
    }
    let homes: BTreeSet<SegmentId> = contents
        .segments
        .iter()
        .filter(|segment| segment.home == Home::File)
        .map(|segment| segment.meta.id)
        .collect();
    let edits: Vec<Edit> = contents
        .intents
        .iter()
        .map(|copy| Edit::RemoveIntent(copy.meta.id))
        .chain(contents.garbage.iter().map(|copy| Edit::RemoveGarbage(copy.meta.id)))
        .collect();
    store.sweep_temporary().await?;
    let garbage: BTreeSet<SegmentId> =
        contents.garbage.iter().filter(|copy| copy.home == Home::File).map(|copy| copy.meta.id).collect();
    for id in store.list().await? {
        // The lock keeps everybody else out and numbers are never reused: what the catalog does not name is nobody's.
        if !homes.contains(&id) {
            store.remove(id).await?;
            report.removed_orphans += u64::from(!garbage.contains(&id));
        }
    }
    if !edits.is_empty() {
        let catalog = Arc::clone(catalog);
        (*world.executor).blocking(move || catalog.commit(&edits)).await?;
    }
    report.undone_moves = contents.intents.len() as u64;
    report.removed_copies = contents.garbage.len() as u64;
    Ok(())
}
