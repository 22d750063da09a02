//! [`IpcTier`].

use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tsds_traits::{
    AggregateRequest, BuildContext, Durability, Error, ErrorKind, Put, Result, ScanRequest, SegmentBatch,
    SegmentSource, StoredSegment, Tier, TierCapabilities, TierUsage,
};

use crate::IpcSettings;
use crate::read::Scan;
use crate::shelf::Shelf;
use crate::write::Draft;

/// The id of [`IpcTier`].
pub const ID: &str = "example.ipc";

/// Segments as Arrow IPC files in one directory. What is put survives a power cut.
///
/// It does plain scans; predicates, orders, limits and aggregates are the engine's work.
#[derive(Debug)]
pub struct IpcTier {
    capabilities: TierCapabilities,
    shelf: Arc<Shelf>,
}

impl IpcTier {
    /// Opens the tier in the context's directory, with the files that are there.
    ///
    /// # Errors
    ///
    /// As for I/O.
    pub async fn open(settings: &IpcSettings, context: BuildContext) -> Result<Arc<Self>> {
        let (settings, executor) = (settings.clone(), context.world.executor.clone());
        let shelf = (*executor).blocking(move || Shelf::open(&settings, context)).await?;
        Ok(Arc::new(Self { capabilities: TierCapabilities::new(Durability::Power), shelf: Arc::new(shelf) }))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        (*self.shelf.world.executor).blocking(job).await
    }

    async fn write(&self, source: &dyn SegmentSource) -> Result<Put> {
        let (shelf, meta, schema) = (self.shelf.clone(), source.meta().clone(), source.schema().clone());
        let mut draft = self.blocking(move || Draft::new(shelf, meta, &schema)).await?;
        let mut batches = source.batches();
        while let Some(batch) = batches.try_next().await? {
            draft = match self.blocking(move || draft.write(&batch)).await {
                Err(error) if error.kind() == ErrorKind::Unsupported => {
                    return Ok(Put::Declined(error.to_string()));
                }
                written => written?,
            };
        }
        self.blocking(move || draft.publish()).await
    }
}

#[async_trait]
impl Tier for IpcTier {
    fn name(&self) -> &'static str {
        ID
    }

    fn capabilities(&self) -> &TierCapabilities {
        &self.capabilities
    }

    async fn put(&self, source: Arc<dyn SegmentSource>) -> Result<Put> {
        source.meta().validate()?;
        match self.shelf.stored(source.meta().id)? {
            Some(stored) => Ok(stored),
            None => self.write(&*source).await,
        }
    }

    fn scan(self: Arc<Self>, request: ScanRequest) -> BoxStream<'static, Result<SegmentBatch>> {
        // Nothing happens before the first poll, and nothing after an error.
        let begin = async move {
            if request.predicate.is_some() || !request.order.is_empty() || request.limit.is_some() {
                return Err(Error::unsupported("tier does plain scans only").in_plugin(ID));
            }
            self.shelf.check_open()?;
            let scan = Scan::new(self.shelf.clone(), request);
            Ok(stream::try_unfold(scan, |mut scan| async move {
                Ok(scan.next().await?.map(|batch| (batch, scan)))
            }))
        };
        stream::once(begin).try_flatten().boxed()
    }

    fn aggregate(self: Arc<Self>, _request: AggregateRequest) -> BoxStream<'static, Result<RecordBatch>> {
        let refused = Error::unsupported("tier does not aggregate").in_plugin(ID);
        stream::once(async move { self.shelf.check_open().and(Err(refused)) }).boxed()
    }

    async fn remove(&self, segments: &[StoredSegment]) -> Result<()> {
        self.shelf.check_open()?;
        let ids: Vec<_> = segments.iter().map(|segment| segment.id).collect();
        let shelf = self.shelf.clone();
        self.blocking(move || shelf.remove(&ids)).await
    }

    async fn list(&self) -> Result<Vec<StoredSegment>> {
        self.shelf.list()
    }

    fn usage(&self) -> TierUsage {
        self.shelf.usage()
    }

    async fn close(&self) -> Result<()> {
        self.shelf.close();
        let shelf = self.shelf.clone();
        self.blocking(move || {
            shelf.settle();
            Ok(())
        })
        .await
    }
}
