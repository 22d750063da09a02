//! Versions: the immutable list of segments, their homes and the memtables, as one query sees them from start to end.

mod entry;
mod tiling;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::hot::HotMemtable;
use tsds_traits::{Error, Result, SchemaVersion, Sequence, TableId, TableSchema};

pub(crate) use entry::{Reclaim, SegmentEntry};
pub(crate) use tiling::check_tiling;

use crate::catalog::{SealRecord, TableRecord};

/// Everything that a query can see, at one moment. Installed whole, never changed.
#[derive(Debug, Default)]
pub(crate) struct Version {
    pub tables: BTreeMap<TableId, Arc<TableVersion>>,
    pub names: BTreeMap<String, TableId>,
}

/// One table in a [`Version`].
#[derive(Clone, Debug)]
pub(crate) struct TableVersion {
    /// What the catalog says of the table.
    pub record: Arc<TableRecord>,
    /// The schema of new rows.
    pub schema: Arc<TableSchema>,
    /// Every schema version of which there are rows.
    pub schemas: BTreeMap<SchemaVersion, Arc<TableSchema>>,
    /// The tiles of the table's sequences that are in segments, ascending.
    pub seals: Arc<Vec<SealRecord>>,
    /// Segments, ordered by chunk and interval: the order of arrival within a chunk.
    pub segments: Vec<Arc<SegmentEntry>>,
    /// Memtables that take no more rows and are not in segments yet, oldest first.
    pub frozen: Vec<Arc<HotMemtable>>,
    /// The memtable that takes rows.
    pub active: Arc<HotMemtable>,
}

impl Version {
    /// A table by name.
    pub(crate) fn table_named(&self, name: &str) -> Option<&Arc<TableVersion>> {
        self.tables.get(self.names.get(name)?)
    }

    /// A copy with one table replaced or added.
    pub(crate) fn with_table(&self, table: TableVersion) -> Self {
        let id = table.record.id;
        let mut next = Self { tables: self.tables.clone(), names: self.names.clone() };
        next.names.insert(table.record.name.clone(), id);
        next.tables.insert(id, Arc::new(table));
        next
    }
}

impl TableVersion {
    /// The memtables, oldest first: the order of arrival.
    pub(crate) fn memtables(&self) -> impl Iterator<Item = &Arc<HotMemtable>> {
        self.frozen.iter().chain([&self.active])
    }

    /// The schema of a version of which there are rows.
    ///
    /// # Errors
    ///
    /// `Corrupt` if the table does not have it.
    pub(crate) fn schema_of(&self, version: SchemaVersion) -> Result<&Arc<TableSchema>> {
        self.schemas.get(&version).ok_or_else(|| {
            Error::corrupt("table has rows of a schema version that it does not have")
                .with("table", &self.record.name)
                .with("schema_version", version)
        })
    }

    /// Ends the memtable that takes rows and begins another one, which `make` makes for rows above a sequence.
    pub(crate) fn begin_memtable(&mut self, make: impl FnOnce(Sequence) -> Arc<HotMemtable>) {
        let next = make(self.active.interval().upto);
        let ended = std::mem::replace(&mut self.active, next);
        // Nobody needs to seal one without rows.
        if ended.rows() > 0 {
            self.frozen.push(ended);
        }
    }

    /// Rows in memory.
    pub(crate) fn hot_rows(&self) -> u64 {
        self.memtables().map(|memtable| memtable.rows()).sum()
    }

    /// Bytes in memory.
    pub(crate) fn hot_bytes(&self) -> u64 {
        self.memtables().map(|memtable| memtable.bytes()).sum()
    }

    /// The last sequence whose rows are in segments.
    pub(crate) fn sealed_upto(&self) -> Sequence {
        self.record.sealed_upto
    }

    /// Puts the segments into the order that all code relies on.
    pub(crate) fn sort_segments(&mut self) {
        self.segments.sort_by_key(|entry| entry.order());
    }
}
