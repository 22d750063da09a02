//! Changing a table's columns while it is written and read.
//!
//! A change makes a new schema version, all of it in one catalog transaction that is durable before the first row of the
//! version. Nothing that is stored is rewritten: rows keep the version under which they were written, and queries read them as
//! rows of the newest one ([`crate::query`]).

use std::sync::Arc;

use arrow_schema::DataType;
use tsds_traits::{
    Column, ColumnId, Error, Result, SchemaRecord, SchemaVersion, TableId, TableSchema, type_name,
};

use super::spec::{MAX_COLUMNS, check_name, stored_type};
use super::widen::{is_widening, wider_types};
use crate::catalog::{Edit, TableRecord};
use crate::core::{Core, lock};
use crate::hot::HotMemtable;
use crate::version::TableVersion;

/// One change of a table's columns; see [`Table::alter`](crate::Table::alter).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SchemaChange {
    /// Adds a column behind the others. It is null in every row that was written before.
    AddColumn {
        /// Its name.
        name: String,
        /// Its type.
        data_type: DataType,
        /// Whether nulls are allowed: a column that is added must allow them.
        nullable: bool,
    },
    /// Gives a column a wider type: integers of the same sign with more bits, signed ones with more bits than unsigned ones,
    /// 64-bit floats instead of 32-bit ones.
    Widen {
        /// Which column.
        column: String,
        /// The wider type.
        data_type: DataType,
    },
    /// Gives a column another name.
    Rename {
        /// Which column.
        column: String,
        /// Its new name.
        to: String,
    },
}

impl SchemaChange {
    /// Adds a column that allows nulls.
    pub fn add_column(name: impl Into<String>, data_type: DataType) -> Self {
        Self::AddColumn { name: name.into(), data_type, nullable: true }
    }

    /// Gives a column a wider type.
    pub fn widen(column: impl Into<String>, data_type: DataType) -> Self {
        Self::Widen { column: column.into(), data_type }
    }

    /// Gives a column another name.
    pub fn rename(column: impl Into<String>, to: impl Into<String>) -> Self {
        Self::Rename { column: column.into(), to: to.into() }
    }
}

/// The columns of a table while changes are made to them, one after the other.
struct Changing {
    columns: Vec<Column>,
    time: ColumnId,
    next_column: u32,
}

impl Changing {
    fn apply(&mut self, change: &SchemaChange) -> Result<()> {
        match change {
            SchemaChange::AddColumn { name, data_type, nullable } => self.add(name, data_type, *nullable),
            SchemaChange::Widen { column, data_type } => self.widen(column, data_type),
            SchemaChange::Rename { column, to } => self.rename(column, to),
        }
    }

    fn add(&mut self, name: &str, data_type: &DataType, nullable: bool) -> Result<()> {
        self.check_free(name, None)?;
        if !nullable {
            return Err(Error::invalid_input(
                "a column that is added must allow nulls: rows that are there have no value for it",
            )
            .with("column", name));
        }
        if self.columns.len() >= MAX_COLUMNS {
            return Err(Error::invalid_input("table has too many columns")
                .with("column", name)
                .with("limit", MAX_COLUMNS));
        }
        let id = ColumnId(self.next_column);
        self.next_column = self.next_column.checked_add(1).ok_or_else(|| {
            Error::invalid_input("table has given out all numbers of columns").with("column", name)
        })?;
        let data_type = stored_type(data_type);
        self.columns.push(Column { id, name: name.to_owned(), data_type, nullable });
        Ok(())
    }

    fn widen(&mut self, name: &str, to: &DataType) -> Result<()> {
        let time = self.time;
        let column = self.column(name)?;
        let refused = |what| {
            Error::invalid_input(what)
                .with("column", name)
                .with("type", type_name(&column.data_type))
                .with("asked_for", type_name(to))
        };
        if column.id == time {
            return Err(refused("the type of the time column cannot change"));
        }
        if !is_widening(&column.data_type, to) {
            let wider: Vec<_> = wider_types(&column.data_type).iter().map(type_name).collect();
            let wider = if wider.is_empty() { "none".to_owned() } else { wider.join(",") };
            return Err(refused("not every value of the column's type has its place in the other type")
                .with("possible", wider));
        }
        column.data_type = to.clone();
        Ok(())
    }

    fn rename(&mut self, name: &str, to: &str) -> Result<()> {
        let id = self.column(name)?.id;
        self.check_free(to, Some(id))?;
        self.column(name)?.name = to.to_owned();
        Ok(())
    }

    fn column(&mut self, name: &str) -> Result<&mut Column> {
        let names: Vec<_> = self.columns.iter().map(|column| column.name.clone()).collect();
        self.columns.iter_mut().find(|column| column.name == name).ok_or_else(|| {
            Error::invalid_input("table has no such column")
                .with("column", name)
                .with("columns", names.join(","))
        })
    }

    /// Whether a column, if it is not `own`, has the name, or one that differs only in case.
    fn check_free(&self, name: &str, own: Option<ColumnId>) -> Result<()> {
        check_name("column", name)?;
        let lower = name.to_lowercase();
        let taken = self.columns.iter().find(|column| {
            // To give a column the name that it has is a mistake, to change its case is not.
            column.name == name || (Some(column.id) != own && column.name.to_lowercase() == lower)
        });
        match taken {
            None => Ok(()),
            Some(other) => Err(Error::invalid_input("table has a column of this name")
                .with("column", name)
                .with("taken_by", &other.name)),
        }
    }
}

/// The next version of a schema, and the next column's id after it.
///
/// # Errors
///
/// `InvalidInput` or `Unsupported`, naming the column.
fn changed(schema: &TableSchema, next_column: u32, changes: &[SchemaChange]) -> Result<(TableSchema, u32)> {
    if changes.is_empty() {
        return Err(Error::invalid_input("no change was given; name a column to add, widen or rename"));
    }
    let version = schema
        .version()
        .0
        .checked_add(1)
        .ok_or_else(|| Error::invalid_input("table has given out all numbers of schema versions"))?;
    let time = schema.time_column().id;
    let mut changing = Changing { columns: schema.columns().to_vec(), time, next_column };
    changes.iter().try_for_each(|change| changing.apply(change))?;
    let series: Vec<ColumnId> = schema.sort_columns().into_iter().filter(|column| *column != time).collect();
    let next = TableSchema::new(schema.table(), SchemaVersion(version), changing.columns, time, &series)?;
    Ok((next, changing.next_column))
}

impl Core {
    /// Changes a table's columns: all changes, in the order in which they are given, or none.
    ///
    /// # Errors
    ///
    /// `InvalidInput` or `Unsupported` for a change that cannot be; as the catalog's.
    pub(crate) async fn alter(&self, id: TableId, changes: &[SchemaChange]) -> Result<Arc<TableSchema>> {
        self.check_open()?;
        self.check_writable()?;
        // Nobody else changes what the catalog says of a table meanwhile.
        let _records = self.records.lock().await;
        let table = self.table(id)?;
        let (schema, next_column) = changed(&table.schema, table.record.next_column, changes)?;
        if self.settings().cold_tier.hive {
            tsds_cold_parquet::check_column_names(&schema)?;
        }
        let mut record = TableRecord { next_column, ..TableRecord::clone(&table.record) };
        record.schemas.push(SchemaRecord::from(&schema));
        let schema = Arc::new(schema.with_name(&record.name));
        // All that is in the log is visible then, and nothing comes after it before the new version is in force: so a memtable, and
        // the log between two changes, has rows of one version.
        let _no_writes = self.writer.pause().await?;
        self.check_open()?;
        self.commit(vec![Edit::PutTable(record.clone())], |_| {}).await?;
        self.install_schema(id, record, &schema)?;
        tracing::info!(table = %table.record.name, version = %schema.version(), "table was altered");
        Ok(schema)
    }

    /// Puts the new schema in force. Writes are paused.
    fn install_schema(&self, id: TableId, record: TableRecord, schema: &Arc<TableSchema>) -> Result<()> {
        let _publish = lock(self.writer.publishing());
        self.install(|version| {
            let current =
                version.tables.get(&id).ok_or_else(|| Error::internal("table is gone").with("table", id))?;
            let mut next = TableVersion::clone(current);
            next.begin_memtable(|upto| {
                HotMemtable::new(Arc::clone(schema), upto, Arc::clone(&self.budget), self.now())
            });
            next.record = Arc::new(record);
            next.schemas.insert(schema.version(), Arc::clone(schema));
            next.schema = Arc::clone(schema);
            Ok(version.with_table(next))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_schema::TimeUnit;

    fn schema() -> TableSchema {
        let column = |id, name: &str, data_type, nullable| Column {
            id: ColumnId(id),
            name: name.into(),
            data_type,
            nullable,
        };
        let columns = vec![
            column(1, "time", DataType::Timestamp(TimeUnit::Millisecond, None), false),
            column(2, "rack", DataType::UInt8, true),
            column(3, "load", DataType::Float32, true),
            column(5, "count", DataType::Int16, false),
        ];
        TableSchema::new(TableId(1), SchemaVersion(4), columns, ColumnId(1), &[ColumnId(2)]).unwrap()
    }

    fn refused(changes: &[SchemaChange]) -> String {
        changed(&schema(), 7, changes).unwrap_err().to_string()
    }

    #[test]
    fn changes_are_made_in_their_order_and_ids_stay() {
        let changes = [
            SchemaChange::rename("load", "old_load"),
            SchemaChange::add_column("load", DataType::LargeUtf8),
            SchemaChange::widen("old_load", DataType::Float64),
            SchemaChange::widen("rack", DataType::Int32),
            SchemaChange::rename("time", "at"),
            SchemaChange::add_column("more", DataType::Boolean),
            SchemaChange::rename("count", "Count"),
        ];
        let (next, next_column) = changed(&schema(), 7, &changes).unwrap();
        let columns: Vec<_> = next
            .columns()
            .iter()
            .map(|column| (column.id.0, column.name.as_str(), type_name(&column.data_type), column.nullable))
            .collect();
        assert_eq!(
            columns,
            [
                (1, "at", "timestamp(ms)".to_owned(), false),
                (2, "rack", "int32".to_owned(), true),
                (3, "old_load", "float64".to_owned(), true),
                (5, "Count", "int16".to_owned(), false),
                (7, "load", "utf8".to_owned(), true),
                (8, "more", "bool".to_owned(), true),
            ]
        );
        assert_eq!((next.version(), next_column), (SchemaVersion(5), 9));
        assert_eq!((next.time_index(), next.series_indices()), (0, &[1][..]));
    }

    #[test]
    fn nothing_to_change_is_refused() {
        assert!(refused(&[]).contains("no change was given"));
    }

    #[test]
    fn an_unknown_column_lists_those_there_are() {
        for change in [SchemaChange::rename("cpu", "x"), SchemaChange::widen("cpu", DataType::Int64)] {
            assert!(refused(&[change]).contains("column=cpu columns=time,rack,load,count"));
        }
    }

    #[test]
    fn a_name_that_is_taken_is_refused_also_in_another_case() {
        for change in [
            SchemaChange::rename("load", "rack"),
            SchemaChange::rename("load", "Rack"),
            SchemaChange::add_column("LOAD", DataType::Int64),
        ] {
            let text = refused(&[change]);
            assert!(text.contains("has a column of this name") && text.contains("taken_by="), "{text}");
        }
        assert!(refused(&[SchemaChange::rename("load", "load")]).contains("taken_by=load"));
        assert!(refused(&[SchemaChange::rename("load", "")]).contains("name is empty"));
    }

    #[test]
    fn what_is_no_widening_names_the_types_that_are() {
        let text = refused(&[SchemaChange::widen("rack", DataType::Int8)]);
        assert!(
            text.contains(
                "column=rack type=uint8 asked_for=int8 possible=int16,int32,int64,uint16,uint32,uint64"
            ),
            "{text}"
        );
        let text = refused(&[SchemaChange::widen("count", DataType::Int16)]);
        assert!(text.contains("possible=int32,int64"), "{text}");
        assert!(refused(&[SchemaChange::widen("count", DataType::Float64)]).contains("column=count"));
    }

    #[test]
    fn the_time_column_keeps_its_type() {
        let finer = DataType::Timestamp(TimeUnit::Nanosecond, None);
        assert!(refused(&[SchemaChange::widen("time", finer)]).contains("time column cannot change"));
    }

    #[test]
    fn a_new_column_must_allow_nulls_and_be_of_a_type_that_is_stored() {
        let never = SchemaChange::AddColumn { name: "x".into(), data_type: DataType::Int8, nullable: false };
        assert!(refused(&[never]).contains("must allow nulls"));
        let text = refused(&[SchemaChange::add_column("x", DataType::Float16)]);
        assert!(text.contains("column=x type=Float16"), "{text}");
    }
}
