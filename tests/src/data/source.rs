//! Where the rows of generated segments come from.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use async_trait::async_trait;
use futures::channel::oneshot;
use futures::stream::{self, BoxStream, StreamExt};
use tsds_traits::{
    BlockLayout, ColumnId, EncodedColumn, Error, ErrorKind, Result, SegmentMeta, SegmentSource, TableSchema,
};

use super::encoded::EncodedRows;

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

/// A source that stops before its last batch, the first time that it is read, until it is let on.
#[derive(Debug)]
pub struct GatedSource {
    inner: MemorySource,
    gate: Mutex<Option<(oneshot::Sender<()>, oneshot::Receiver<()>)>>,
}

impl GatedSource {
    /// The source, what tells that somebody waits at the gate, and what opens it. Dropping the latter opens it too.
    pub fn new(inner: MemorySource) -> (Self, oneshot::Receiver<()>, oneshot::Sender<()>) {
        let ((reached, is_reached), (open, opened)) = (oneshot::channel(), oneshot::channel());
        (Self { inner, gate: Mutex::new(Some((reached, opened))) }, is_reached, open)
    }
}

#[async_trait]
impl SegmentSource for GatedSource {
    fn meta(&self) -> &Arc<SegmentMeta> {
        self.inner.meta()
    }

    fn schema(&self) -> &Arc<TableSchema> {
        self.inner.schema()
    }

    fn batches(&self) -> BoxStream<'static, Result<RecordBatch>> {
        let Some((reached, opened)) = self.gate.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return self.inner.batches();
        };
        let last = self.inner.batches.len().saturating_sub(1);
        let gate = stream::once(async move {
            let _ = reached.send(());
            let _ = opened.await;
        });
        let rest = self.inner.batches().skip(last);
        let gated = gate.map(|()| None).chain(rest.map(Some)).filter_map(futures::future::ready);
        self.inner.batches().take(last).chain(gated).boxed()
    }

    fn layout(&self, column: ColumnId) -> Result<Option<Vec<BlockLayout>>> {
        self.inner.layout(column)
    }

    async fn blocks(&self, column: ColumnId, rows: Range<u64>) -> Result<Option<EncodedColumn>> {
        self.inner.blocks(column, rows).await
    }
}
