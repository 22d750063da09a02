//! A simulated machine with segment files and the tier over them.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod constant;
pub mod without_filter;

use std::path::PathBuf;
use std::sync::Arc;

use tsds_codec_gorilla::GorillaCodec;
use tsds_compute::sort_for_segment;
use tsds_conformance::data::segments::Segment;
use tsds_io::SimWorld;
use tsds_segment::{PlainCodec, SegmentFile, SegmentStore, ZstdCodec};
use tsds_traits::{
    BuildContext, Codec, CodecSet, DatabaseId, Put, SegmentFiles, SegmentHandle, SegmentMeta, Stored, Tier,
    World,
};
use tsds_warm_cpu::{CpuSettings, CpuTier};

use constant::ConstantCodec;
use without_filter::WithoutFilter;

/// Every codec that a test writes with.
pub fn codecs() -> Arc<CodecSet> {
    let set = CodecSet::default().with(Arc::new(PlainCodec::new())).unwrap();
    let set = set.with(Arc::new(ZstdCodec::new())).unwrap();
    let set = set.with(Arc::new(GorillaCodec::new())).unwrap();
    let set = set.with(Arc::new(ConstantCodec::new())).unwrap();
    Arc::new(set.with(Arc::new(WithoutFilter::new())).unwrap())
}

/// The codec of this name.
pub fn codec(name: &str) -> Arc<dyn Codec> {
    match name {
        "plain" => Arc::new(PlainCodec::new()),
        "zstd" => Arc::new(ZstdCodec::new()),
        "gorilla" => Arc::new(GorillaCodec::new()),
        "constant" => Arc::new(ConstantCodec::new()),
        "without_filter" => Arc::new(WithoutFilter::new()),
        other => panic!("no codec {other}"),
    }
}

pub const DATABASE: DatabaseId = DatabaseId([7; 16]);

/// A store of segment files in a world.
pub fn store(world: World, codec_name: &str) -> SegmentStore {
    store_in(world, codec_name, "/db/segments")
}

/// As [`store`], in this directory.
pub fn store_in(world: World, codec_name: &str, directory: &str) -> SegmentStore {
    SegmentStore::new(world, PathBuf::from(directory), DATABASE, codecs(), codec(codec_name))
}

/// The tier in a world, over a store or without files.
pub fn tier(world: World, store: Option<&SegmentStore>, max_memory_mb: Option<u64>) -> Arc<CpuTier> {
    let context = BuildContext::new(world, DATABASE, PathBuf::from("/db/warm"), codecs());
    let context = match store {
        Some(store) => context.with_segment_files(Arc::new(store.clone()) as Arc<dyn SegmentFiles>),
        None => context,
    };
    CpuTier::new(CpuSettings { max_memory_mb }, context).unwrap()
}

/// A machine, its files and the tier.
pub struct Bench {
    pub machine: SimWorld,
    pub store: SegmentStore,
    pub tier: Arc<CpuTier>,
}

impl Bench {
    pub fn new(seed: u64, codec_name: &str) -> Self {
        let machine = SimWorld::new(seed);
        let store = store(machine.world(), codec_name);
        let tier = tier(machine.world(), Some(&store), None);
        Self { machine, store, tier }
    }

    /// Writes a segment's file.
    pub fn write(&self, segment: &Segment) -> SegmentHandle {
        self.machine.block_on(write(&self.store, segment));
        handle(segment)
    }

    /// Its file as a source.
    pub fn open(&self, segment: &Segment) -> SegmentFile {
        self.machine.block_on(self.store.open(&segment.meta, &segment.schema)).unwrap().unwrap()
    }

    /// Pins a segment from its file.
    pub fn pin(&self, segment: &Segment) -> Stored {
        let source = Arc::new(self.open(segment));
        stored(self.machine.block_on(self.tier.put(source)).unwrap())
    }
}

pub async fn write(store: &SegmentStore, segment: &Segment) {
    let sorted = sort_for_segment(&segment.schema, &segment.batches().unwrap()).unwrap();
    store.write(&segment.meta, &segment.schema, vec![sorted.batch], sorted.run_starts.into()).await.unwrap();
}

pub fn handle(segment: &Segment) -> SegmentHandle {
    segment.handle(&bytes::Bytes::new())
}

pub fn stored(put: Put) -> Stored {
    match put {
        Put::Stored(stored) => stored,
        Put::Declined(why) => panic!("declined: {why}"),
    }
}

/// The same segment, whose metadata claim rows so wide that every group has about `rows` of them.
pub fn with_small_groups(mut segment: Segment, rows: u64) -> Segment {
    let plain_bytes = segment.meta.rows * ((32 << 20) / rows);
    segment.meta = Arc::new(SegmentMeta { plain_bytes, ..(*segment.meta).clone() });
    segment
}
