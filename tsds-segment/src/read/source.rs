//! A segment file as the source of its rows.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tsds_compute::conform;
use tsds_traits::{
    BlockLayout, ColumnId, EncodedColumn, Result, SegmentMeta, SegmentSource, TableSchema, VfsFile,
};

use super::SegmentFile;
use crate::format::MAX_BLOCK_ROWS;

#[async_trait]
impl SegmentSource for SegmentFile {
    fn meta(&self) -> &Arc<SegmentMeta> {
        SegmentFile::meta(self)
    }

    fn schema(&self) -> &Arc<TableSchema> {
        SegmentFile::schema(self)
    }

    /// Batches of whole blocks: small ones together, up to the rows of a large one.
    fn batches(&self) -> BoxStream<'static, Result<RecordBatch>> {
        let segment = self.clone();
        let start = Progress { file: None, next: 0 };
        stream::try_unfold(start, move |progress| {
            let segment = segment.clone();
            async move {
                let blocks = segment.batch_blocks(progress.next);
                if blocks.is_empty() {
                    return Ok(None);
                }
                let executor = segment.inner.world.executor.clone();
                let read = move || {
                    let file = match progress.file {
                        Some(file) => file,
                        None => segment.file()?,
                    };
                    let batch = segment.read_batch(&*file, blocks.clone())?;
                    // The file stays open until the stream ends, so that removing the segment does not break it.
                    Ok((batch, Progress { file: Some(file), next: blocks.end }))
                };
                (*executor).blocking(read).await.map(Some)
            }
        })
        .boxed()
    }

    fn layout(&self, column: ColumnId) -> Result<Option<Vec<BlockLayout>>> {
        SegmentFile::layout(self, column).map(Some)
    }

    async fn blocks(&self, column: ColumnId, rows: Range<u64>) -> Result<Option<EncodedColumn>> {
        let segment = self.clone();
        let read = move || segment.read_column(column, &rows).map(Some);
        (*self.inner.world.executor).blocking(read).await
    }
}

/// How far a stream of batches has come.
struct Progress {
    file: Option<Arc<dyn VfsFile>>,
    next: usize,
}

impl SegmentFile {
    /// The blocks from `first` on that make up one batch.
    pub(super) fn batch_blocks(&self, first: usize) -> Range<usize> {
        let mut end = first;
        let mut rows = 0;
        while end < self.block_count() {
            rows += self.block_rows(end).end - self.block_rows(end).start;
            if end > first && rows > u64::from(MAX_BLOCK_ROWS) {
                break;
            }
            end += 1;
        }
        first..end
    }

    /// Reads the rows of consecutive blocks, every column in its own type.
    pub(super) fn read_batch(&self, file: &dyn VfsFile, blocks: Range<usize>) -> Result<RecordBatch> {
        let columns = self.schema().columns().iter().map(|column| {
            let encoded = self.read_blocks_from(file, column.id, blocks.clone())?;
            let decoder = self.decoder(column.id)?;
            decoder
                .decode_all(&encoded)
                .and_then(|array| conform(&array, &column.data_type))
                .map_err(|error| self.explain(error, column.id))
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        RecordBatch::try_new(self.schema().arrow().clone(), columns).map_err(|error| {
            // Such as a null in a column that is declared without.
            tsds_traits::Error::corrupt("segment file has rows that do not fit its schema")
                .with("file", self.inner.path.display())
                .with("cause", error)
        })
    }
}
