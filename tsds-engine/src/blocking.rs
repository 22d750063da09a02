//! The engine for programs without an async runtime: the same database, whose calls wait.
//!
//! ```
//! use std::sync::Arc;
//! use arrow_array::{Float64Array, RecordBatch, TimestampMicrosecondArray};
//! use arrow_schema::{DataType, Field, Schema, TimeUnit};
//! use tsds_engine::TableSpec;
//! use tsds_engine::blocking::Database;
//! use tsds_engine::query::col;
//!
//! # let directory = std::env::temp_dir().join(format!("tsds-blocking-{}", std::process::id()));
//! let database = Database::open(&directory)?;
//! let schema = Arc::new(Schema::new(vec![
//!     Field::new("time", DataType::Timestamp(TimeUnit::Microsecond, None), false),
//!     Field::new("load", DataType::Float64, true),
//! ]));
//! let table = database.create_table(TableSpec::new("metrics", Arc::clone(&schema), "time"))?;
//! let time = TimestampMicrosecondArray::from(vec![1, 2, 3]);
//! let load = Float64Array::from(vec![0.5, 0.7, 0.9]);
//! table.ingest(RecordBatch::try_new(schema, vec![Arc::new(time), Arc::new(load)])?)?; // durable now
//! for batch in table.rows(|query| query.filter(col("load").gt(0.6)))? {
//!     assert_eq!(batch?.num_rows(), 2);
//! }
//! database.close()?;
//! # std::fs::remove_dir_all(directory).ok();
//! # Ok::<(), tsds_traits::Error>(())
//! ```

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::StreamExt;
use tsds_io::Runtime;
use tsds_traits::{Result, TableSchema};

use crate::query::{Query, QueryStream};
use crate::{BatchId, DatabaseBuilder, Receipt, SchemaChange, Stats, TableSpec};

/// An open database, with threads of its own for what goes on in the background. Cheap to clone; close it once when done.
///
/// # Panics
///
/// Every call that waits panics when called inside an async task: use [`crate::Database`] there.
#[derive(Clone, Debug)]
pub struct Database {
    // Before the runtime, so that its background work ends first.
    inner: crate::Database,
    runtime: Arc<Runtime>,
}

impl Database {
    /// Opens the database in this directory with the built-in plugins and default settings, creating it if there is none.
    ///
    /// # Errors
    ///
    /// As [`DatabaseBuilder::open`]; `Exhausted` if the system gives no threads.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        Self::open_with(crate::Database::builder(path))
    }

    /// Opens a database as the builder says, but for its world, which is the real one on threads of this database.
    ///
    /// # Errors
    ///
    /// As [`Database::open`].
    pub fn open_with(builder: DatabaseBuilder) -> Result<Self> {
        let runtime = Arc::new(Runtime::new(None)?);
        let inner = runtime.block_on(builder.world(runtime.world()).open())?;
        Ok(Self { inner, runtime })
    }

    /// The same database for async code, and for what has no call of its own here.
    pub fn inner(&self) -> &crate::Database {
        &self.inner
    }

    /// Waits for a future, such as one of a call of [`Database::inner`].
    pub fn wait<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Creates a table, durably.
    ///
    /// # Errors
    ///
    /// As [`crate::Database::create_table`].
    pub fn create_table(&self, spec: TableSpec) -> Result<Table> {
        Ok(self.own(self.wait(self.inner.create_table(spec))?))
    }

    /// A table by name.
    ///
    /// # Errors
    ///
    /// As [`crate::Database::table`].
    pub fn table(&self, name: &str) -> Result<Table> {
        Ok(self.own(self.inner.table(name)?))
    }

    /// All tables, by name.
    pub fn tables(&self) -> Vec<Table> {
        self.inner.tables().into_iter().map(|table| self.own(table)).collect()
    }

    /// What the database holds, exactly.
    ///
    /// # Errors
    ///
    /// As [`crate::Database::stats`].
    pub fn stats(&self) -> Result<Stats> {
        self.wait(self.inner.stats())
    }

    /// Waits until nothing is left to be sealed or moved.
    ///
    /// # Errors
    ///
    /// As [`crate::Database::settle`].
    pub fn settle(&self) -> Result<()> {
        self.wait(self.inner.settle())
    }

    /// Makes everything durable and lets other processes open the database.
    ///
    /// # Errors
    ///
    /// As [`crate::Database::close`].
    pub fn close(&self) -> Result<()> {
        self.wait(self.inner.close())
    }

    fn own(&self, inner: crate::Table) -> Table {
        Table { inner, runtime: Arc::clone(&self.runtime) }
    }
}

/// A table of an open database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Table {
    inner: crate::Table,
    runtime: Arc<Runtime>,
}

impl Table {
    /// The table's name.
    pub fn name(&self) -> &str {
        self.inner.name()
    }

    /// The schema of new rows.
    ///
    /// # Errors
    ///
    /// As [`crate::Table::schema`].
    pub fn schema(&self) -> Result<Arc<TableSchema>> {
        self.inner.schema()
    }

    /// Changes the table's columns: see [`crate::Table::alter`].
    ///
    /// # Errors
    ///
    /// As [`crate::Table::alter`].
    pub fn alter(&self, changes: &[SchemaChange]) -> Result<Arc<TableSchema>> {
        self.runtime.block_on(self.inner.alter(changes))
    }

    /// Writes a batch: durable and visible when this returns.
    ///
    /// # Errors
    ///
    /// As [`crate::Table::ingest`].
    pub fn ingest(&self, batch: RecordBatch) -> Result<Receipt> {
        self.runtime.block_on(self.inner.ingest(batch))
    }

    /// Writes a batch unless one of this id was written before.
    ///
    /// # Errors
    ///
    /// As [`crate::Table::ingest_once`].
    pub fn ingest_once(&self, id: BatchId, batch: RecordBatch) -> Result<Receipt> {
        self.runtime.block_on(self.inner.ingest_once(id, batch))
    }

    /// Runs a query, which `build` makes of one for all rows. Rows are read as the iterator goes on; dropping it stops the work.
    ///
    /// # Errors
    ///
    /// As [`Query::stream`].
    pub fn rows(&self, build: impl FnOnce(Query) -> Query) -> Result<Rows> {
        let stream = self.runtime.block_on(build(self.inner.query()).stream())?;
        Ok(Rows { stream, runtime: Arc::clone(&self.runtime) })
    }
}

/// The rows of a query: batches of one schema, none of them empty.
#[derive(Debug)]
pub struct Rows {
    stream: QueryStream,
    runtime: Arc<Runtime>,
}

impl Rows {
    /// The schema of every batch.
    pub fn schema(&self) -> &SchemaRef {
        self.stream.schema()
    }
}

impl Iterator for Rows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.runtime.block_on(self.stream.next())
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{Int64Array, TimestampMicrosecondArray};
    use arrow_schema::{DataType, Field, Schema, TimeUnit};

    use super::*;

    fn batch(values: std::ops::Range<i64>) -> RecordBatch {
        let time = TimestampMicrosecondArray::from_iter_values(values.clone());
        let schema = Schema::new(vec![
            Field::new("time", DataType::Timestamp(TimeUnit::Microsecond, None), false),
            Field::new("value", DataType::Int64, false),
        ]);
        let value = Int64Array::from_iter_values(values);
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(time), Arc::new(value)]).unwrap()
    }

    #[test]
    fn a_program_without_a_runtime_writes_closes_opens_and_reads() {
        let directory = tempfile::TempDir::new().unwrap();
        let database = Database::open(directory.path()).unwrap();
        let spec = TableSpec::new("metrics", batch(0..1).schema(), "time");
        let table = database.create_table(spec).unwrap();
        table.ingest(batch(0..10)).unwrap();
        let first = table.ingest_once(7_u128.into(), batch(10..20)).unwrap();
        assert_eq!(table.ingest_once(7_u128.into(), batch(10..20)).unwrap(), first);
        database.settle().unwrap();
        assert_eq!(database.stats().unwrap().tables.len(), 1);
        database.close().unwrap();
        assert!(table.ingest(batch(0..1)).is_err(), "closed");
        drop((database, table));

        let database = Database::open(directory.path()).unwrap();
        assert_eq!(database.tables()[0].name(), "metrics");
        let rows = database.table("metrics").unwrap().rows(|query| query.batch_rows(8)).unwrap();
        assert_eq!(rows.schema().fields().len(), 2);
        assert_eq!(rows.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 20);
        database.close().unwrap();
    }

    #[test]
    fn what_was_not_closed_is_there_all_the_same() {
        let directory = tempfile::TempDir::new().unwrap();
        let database = Database::open(directory.path()).unwrap();
        let table = database.create_table(TableSpec::new("metrics", batch(0..1).schema(), "time")).unwrap();
        table.ingest(batch(0..10)).unwrap();
        drop((table, database));
        let database = Database::open(directory.path()).unwrap();
        assert!(database.inner().recovery().unclean);
        let mut rows = database.table("metrics").unwrap().rows(|query| query).unwrap();
        assert_eq!(rows.next().unwrap().unwrap().num_rows(), 10);
    }
}
