//! Every case that TSDS has for tiers, over this one: as it is, and with so little room that it fills up.
#![allow(missing_docs)]

use tsds_conformance::fixture::PluginFixture;

tsds_conformance::conformance_main! {
    tiers: [
        PluginFixture::new(example_ipc::PLUGIN),
        PluginFixture::new(example_ipc::PLUGIN)
            .with_settings("little-room", serde_json::json!({ "max_memory_mb": 1 })),
    ],
}
