//! What a query sees: a version, and what memory held when the query began.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tsds_hot::MemtableSnapshot;
use tsds_traits::{Error, ErrorKind, Result, TableId};

use crate::core::{Core, Pin, lock};
use crate::version::{TableVersion, Version};

/// One moment of a database, for queries that must agree with each other. Holding it keeps old copies of segments from being
/// removed, and memory from being freed; drop it soon.
#[derive(Clone, Debug)]
pub struct Snapshot(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    version: Arc<Version>,
    /// What memory holds of each table: read once, so that every query of the snapshot sees the same.
    memory: BTreeMap<TableId, Vec<MemtableSnapshot>>,
    pin: Mutex<Arc<Pin>>,
}

impl Snapshot {
    pub(crate) fn take(core: &Arc<Core>) -> Self {
        let version = core.version.load_full();
        let memory = version.tables.iter().map(|(id, table)| (*id, memory_of(table))).collect();
        Self(Arc::new(Inner { version, memory, pin: Mutex::new(Arc::new(core.pin())) }))
    }

    pub(crate) fn table(&self, id: TableId) -> Result<Arc<TableSnapshot>> {
        let missing = || {
            Error::new(ErrorKind::NotFound, "table did not exist when the snapshot was taken")
                .with("table", id)
        };
        let table = self.0.version.tables.get(&id).ok_or_else(missing)?;
        let memory = self.0.memory.get(&id).ok_or_else(missing)?;
        Ok(Arc::new(TableSnapshot {
            table: Arc::clone(table),
            memory: memory.clone(),
            _pin: Arc::clone(&lock(&self.0.pin)),
        }))
    }
}

/// One table at one moment.
#[derive(Debug)]
pub(crate) struct TableSnapshot {
    pub table: Arc<TableVersion>,
    /// Oldest first.
    pub memory: Vec<MemtableSnapshot>,
    _pin: Arc<Pin>,
}

impl TableSnapshot {
    /// The table with everything that is acknowledged now.
    pub(crate) fn take(core: &Arc<Core>, id: TableId) -> Result<Arc<Self>> {
        // The version first: a memtable of an older version still has all its rows, so nothing can be missed or seen twice.
        let table = core.table(id)?;
        let memory = memory_of(&table);
        Ok(Arc::new(Self { table, memory, _pin: Arc::new(core.pin()) }))
    }
}

fn memory_of(table: &TableVersion) -> Vec<MemtableSnapshot> {
    table.memtables().map(|memtable| memtable.snapshot()).filter(|snapshot| snapshot.rows > 0).collect()
}
