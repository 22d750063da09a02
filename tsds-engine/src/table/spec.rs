//! What a table is to be, and how the catalog gets to know it.

use std::sync::Arc;

use arrow_schema::{DataType, Schema, SchemaRef};
use tsds_compute::ChunkInterval;
use tsds_traits::{
    Column, ColumnId, Error, ErrorKind, Result, SchemaRecord, SchemaVersion, Sequence, TableId, TableSchema,
    payload_type,
};

use crate::catalog::{Edit, TableRecord};
use crate::config::Tables;
use crate::core::Core;
use crate::hot::HotMemtable;
use crate::version::TableVersion;

/// The most columns that a table may have.
pub(super) const MAX_COLUMNS: usize = 1024;
/// The longest name of a table or column, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// Describes a table that is to be created.
///
/// ```
/// use std::sync::Arc;
/// use arrow_schema::{DataType, Field, Schema, TimeUnit};
/// use tsds_engine::TableSpec;
///
/// let schema = Arc::new(Schema::new(vec![
///     Field::new("time", DataType::Timestamp(TimeUnit::Microsecond, None), false),
///     Field::new("host", DataType::Utf8, false),
///     Field::new("load", DataType::Float64, true),
/// ]));
/// let spec = TableSpec::new("metrics", schema, "time").series(["host"]).chunk_interval("1d");
/// # let _ = spec;
/// ```
#[derive(Clone, Debug)]
pub struct TableSpec {
    name: String,
    schema: SchemaRef,
    time: String,
    series: Vec<String>,
    chunk_interval: Option<String>,
}

impl TableSpec {
    /// A table of this name with the columns of an Arrow schema, one of which is its time column: a timestamp, stored as
    /// never null. Dictionaries of text are stored with 32-bit keys, other layouts of text as plain `Utf8`.
    /// Bytes and nested types are payload, which is stored as [`payload_type`] says.
    pub fn new(name: impl Into<String>, schema: SchemaRef, time: impl Into<String>) -> Self {
        Self { name: name.into(), schema, time: time.into(), series: Vec::new(), chunk_interval: None }
    }

    /// Names the series columns: rows are sorted by them, in this order, then by time.
    #[must_use]
    pub fn series<S: Into<String>>(self, columns: impl IntoIterator<Item = S>) -> Self {
        Self { series: columns.into_iter().map(Into::into).collect(), ..self }
    }

    /// Sets the chunk interval: `1h`, `7d`, `1mo`, `1y` and the like, or `auto`, which fixes it at the first seal so that a
    /// chunk has many rows. Default: `tables.chunk_interval` of the settings.
    #[must_use]
    pub fn chunk_interval(self, interval: impl Into<String>) -> Self {
        Self { chunk_interval: Some(interval.into()), ..self }
    }

    /// The table that a first batch makes of itself.
    pub(crate) fn from_batch(name: &str, schema: &Schema, settings: &Tables) -> Self {
        let series =
            settings.series_columns.iter().filter(|column| schema.column_with_name(column).is_some());
        Self::new(name, Arc::new(schema.clone()), &settings.time_column).series(series.cloned())
    }

    fn table_schema(&self, table: TableId) -> Result<TableSchema> {
        check_name("table", &self.name)?;
        if self.schema.fields().len() > MAX_COLUMNS {
            return Err(Error::invalid_input("table has too many columns")
                .with("columns", self.schema.fields().len())
                .with("limit", MAX_COLUMNS));
        }
        let mut columns: Vec<Column> = Vec::new();
        for (index, field) in self.schema.fields().iter().enumerate() {
            check_name("column", field.name())?;
            if columns.iter().any(|earlier| earlier.name.to_lowercase() == field.name().to_lowercase()) {
                return Err(Error::invalid_input("column names must differ in more than case")
                    .with("column", field.name()));
            }
            let is_time = *field.name() == self.time;
            columns.push(Column {
                id: ColumnId(index as u32 + 1),
                name: field.name().clone(),
                data_type: stored_type(field.data_type()),
                nullable: field.is_nullable() && !is_time,
            });
        }
        let id_of = |name: &String, role: &'static str| {
            let found = columns.iter().find(|column| column.name == *name);
            found.map(|column| column.id).ok_or_else(|| {
                let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
                Error::invalid_input("table has no such column")
                    .with(role, name)
                    .with("columns", names.join(","))
            })
        };
        let time = id_of(&self.time, "time_column")?;
        let series =
            self.series.iter().map(|name| id_of(name, "series_column")).collect::<Result<Vec<_>>>()?;
        TableSchema::new(table, SchemaVersion(1), columns, time, &series)
    }
}

/// The type in which a column of this type is stored, where it is; others are refused later, by name.
pub(super) fn stored_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Dictionary(_, values) if super::validate::is_text(values) => {
            DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into())
        }
        other => payload_type(other).unwrap_or_else(|| other.clone()),
    }
}

pub(super) fn check_name(what: &'static str, name: &str) -> Result<()> {
    let problem = if name.is_empty() {
        "name is empty"
    } else if name.len() > MAX_NAME_BYTES {
        "name is longer than 256 bytes"
    } else if name.chars().any(char::is_control) {
        "name has control characters"
    } else {
        return Ok(());
    };
    Err(Error::invalid_input(problem).with(what, name.escape_debug()))
}

impl Core {
    /// Makes a table, durable before anything is written to it.
    ///
    /// # Errors
    ///
    /// `Conflict` if the name is taken; `Unsupported` or `InvalidInput` for a table that cannot be.
    pub(crate) async fn create_table(&self, spec: &TableSpec) -> Result<TableId> {
        self.check_open()?;
        let _records = self.records.lock().await;
        if self.version.load().table_named(&spec.name).is_some() {
            return Err(Error::new(ErrorKind::Conflict, "table exists already").with("table", &spec.name));
        }
        let settings = self.settings();
        let interval = spec.chunk_interval.as_ref().unwrap_or(&settings.tables.chunk_interval);
        let chunk_interval = match interval.as_str() {
            "auto" => None,
            text => Some(text.parse::<ChunkInterval>()?.to_string()),
        };
        let id = TableId(self.record.lock().await.next_table);
        let schema = spec.table_schema(id).map_err(|error| error.with("table", &spec.name))?;
        if settings.cold_tier.hive {
            tsds_cold_parquet::check_column_names(&schema)
                .map_err(|error| error.with("table", &spec.name))?;
        }
        let record = TableRecord {
            id,
            name: spec.name.clone(),
            chunk_interval,
            schemas: vec![SchemaRecord::from(&schema)],
            next_column: schema.columns().iter().map(|column| column.id.0 + 1).max().unwrap_or(1),
            sealed_upto: Sequence::ZERO,
            deleted_rows: 0,
        };
        self.commit(vec![Edit::PutTable(record.clone())], |database| database.next_table = id.0 + 1).await?;
        // Files carry the name; the record has it already.
        let schema = Arc::new(schema.with_name(&spec.name));
        self.install(|version| Ok(version.with_table(self.empty_table(record, schema))))?;
        Ok(id)
    }

    fn empty_table(&self, record: TableRecord, schema: Arc<TableSchema>) -> TableVersion {
        let budget = Arc::clone(&self.budget);
        TableVersion {
            active: HotMemtable::new(Arc::clone(&schema), record.sealed_upto, budget, self.now()),
            record: Arc::new(record),
            schemas: [(schema.version(), Arc::clone(&schema))].into(),
            schema,
            seals: Arc::new(Vec::new()),
            segments: Vec::new(),
            frozen: Vec::new(),
        }
    }
}
