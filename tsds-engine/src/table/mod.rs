//! Tables: how they are described, made and written.

mod alter;
mod spec;
mod unpacked;
pub(crate) mod upgrade;
pub(crate) mod validate;
pub(crate) mod widen;

use std::sync::Arc;

use arrow_array::RecordBatch;
use tracing::Instrument;
use tsds_traits::{Result, TableId, TableSchema};

pub use alter::SchemaChange;
pub use spec::TableSpec;

use crate::batches::BatchId;
use crate::core::Core;
use crate::ingest::Receipt;
use crate::query::Query;

/// A table of an open database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Table {
    pub(crate) core: Arc<Core>,
    pub(crate) id: TableId,
    name: Arc<str>,
}

impl Table {
    pub(crate) fn new(core: Arc<Core>, id: TableId, name: &str) -> Self {
        Self { core, id, name: name.into() }
    }

    /// The table's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The table's id in the catalog.
    pub fn id(&self) -> TableId {
        self.id
    }

    /// The schema of new rows.
    ///
    /// # Errors
    ///
    /// `NotFound` if the table is gone.
    pub fn schema(&self) -> Result<Arc<TableSchema>> {
        Ok(Arc::clone(&self.core.table(self.id)?.schema))
    }

    /// The names of the columns that batches may lack: those that [`Table::alter`] added. Rows without them are null there.
    ///
    /// # Errors
    ///
    /// `NotFound` if the table is gone.
    pub fn added_columns(&self) -> Result<Vec<String>> {
        let table = self.core.table(self.id)?;
        let added =
            table.schema.columns().iter().filter(|column| validate::was_added(column, &table.schemas));
        Ok(added.map(|column| column.name.clone()).collect())
    }

    /// Writes a batch: when this returns, the rows survive what the receipt says, and every query that begins from now on
    /// sees all of them. On an error none of them is ever seen, but for `NotDurable`, when only reopening tells.
    ///
    /// Columns are matched by name; text may be plain or a dictionary. A column that [`Table::alter`] added may be missing, and
    /// one that it gave a wider type may come in any type that it had before. An empty batch is accepted and changes nothing.
    /// If the caller stops waiting, the write goes on.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the batch does not fit the table, naming table, column and row; `Exhausted`, retryable, if memory
    /// stays full for `ingest.timeout_ms`; `NoSpace`, retryable; `NotDurable` if the log's sync failed; `Closed` afterwards.
    pub async fn ingest(&self, batch: RecordBatch) -> Result<Receipt> {
        self.write(batch, None).await
    }

    /// Writes a batch as [`Table::ingest`] does, unless a batch of this id was written to the table before: then nothing is
    /// written, and the receipt is that of the first time. So a writer who does not know whether a write succeeded, after an
    /// error or a crash on either side, writes it again.
    ///
    /// The table remembers the ids of the last `ingest.remembered_batches` such batches, also when the database is closed or
    /// crashes; an id that is older is written anew. If the same batch is being written at this moment, this waits for that.
    /// An empty batch is not remembered.
    ///
    /// # Errors
    ///
    /// As [`Table::ingest`]; `InvalidInput` if the batch of this id had another number of rows.
    pub async fn ingest_once(&self, id: BatchId, batch: RecordBatch) -> Result<Receipt> {
        self.write(batch, Some(id)).await
    }

    async fn write(&self, batch: RecordBatch, id: Option<BatchId>) -> Result<Receipt> {
        let span = tracing::debug_span!("ingest", table = %self.name, rows = batch.num_rows());
        let written = self.core.ingest(self.id, batch, id).instrument(span).await;
        written.map_err(|error| error.during("ingest"))
    }

    /// Changes the table's columns while it is written and read: adds columns that allow nulls, gives columns wider types and
    /// other names. All changes are made, in the order in which they are given, or none; when this returns, the new schema is
    /// durable and in force, and is what is returned. If the caller stops waiting, the change goes on.
    ///
    /// Rows that are stored stay as they are, and are read as rows of the new schema: a column that was added is null in them,
    /// and a wider type holds the same values. Columns keep their ids, and the ids of new ones were never used before.
    ///
    /// Writers need not change at the same moment: see [`Table::ingest`]. Queries that have begun, and snapshots, go on with the
    /// schema that they know.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use arrow_schema::{DataType, Field, Schema, TimeUnit};
    /// # use tsds_engine::{SchemaChange, TableSpec, blocking::Database};
    /// # let directory = std::env::temp_dir().join(format!("tsds-alter-{}", std::process::id()));
    /// # let database = Database::open(&directory)?;
    /// # let schema = Arc::new(Schema::new(vec![
    /// #     Field::new("time", DataType::Timestamp(TimeUnit::Microsecond, None), false),
    /// #     Field::new("load", DataType::Float32, true),
    /// # ]));
    /// # let table = database.create_table(TableSpec::new("metrics", schema, "time"))?;
    /// table.alter(&[
    ///     SchemaChange::widen("load", DataType::Float64),
    ///     SchemaChange::rename("load", "cpu_load"),
    ///     SchemaChange::add_column("room", DataType::Utf8),
    /// ])?;
    /// # assert_eq!(table.schema()?.columns().len(), 3);
    /// # database.close()?;
    /// # std::fs::remove_dir_all(directory).ok();
    /// # Ok::<(), tsds_traits::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `InvalidInput`, naming the column, for a column that does not exist, a name that is taken, a type that does not hold all
    /// values of the column's type, a new column that does not allow nulls, and the type of the time column; `Unsupported` for a
    /// type that cannot be stored; `NoSpace`, retryable. Nothing has changed then. `Closed` once the database is closed, and
    /// after any other failure of the catalog, when only reopening tells.
    pub async fn alter(&self, changes: &[SchemaChange]) -> Result<Arc<TableSchema>> {
        let (core, id, changes) = (Arc::clone(&self.core), self.id, changes.to_vec());
        let altered = self.core.detached(async move { core.alter(id, &changes).await }).await;
        altered.map_err(|error| error.with("table", &self.name).during("alter table"))
    }

    /// Begins a query.
    pub fn query(&self) -> Query {
        Query::new(Arc::clone(&self.core), self.id)
    }
}
