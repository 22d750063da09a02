//! Where the rows of generated segments come from.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};
use tsds_traits::{
    BlockLayout, ColumnId, EncodedColumn, Error, ErrorKind, Result, SegmentMeta, SegmentSource, TableSchema,
};

/// A segment in memory, without encoded blocks: all that a tier may count on.
#[derive(Clone, Debug)]
pub struct MemorySource {
    meta: Arc<SegmentMeta>,
    schema: Arc<TableSchema>,
    batches: Vec<RecordBatch>,
}

impl MemorySource {
    /// These rows.
    pub fn new(meta: Arc<SegmentMeta>, schema: Arc<TableSchema>, batches: Vec<RecordBatch>) -> Self {
        Self { meta, schema, batches }
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
        match self.schema.column(column) {
            Some(_) => Ok(None),
            None => Err(Error::invalid_input("segment lacks the column").with("column", column)),
        }
    }

    async fn blocks(&self, column: ColumnId, _rows: Range<u64>) -> Result<Option<EncodedColumn>> {
        self.layout(column).map(|_| None)
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
