//! Tiers that take segments from segment files.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::RecordBatch;
use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use tsds_compute::sort_for_segment;
use tsds_conformance::claims::Claim;
use tsds_conformance::fixture::TierFixture;
use tsds_traits::{
    AggregateRequest, BuildContext, Codec, CodecSet, ErrorKind, Presence, Put, Result, ScanRequest,
    SegmentBatch, SegmentSource, StoredSegment, Tier, TierCapabilities, TierUsage,
};

use crate::SegmentStore;

/// Files of an earlier life would make a tier that looks for them find what a volatile one has lost.
static LIVES: AtomicU64 = AtomicU64::new(0);

/// A tier's fixture, whose tier is put every segment from a segment file in one codec: with encoded blocks beside the rows.
#[derive(Clone)]
pub struct FromFiles {
    id: String,
    inner: Arc<dyn TierFixture>,
    codec: Arc<dyn Codec>,
}

impl FromFiles {
    /// The tier of `inner`, which goes by `<its id>+<variant>`.
    pub fn new(inner: impl TierFixture, variant: &str, codec: Arc<dyn Codec>) -> Self {
        Self { id: format!("{}+{variant}", inner.id()), inner: Arc::new(inner), codec }
    }
}

#[async_trait]
impl TierFixture for FromFiles {
    fn id(&self) -> String {
        self.id.clone()
    }

    fn probe(&self) -> Presence {
        self.inner.probe()
    }

    async fn open(&self, mut context: BuildContext) -> Result<Arc<dyn Tier>> {
        let life = LIVES.fetch_add(1, Ordering::Relaxed);
        let codecs = CodecSet::default().with(Arc::new(crate::PlainCodec::new()))?;
        let codecs = match self.codec.id() == crate::PLAIN {
            true => codecs,
            false => codecs.with(Arc::clone(&self.codec))?,
        };
        let codecs = Arc::new(codecs);
        let directory = PathBuf::from(format!("/files/{life}"));
        let store = SegmentStore::new(
            context.world.clone(),
            directory,
            context.database,
            codecs.clone(),
            Arc::clone(&self.codec),
        );
        context.codecs = codecs;
        Ok(Arc::new(Pinned { tier: self.inner.open(context).await?, store }))
    }

    fn expected_claims(&self) -> Vec<Claim> {
        self.inner.expected_claims()
    }
}

/// Writes the rows of a source to its file, and returns how long that is.
///
/// # Errors
///
/// Those of the source and of the store.
pub async fn write_file(store: &SegmentStore, source: &dyn SegmentSource) -> Result<u64> {
    let mut batches = Vec::new();
    let mut stream = source.batches();
    while let Some(batch) = stream.next().await {
        batches.push(batch?);
    }
    let sorted = sort_for_segment(source.schema(), &batches)?;
    let written =
        store.write(source.meta(), source.schema(), vec![sorted.batch], sorted.run_starts.into()).await?;
    Ok(written.bytes)
}

/// A tier to which every segment is put from a file that is gone afterwards.
#[derive(Debug)]
struct Pinned {
    tier: Arc<dyn Tier>,
    store: SegmentStore,
}

#[async_trait]
impl Tier for Pinned {
    fn name(&self) -> &'static str {
        self.tier.name()
    }

    fn capabilities(&self) -> &TierCapabilities {
        self.tier.capabilities()
    }

    async fn put(&self, source: Arc<dyn SegmentSource>) -> Result<Put> {
        if self.tier.list().await?.iter().any(|stored| stored.id == source.meta().id) {
            return self.tier.put(source).await;
        }
        // Several puts of one segment at the same time: only one can write the file.
        match write_file(&self.store, &*source).await {
            Err(error) if error.kind() == ErrorKind::Conflict => return self.tier.put(source).await,
            other => other?,
        };
        let Some(written) = self.store.open(source.meta(), source.schema()).await? else {
            return self.tier.put(source).await;
        };
        let put = self.tier.put(Arc::new(written)).await;
        self.store.remove(source.meta().id).await?;
        put
    }

    fn scan(self: Arc<Self>, request: ScanRequest) -> BoxStream<'static, Result<SegmentBatch>> {
        Arc::clone(&self.tier).scan(request)
    }

    fn aggregate(self: Arc<Self>, request: AggregateRequest) -> BoxStream<'static, Result<RecordBatch>> {
        Arc::clone(&self.tier).aggregate(request)
    }

    async fn remove(&self, segments: &[StoredSegment]) -> Result<()> {
        self.tier.remove(segments).await
    }

    async fn list(&self) -> Result<Vec<StoredSegment>> {
        self.tier.list().await
    }

    fn usage(&self) -> TierUsage {
        self.tier.usage()
    }

    async fn close(&self) -> Result<()> {
        self.tier.close().await
    }
}
