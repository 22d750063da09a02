//! What an edit changes: one value under one key of one table of redb.

use std::collections::HashSet;

use redb::{ReadableDatabase, TableDefinition, TableError, TableHandle};
use serde::Serialize;
use tsds_traits::Result;

use super::records::{segment_key, sequence_key, table_key};
use super::{BATCHES, DATABASE, DATABASE_KEY, Edit, GARBAGE, INTENTS, SEALS, SEGMENTS, TABLES, envelope};

type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// One value under one key.
pub(super) struct Change {
    table: Definition,
    key: Vec<u8>,
    /// `None` removes the key.
    value: Option<Vec<u8>>,
}

impl Change {
    /// # Errors
    ///
    /// `Internal` for a record that cannot be encoded.
    pub(super) fn of(edit: &Edit) -> Result<Self> {
        match edit {
            Edit::SetDatabase(record) => Self::put(DATABASE, DATABASE_KEY, record),
            Edit::PutTable(record) => Self::put(TABLES, &table_key(record.id), record),
            Edit::PutSeal(table, record) => {
                Self::put(SEALS, &sequence_key(*table, record.interval.upto), record)
            }
            Edit::PutBatch(table, record) => {
                Self::put(BATCHES, &sequence_key(*table, record.sequence), record)
            }
            Edit::RemoveBatch(table, sequence) => Self::remove(BATCHES, &sequence_key(*table, *sequence)),
            Edit::PutSegment(record) => Self::put(SEGMENTS, &segment_key(record.meta.id), record),
            Edit::RemoveSegment(id) => Self::remove(SEGMENTS, &segment_key(*id)),
            Edit::PutIntent(record) => Self::put(INTENTS, &segment_key(record.segment), record),
            Edit::RemoveIntent(id) => Self::remove(INTENTS, &segment_key(*id)),
            Edit::PutGarbage(record) => Self::put(GARBAGE, &segment_key(record.segment), record),
            Edit::RemoveGarbage(id) => Self::remove(GARBAGE, &segment_key(*id)),
        }
    }

    fn put(table: Definition, key: &[u8], record: &impl Serialize) -> Result<Self> {
        let value = envelope::encode(table.name(), key, record)?;
        Ok(Self { table, key: key.to_vec(), value: Some(value) })
    }

    fn remove(table: Definition, key: &[u8]) -> Result<Self> {
        Ok(Self { table, key: key.to_vec(), value: None })
    }

    pub(super) fn apply(&self, write: &redb::WriteTransaction) -> Result<(), redb::Error> {
        let mut table = write.open_table(self.table)?;
        match &self.value {
            Some(value) => table.insert(&self.key[..], value.as_slice())?,
            None => table.remove(&self.key[..])?,
        };
        Ok(())
    }

    fn is_made(&self, read: &redb::ReadTransaction) -> Result<bool, redb::Error> {
        let table = match read.open_table(self.table) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(self.value.is_none()),
            opened => opened?,
        };
        let found = table.get(&self.key[..])?;
        Ok(found.as_ref().map(|found| found.value()) == self.value.as_deref())
    }
}

/// Whether the catalog is as it is after these changes. They are made together or not at all; of several to one value the last counts.
pub(super) fn are_made(database: &redb::Database, changes: &[Change]) -> Result<bool, redb::Error> {
    let read = database.begin_read()?;
    let mut seen = HashSet::new();
    for change in changes.iter().rev() {
        if seen.insert((change.table.name(), &change.key)) && !change.is_made(&read)? {
            return Ok(false);
        }
    }
    Ok(true)
}
