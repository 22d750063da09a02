//! Tables: how they are described, made and written.

mod spec;
pub(crate) mod validate;

use std::sync::Arc;

use arrow_array::RecordBatch;
use tracing::Instrument;
use tsds_traits::{Result, TableId, TableSchema};

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

    /// Writes a batch: when this returns, the rows survive what the receipt says, and every query that begins from now on
    /// sees all of them. On an error none of them is ever seen, but for `NotDurable`, when only reopening tells.
    ///
    /// Columns are matched by name; text may be plain or a dictionary. An empty batch is accepted and changes nothing. If
    /// the caller stops waiting, the write goes on.
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

    /// Begins a query.
    pub fn query(&self) -> Query {
        Query::new(Arc::clone(&self.core), self.id)
    }
}
