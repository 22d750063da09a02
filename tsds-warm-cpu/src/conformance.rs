//! The tier and the evictor, as the conformance suite opens them.

use serde_json::json;
use tsds_conformance::claims::Claim;
use tsds_conformance::fixture::PluginFixture;

/// The tier without a limit and with one that the suite reaches, and the evictor.
pub fn fixtures() -> Vec<PluginFixture> {
    let [tier, evictor] = crate::plugins().map(PluginFixture::new);
    let little_room =
        tier.clone().with_settings("little-room", json!({ "max_memory_mb": 2 })).expecting(Claim::Room);
    vec![tier, little_room, evictor]
}
