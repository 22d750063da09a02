//! The conformance suite over this crate's plugins, with and without a limit.
#![allow(missing_docs)]

use serde_json::json;
use tsds_conformance::fixture::PluginFixture;

tsds_conformance::conformance_main! {
    tiers: [
        PluginFixture::new(tsds_warm_cpu::plugins()[0]),
        PluginFixture::new(tsds_warm_cpu::plugins()[0]).with_settings("limited", json!({"max_memory_mb": 64})),
    ],
    evictors: [
        PluginFixture::new(tsds_warm_cpu::plugins()[1]),
    ],
}
