//! The conformance suite over this crate's plugins: with and without a limit, and over segment files, pinned or not, in
//! every encoding.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use arrow_array::RecordBatch;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use serde_json::json;
use tsds_conformance::claims::Claim;
use tsds_conformance::fixture::{PluginFixture, TierFixture};
use tsds_segment::SegmentStore;
use tsds_segment::conformance::{FromFiles, write_file};
use tsds_traits::{
    AggregateRequest, BuildContext, ErrorKind, Presence, Put, Result, ScanRequest, SegmentBatch, SegmentId,
    SegmentSource, Stored, StoredSegment, Tier, TierCapabilities, TierUsage,
};

static LIVES: AtomicU64 = AtomicU64::new(0);

/// The tier over segment files, to which nothing is ever put.
#[derive(Clone, Copy)]
struct OverFiles {
    codec: &'static str,
}

#[async_trait]
impl TierFixture for OverFiles {
    fn id(&self) -> String {
        format!("tsds.warm.cpu+unpinned_{}_files", self.codec)
    }

    fn probe(&self) -> Presence {
        Presence::Present(String::new())
    }

    async fn open(&self, context: BuildContext) -> Result<Arc<dyn Tier>> {
        // Files of an earlier life would make the tier find what a volatile tier has lost.
        let life = LIVES.fetch_add(1, Ordering::Relaxed);
        let store = support::store_in(context.world.clone(), self.codec, &format!("/db/{life}"));
        let tier: Arc<dyn Tier> = support::tier(context.world, Some(&store), None);
        Ok(Arc::new(Unpinned { tier, store, written: Mutex::default() }))
    }
}

/// The tier, to which nothing is ever put, over a store to which everything is.
#[derive(Debug)]
struct Unpinned {
    tier: Arc<dyn Tier>,
    store: SegmentStore,
    /// Rows and bytes of what was put: the tier itself knows of nothing.
    written: Mutex<BTreeMap<SegmentId, (u64, u64)>>,
}

#[async_trait]
impl Tier for Unpinned {
    fn name(&self) -> &'static str {
        self.tier.name()
    }

    fn capabilities(&self) -> &TierCapabilities {
        self.tier.capabilities()
    }

    async fn put(&self, source: Arc<dyn SegmentSource>) -> Result<Put> {
        self.tier.list().await?;
        let (id, rows) = (source.meta().id, source.meta().rows);
        loop {
            if let Some(there) = self.store.open(source.meta(), source.schema()).await? {
                let bytes = there.file_bytes();
                self.written.lock().unwrap().insert(id, (rows, bytes));
                return Ok(Put::Stored(Stored { bytes, record: Bytes::new() }));
            }
            match write_file(&self.store, &*source).await {
                Err(error) if error.kind() == ErrorKind::Conflict => continue,
                other => other?,
            };
        }
    }

    fn scan(self: Arc<Self>, request: ScanRequest) -> BoxStream<'static, Result<SegmentBatch>> {
        Arc::clone(&self.tier).scan(request)
    }

    fn aggregate(self: Arc<Self>, request: AggregateRequest) -> BoxStream<'static, Result<RecordBatch>> {
        Arc::clone(&self.tier).aggregate(request)
    }

    async fn remove(&self, segments: &[StoredSegment]) -> Result<()> {
        self.tier.list().await?;
        for segment in segments {
            self.store.remove(segment.id).await?;
            self.written.lock().unwrap().remove(&segment.id);
        }
        Ok(())
    }

    async fn list(&self) -> Result<Vec<StoredSegment>> {
        self.tier.list().await?;
        let written = self.written.lock().unwrap();
        Ok(written.keys().map(|id| StoredSegment { id: *id, record: Bytes::new() }).collect())
    }

    fn usage(&self) -> TierUsage {
        let written = self.written.lock().unwrap();
        let (rows, bytes) = written.values().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        TierUsage { segments: written.len() as u64, rows, bytes, ..TierUsage::default() }
    }

    async fn close(&self) -> Result<()> {
        self.tier.close().await
    }
}

/// The tier, which pins every segment from a file.
fn pinned(codec: &str) -> FromFiles {
    let tier = PluginFixture::new(tsds_warm_cpu::plugins()[0]);
    FromFiles::new(tier, &format!("pinned_{codec}_files"), support::codec(codec))
}

tsds_conformance::conformance_main! {
    tiers: [
        PluginFixture::new(tsds_warm_cpu::plugins()[0]),
        PluginFixture::new(tsds_warm_cpu::plugins()[0]).with_settings("limited", json!({"max_memory_mb": 64})),
        PluginFixture::new(tsds_warm_cpu::plugins()[0]).with_settings("little-room", json!({"max_memory_mb": 2})).expecting(Claim::Room),
        pinned("plain"),
        pinned("zstd"),
        pinned("constant"),
        pinned("without_filter"),
        pinned("gorilla"),
        OverFiles { codec: "plain" },
        OverFiles { codec: "zstd" },
        OverFiles { codec: "constant" },
        OverFiles { codec: "gorilla" },
    ],
    evictors: [
        PluginFixture::new(tsds_warm_cpu::plugins()[1]),
    ],
}
