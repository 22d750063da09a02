//! All that a catalog holds, read whole and checked against itself.

use std::path::Path;

use redb::{MultimapTableHandle, ReadableTable, TableDefinition, TableHandle};
use serde::de::DeserializeOwned;
use tsds_traits::{Error, Result, TableId};

use super::envelope;
use super::records::{
    BatchRecord, DatabaseRecord, FORMAT_VERSION, Home, LOG, READS_FROM, RemovalRecord, SealRecord,
    SegmentRecord, TableRecord, segment_key, sequence_key, table_key,
};
use super::{
    ALL_TABLES, BATCHES, DATABASE, DATABASE_KEY, GARBAGE, INTENTS, SEALS, SEGMENTS, TABLES, catalog_error,
};

/// All that the catalog holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    /// `None` in a catalog that was just created: then there is nothing else either.
    pub database: Option<DatabaseRecord>,
    pub tables: Vec<TableRecord>,
    pub seals: Vec<(TableId, SealRecord)>,
    /// Ascending by table and sequence.
    pub batches: Vec<(TableId, BatchRecord)>,
    pub segments: Vec<SegmentRecord>,
    pub intents: Vec<RemovalRecord>,
    pub garbage: Vec<RemovalRecord>,
}

/// Reads a catalog: first which version it is, and nothing else before that is known.
///
/// # Errors
///
/// `Unsupported` for a catalog of another version, naming both; `Corrupt` for one that is damaged or contradicts itself.
pub(super) fn read(database: &redb::Database, path: &Path) -> Result<Contents> {
    let transaction =
        redb::ReadableDatabase::begin_read(database).map_err(|error| catalog_error(error.into()));
    let read = || {
        let reader = Reader { transaction: transaction? };
        reader.check_format()?;
        let contents = reader.contents()?;
        contents.check()?;
        Ok(contents)
    };
    read().map_err(|error: Error| error.with("file", path.display()))
}

type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

struct Reader {
    transaction: redb::ReadTransaction,
}

impl Reader {
    fn check_format(&self) -> Result<()> {
        let mut format = FORMAT_VERSION;
        self.each_value(DATABASE, |key, value| {
            if key == DATABASE_KEY {
                format = envelope::format_of(DATABASE.name(), key, value)?;
            }
            Ok(())
        })?;
        if (READS_FROM..=FORMAT_VERSION).contains(&format) {
            return Ok(());
        }
        Err(Error::unsupported(
            "the catalog was written by another version of TSDS; open it with that version",
        )
        .with("format", format)
        .with("supported", FORMAT_VERSION))
    }

    fn contents(&self) -> Result<Contents> {
        self.check_tables()?;
        let mut contents = Contents::default();
        self.each(DATABASE, |record| {
            contents.database = Some(record);
            Ok(DATABASE_KEY.to_vec())
        })?;
        self.each(TABLES, |record: TableRecord| {
            let key = table_key(record.id).to_vec();
            contents.tables.push(record);
            Ok(key)
        })?;
        self.each_value(SEALS, |key, value| {
            let record: SealRecord = envelope::decode(SEALS.name(), key, value)?;
            let table = table_of(key);
            check_key(SEALS, key, &sequence_key(table, record.interval.upto))?;
            contents.seals.push((table, record));
            Ok(())
        })?;
        self.each_value(BATCHES, |key, value| {
            let record: BatchRecord = envelope::decode(BATCHES.name(), key, value)?;
            let table = table_of(key);
            check_key(BATCHES, key, &sequence_key(table, record.sequence))?;
            contents.batches.push((table, record));
            Ok(())
        })?;
        self.each(SEGMENTS, |record: SegmentRecord| {
            record.meta.validate()?;
            let key = segment_key(record.meta.id).to_vec();
            contents.segments.push(record);
            Ok(key)
        })?;
        for (definition, list) in [(INTENTS, &mut contents.intents), (GARBAGE, &mut contents.garbage)] {
            self.each(definition, |record: RemovalRecord| {
                let key = segment_key(record.segment).to_vec();
                list.push(record);
                Ok(key)
            })?;
        }
        Ok(contents)
    }

    /// A table that this version does not have would make it another version.
    fn check_tables(&self) -> Result<()> {
        let failed = |error: redb::StorageError| catalog_error(error.into());
        let tables = self.transaction.list_tables().map_err(failed)?;
        let unknown = tables.map(|table| table.name().to_owned()).find(|name| !ALL_TABLES.contains(&&**name));
        let mut multimaps = self.transaction.list_multimap_tables().map_err(failed)?;
        match unknown.or_else(|| multimaps.next().map(|table| table.name().to_owned())) {
            Some(name) => {
                Err(Error::corrupt("catalog has a table that its version does not have").with("table", name))
            }
            None => Ok(()),
        }
    }

    /// Decodes every record of a table; `visit` says under which key it belongs.
    fn each<T: DeserializeOwned>(
        &self,
        definition: Definition,
        mut visit: impl FnMut(T) -> Result<Vec<u8>>,
    ) -> Result<()> {
        self.each_value(definition, |key, value| {
            let expected = visit(envelope::decode(definition.name(), key, value)?)?;
            check_key(definition, key, &expected)
        })
    }

    fn each_value(
        &self,
        definition: Definition,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<()>,
    ) -> Result<()> {
        let table = match self.transaction.open_table(definition) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(()),
            Err(error) => return Err(catalog_error(error.into())),
        };
        for entry in table.iter().map_err(|error| catalog_error(error.into()))? {
            let (key, value) = entry.map_err(|error| catalog_error(error.into()))?;
            visit(key.value(), value.value())?;
        }
        Ok(())
    }
}

/// The table of a seal or a batch.
fn table_of(key: &[u8]) -> TableId {
    key.first_chunk().map_or(TableId(0), |table| TableId(u32::from_be_bytes(*table)))
}

fn check_key(definition: Definition, key: &[u8], expected: &[u8]) -> Result<()> {
    if key == expected {
        return Ok(());
    }
    Err(Error::corrupt("catalog record is under another key than its own")
        .with("catalog_table", definition.name())
        .with("key", format!("{key:02x?}")))
}

impl Contents {
    /// Checks what must hold between records, apart from the tiling of each table.
    fn check(&self) -> Result<()> {
        let Some(database) = &self.database else {
            return match *self == Self::default() {
                true => Ok(()),
                false => Err(Error::corrupt("catalog has no database record")),
            };
        };
        for table in &self.tables {
            table.check()?;
            if table.id.0 >= database.next_table || table.sealed_upto > database.sequences_reserved {
                return Err(Error::corrupt("catalog has a table beyond the numbers that it has given out")
                    .with("table", &table.name));
            }
        }
        for (id, batch) in &self.batches {
            let table = self.tables.iter().find(|table| table.id == *id);
            if table.is_none_or(|table| batch.sequence > table.sealed_upto) {
                return Err(Error::corrupt("catalog has a batch whose rows are in no segment")
                    .with("table_id", id)
                    .with("batch", batch.id)
                    .with("sequence", batch.sequence));
            }
        }
        for segment in &self.segments {
            if segment.meta.id.id > database.segments_reserved {
                return Err(Error::corrupt("catalog has a segment beyond the numbers that it has given out")
                    .with("segment", segment.meta.id));
            }
        }
        let homes = self.segments.iter().map(|segment| (segment.meta.id, &segment.home));
        let copies = self.intents.iter().chain(&self.garbage).map(|copy| (copy.segment, &copy.home));
        for (segment, home) in homes.chain(copies) {
            if let Home::Tier(name) = home
                && (name == LOG || !database.plugins.contains_key(name))
            {
                return Err(Error::corrupt(
                    "catalog has a segment in a tier that the database does not have",
                )
                .with("segment", segment)
                .with("tier", name));
            }
        }
        Ok(())
    }
}

impl TableRecord {
    fn check(&self) -> Result<()> {
        let columns = self.schemas.iter().flat_map(|schema| &schema.columns);
        let problem = if self.schemas.is_empty() {
            "table has no schema"
        } else if self.schemas.iter().any(|schema| schema.table != self.id) {
            "table has the schema of another table"
        } else if !self.schemas.is_sorted_by(|first, second| first.version < second.version) {
            "table has schemas out of order"
        } else if columns.into_iter().any(|column| column.id.0 >= self.next_column) {
            "table has a column beyond the numbers that it has given out"
        } else {
            return Ok(());
        };
        Err(Error::corrupt(problem).with("table", &self.name))
    }
}
