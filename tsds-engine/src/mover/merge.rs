//! Sources of cold files: a segment under its next name, or neighbours merged into one.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use futures::stream::{BoxStream, TryStreamExt};
use tsds_segment::MemorySource;
use tsds_traits::{
    BlockLayout, ColumnId, EncodedColumn, Error, Result, SegmentId, SegmentMeta, SegmentSource,
    SequenceInterval, TableSchema,
};

use crate::core::Core;

/// How many rows a batch of a merged source holds.
const BATCH_ROWS: usize = 65_536;

/// The same rows under another id.
pub(super) fn renamed(source: Arc<dyn SegmentSource>, id: SegmentId) -> Arc<dyn SegmentSource> {
    let meta = Arc::new(SegmentMeta { id, ..SegmentMeta::clone(source.meta()) });
    Arc::new(Renamed { source, meta })
}

#[derive(Debug)]
struct Renamed {
    source: Arc<dyn SegmentSource>,
    meta: Arc<SegmentMeta>,
}

#[async_trait]
impl SegmentSource for Renamed {
    fn meta(&self) -> &Arc<SegmentMeta> {
        &self.meta
    }

    fn schema(&self) -> &Arc<TableSchema> {
        self.source.schema()
    }

    fn batches(&self) -> BoxStream<'static, Result<RecordBatch>> {
        self.source.batches()
    }

    fn layout(&self, column: ColumnId) -> Result<Option<Vec<BlockLayout>>> {
        self.source.layout(column)
    }

    async fn blocks(&self, column: ColumnId, rows: Range<u64>) -> Result<Option<EncodedColumn>> {
        self.source.blocks(column, rows).await
    }
}

/// The rows of neighbouring segments, in the order of arrival, as one sorted segment. Sorting is stable, so equal rows keep
/// their order of arrival. Memory: about twice the plain rows, which a group's size bounds.
pub(super) async fn merged(
    core: &Arc<Core>,
    schema: Arc<TableSchema>,
    sources: Vec<Arc<dyn SegmentSource>>,
    id: SegmentId,
    interval: SequenceInterval,
) -> Result<Arc<dyn SegmentSource>> {
    let first = sources.first().ok_or_else(|| Error::internal("nothing to merge"))?;
    let (chunk, key_domain) = (first.meta().chunk, first.meta().key_domain);
    let mut batches: Vec<RecordBatch> = Vec::new();
    for source in &sources {
        let rows: Vec<RecordBatch> = source.batches().try_collect().await?;
        batches.extend(rows);
    }
    core.blocking(move || {
        let sorted = tsds_compute::sort_for_segment(&schema, &batches)?;
        drop(batches);
        let meta = tsds_compute::describe_segment(&schema, id, chunk, key_domain, interval, &sorted)?;
        let rows = sorted.batch.num_rows();
        let cut = (0..rows)
            .step_by(BATCH_ROWS)
            .map(|at| sorted.batch.slice(at, BATCH_ROWS.min(rows - at)))
            .collect();
        Ok(Arc::new(MemorySource::new(Arc::new(meta), schema, cut)?) as Arc<dyn SegmentSource>)
    })
    .await
}
