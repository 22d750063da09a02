//! Where the rows of generated segments come from.

use std::ops::Range;
use std::sync::Arc;

use super::encoded::EncodedRows;
use arrow_array::RecordBatch;
use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};
use tsds_traits::{
    BlockLayout, ColumnId, EncodedColumn, Error, ErrorKind, Result, SegmentMeta, SegmentSource, TableSchema,
};

/// A segment in memory: as batches, which is all that a tier may count on, and as encoded blocks too if asked to.
#[derive(Clone, Debug)]
pub struct MemorySource {
    meta: Arc<SegmentMeta>,
    schema: Arc<TableSchema>,
    batches: Vec<RecordBatch>,
    encoded: Option<EncodedRows>,
}

impl MemorySource {
    /// These rows.
    pub fn new(meta: Arc<SegmentMeta>, schema: Arc<TableSchema>, batches: Vec<RecordBatch>) -> Self {
        Self { meta, schema, batches, encoded: None }
    }

    /// Gives the rows as blocks too.
    pub(super) fn with_blocks(self, encoded: EncodedRows) -> Self {
        Self { encoded: Some(encoded), ..self }
    }
}

#[async_trait]
impl SegmentSource for MemorySource {
    fn meta(&self) -> &Arc<SegmentMeta> {
        &self.meta
    }

    fn schema(&self) -> &Arc<TableSchema> {
        &self.schema
    }

    fn batches(&self) -> BoxStream<'static, Result<RecordBatch>> {
        stream::iter(self.batches.clone().into_iter().map(Ok)).boxed()
    }

    fn layout(&self, column: ColumnId) -> Result<Option<Vec<BlockLayout>>> {
        match (&self.encoded, self.schema.column(column)) {
            (_, None) => Err(Error::invalid_input("segment lacks the column").with("column", column)),
            (None, _) => Ok(None),
            (Some(encoded), _) => encoded.layout(column).map(Some),
        }
    }

    async fn blocks(&self, column: ColumnId, rows: Range<u64>) -> Result<Option<EncodedColumn>> {
        match (&self.encoded, self.layout(column)?) {
            (Some(encoded), Some(_)) => encoded.column(column, &rows).map(Some),
            _ => Ok(None),
        }
    }
}

/// A source whose stream fails after some batches, as a damaged file does.
#[derive(Clone, Debug)]
pub struct FailingSource {
    inner: MemorySource,
    after_batches: usize,
    kind: ErrorKind,
}

impl FailingSource {
    /// Gives `after_batches` batches of `inner`, then an error of `kind`.
    pub fn new(inner: MemorySource, after_batches: usize, kind: ErrorKind) -> Self {
        Self { inner, after_batches, kind }
    }
}

#[async_trait]
impl SegmentSource for FailingSource {
    fn meta(&self) -> &Arc<SegmentMeta> {
        self.inner.meta()
    }

    fn schema(&self) -> &Arc<TableSchema> {
        self.inner.schema()
    }

    fn batches(&self) -> BoxStream<'static, Result<RecordBatch>> {
        let failure = Error::new(self.kind, "the source fails on purpose");
        self.inner.batches().take(self.after_batches).chain(stream::iter([Err(failure)])).boxed()
    }

    fn layout(&self, column: ColumnId) -> Result<Option<Vec<BlockLayout>>> {
        self.inner.layout(column)
    }

    async fn blocks(&self, column: ColumnId, rows: Range<u64>) -> Result<Option<EncodedColumn>> {
        self.inner.blocks(column, rows).await
    }
}
