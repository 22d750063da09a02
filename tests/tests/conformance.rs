//! The suite over everything that ships with TSDS, and over the reference implementations.
#![allow(missing_docs, unreachable_pub)]

mod reference;

use std::sync::Arc;

use serde_json::json;
use tsds_conformance::fixture::PluginFixture;
use tsds_traits::{CodecSet, Plugin};

/// Every codec that ships, for the tiers that meet encoded blocks.
fn codecs() -> Arc<CodecSet> {
    let built = [
        Arc::new(tsds_segment::PlainCodec::default()) as Arc<dyn tsds_traits::Codec>,
        Arc::new(tsds_segment::ZstdCodec::default()),
    ];
    Arc::new(built.into_iter().try_fold(CodecSet::default(), CodecSet::with).unwrap_or_default())
}

fn tier(plugin: Plugin) -> PluginFixture {
    PluginFixture::new(plugin).with_codecs(codecs())
}

fn wal(variant: &str, settings: serde_json::Value) -> PluginFixture {
    PluginFixture::new(tsds_hot::plugin()).with_settings(variant, settings)
}

tsds_conformance::conformance_main! {
    tiers: [
        tier(tsds_warm_cpu::plugins()[0]),
        tier(tsds_warm_cpu::plugins()[0]).with_settings("little-room", json!({ "max_memory_mb": 2 })),
        tier(tsds_cold_parquet::plugin()),
        reference::tier::volatile(),
        reference::tier::durable(),
        reference::tier::plain(),
    ],
    codecs: [
        PluginFixture::new(tsds_segment::plugins()[0]),
        PluginFixture::new(tsds_segment::plugins()[1]),
        reference::codec::every_type(),
        reference::codec::floats_only(),
    ],
    wals: [
        // A simulated disk really holds what is reserved ahead: 100 MB for every file would take minutes.
        wal("medium-files", json!({ "file_bytes": 256 << 10 })),
        // Files so small that every case meets their borders.
        wal("small-files", json!({ "file_bytes": 16 << 10 })),
        reference::wal::durable(),
        reference::wal::volatile(),
    ],
    evictors: [
        PluginFixture::new(tsds_warm_cpu::plugins()[1]),
        reference::evictor::ReferenceEvictorFixture,
    ],
    key_providers: [
        reference::key_provider::rotating(),
        reference::key_provider::fixed(),
    ],
}
