//! [`CpuTier`].

use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use tsds_traits::{
    AggregateRequest, BuildContext, Durability, Put, Result, ScanRequest, SegmentBatch, SegmentHandle,
    SegmentSource, StoredSegment, Tier, TierCapabilities, TierUsage,
};

use crate::aggregate::Aggregation;
use crate::pin;
use crate::read::Target;
use crate::scan::Scan;
use crate::segment::{Finder, MemorySegment};
use crate::settings::CpuSettings;
use tsds_device::residency::{Answer, Begin, Putting, Shelf, Stop};

/// The id of [`CpuTier`].
pub const NAME: &str = "tsds.warm.cpu";

/// The warm tier in the memory of the host.
///
/// It serves what was [put](Tier::put) from memory, and from its segment file any other segment that has one. Its own hold on
/// a segment is volatile. Memory is limited by [`CpuSettings::max_memory_mb`]; a put beyond the limit fails with `NoSpace`,
/// and nothing is evicted but by [`Tier::remove`]. What an open stream still reads counts against the limit until the stream
/// ends, also after it was removed; [`Tier::usage`] shows what is listed.
#[derive(Debug)]
pub struct CpuTier {
    capabilities: TierCapabilities,
    finder: Finder,
    shelf: Arc<Shelf<MemorySegment>>,
    limit: Option<u64>,
}

impl CpuTier {
    /// The tier, with nothing pinned.
    ///
    /// # Errors
    ///
    /// None at present.
    pub fn new(settings: CpuSettings, context: BuildContext) -> Result<Arc<Self>> {
        let limit = settings.limit_bytes();
        let capabilities = TierCapabilities::new(Durability::Volatile).with_all_pushdown();
        let capabilities = match limit {
            Some(limit) => capabilities.with_max_segment_bytes(limit),
            None => capabilities,
        };
        let finder = Finder { world: context.world, codecs: context.codecs, files: context.segment_files };
        Ok(Arc::new(Self { capabilities, finder, shelf: Shelf::new(NAME, limit), limit }))
    }

    async fn put_new(&self, source: &dyn SegmentSource, mut putting: Putting<MemorySegment>) -> Result<Put> {
        let Finder { world, codecs, .. } = &self.finder;
        let pinned = pin::pin(world, codecs, source, &mut |bytes| putting.at_least(bytes)).await?;
        putting.finish(pinned).map(Put::Stored)
    }

    /// Why the segment can never be pinned.
    fn refusal(&self, source: &dyn SegmentSource) -> Option<String> {
        let (needed, limit) = (source.meta().plain_bytes, self.limit?);
        (needed > limit)
            .then(|| format!("segment is larger than the tier: bytes={needed} limit_bytes={limit}"))
    }

    fn targets(&self, segments: &[SegmentHandle]) -> Vec<Target> {
        let target = |handle: &SegmentHandle| match self.shelf.get(handle.meta.id) {
            Some(segment) => Target::Pinned(segment),
            None => Target::Elsewhere(handle.clone()),
        };
        segments.iter().map(target).collect()
    }

    /// At the first poll.
    fn begin_scan(
        &self,
        request: &ScanRequest,
        stop: Arc<Stop>,
    ) -> Result<BoxStream<'static, Result<SegmentBatch>>> {
        self.shelf.check_open()?;
        let scan = Scan::new(request, self.finder.clone(), stop)?;
        Ok(scan.run(self.targets(&request.segments)))
    }

    /// At the first poll.
    fn begin_aggregate(
        &self,
        request: &AggregateRequest,
        stop: Arc<Stop>,
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        self.shelf.check_open()?;
        let aggregation = Aggregation::new(request, self.finder.clone(), stop)?;
        Ok(aggregation.run(self.targets(&request.segments)))
    }

    fn stop(&self) -> Arc<Stop> {
        self.shelf.stop()
    }
}

#[async_trait]
impl Tier for CpuTier {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> &TierCapabilities {
        &self.capabilities
    }

    async fn put(&self, source: Arc<dyn SegmentSource>) -> Result<Put> {
        let tag = |error: tsds_traits::Error| error.in_plugin(NAME).during("put");
        let id = source.meta().id;
        source.meta().validate().map_err(tag)?;
        match self.shelf.begin(id).await.map_err(tag)? {
            Begin::Present(stored) => Ok(Put::Stored(stored)),
            Begin::Mine(putting) => match self.refusal(&*source) {
                Some(reason) => Ok(Put::Declined(reason)),
                None => self.put_new(&*source, putting).await.map_err(tag),
            },
        }
    }

    fn scan(self: Arc<Self>, request: ScanRequest) -> BoxStream<'static, Result<SegmentBatch>> {
        let stop = self.stop();
        let begun = Arc::clone(&stop);
        let rows = stream::once(async move { self.begin_scan(&request, begun) }).try_flatten();
        Answer::new(rows.boxed(), stop, "scan").boxed()
    }

    fn aggregate(self: Arc<Self>, request: AggregateRequest) -> BoxStream<'static, Result<RecordBatch>> {
        let stop = self.stop();
        let begun = Arc::clone(&stop);
        let states = stream::once(async move { self.begin_aggregate(&request, begun) }).try_flatten();
        Answer::new(states.boxed(), stop, "aggregate").boxed()
    }

    async fn remove(&self, segments: &[StoredSegment]) -> Result<()> {
        self.shelf.check_open()?;
        self.shelf.remove(segments.iter().map(|segment| segment.id));
        Ok(())
    }

    async fn list(&self) -> Result<Vec<StoredSegment>> {
        self.shelf.check_open()?;
        Ok(self.shelf.list())
    }

    fn usage(&self) -> TierUsage {
        self.shelf.usage()
    }

    async fn close(&self) -> Result<()> {
        self.shelf.close();
        Ok(())
    }
}
