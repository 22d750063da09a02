//! A segment that is in memory.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tsds_traits::{
    BlockLayout, ColumnId, EncodedColumn, Error, Result, SegmentMeta, SegmentSource, TableSchema,
};

/// The rows of a segment as batches in memory: a source without encoded blocks.
#[derive(Clone, Debug)]
pub struct MemorySource {
    meta: Arc<SegmentMeta>,
    schema: Arc<TableSchema>,
    batches: Arc<[RecordBatch]>,
}

impl MemorySource {
    /// The segment `meta` with these rows, in storage order.
    ///
    /// # Errors
    ///
    /// `InvalidInput` where the batches have another schema or number of rows.
    pub fn new(meta: Arc<SegmentMeta>, schema: Arc<TableSchema>, batches: Vec<RecordBatch>) -> Result<Self> {
        let rows: u64 = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        let same_schema = batches.iter().all(|batch| batch.schema_ref() == schema.arrow());
        if rows != meta.rows || !same_schema {
            return Err(Error::invalid_input("batches are not the rows of the segment")
                .with("segment", meta.id)
                .with("rows", rows)
                .with("claimed", meta.rows));
        }
        Ok(Self { meta, schema, batches: batches.into() })
    }

    fn check(&self, column: ColumnId) -> Result<()> {
        match self.schema.index_of(column) {
            Some(_) => Ok(()),
            None => Err(Error::invalid_input("segment has no such column").with("column", column)),
        }
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
        let batches = self.batches.clone();
        stream::iter((0..batches.len()).filter_map(move |index| batches.get(index).cloned().map(Ok))).boxed()
    }

    fn layout(&self, column: ColumnId) -> Result<Option<Vec<BlockLayout>>> {
        self.check(column).map(|()| None)
    }

    async fn blocks(&self, column: ColumnId, _rows: Range<u64>) -> Result<Option<EncodedColumn>> {
        self.check(column).map(|()| None)
    }
}
