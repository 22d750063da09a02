//! The log, as the conformance suite opens it.

use serde_json::json;
use tsds_conformance::fixture::PluginFixture;

/// The log with files of ordinary and of little size. A simulated disk really holds what is reserved ahead, so that the
/// default size would take minutes; in the smallest files every case meets their borders.
pub fn fixtures() -> Vec<PluginFixture> {
    let sized = |variant: &str, bytes: u64| {
        PluginFixture::new(crate::plugin()).with_settings(variant, json!({ "file_bytes": bytes }))
    };
    vec![sized("medium-files", 256 << 10), sized("small-files", 16 << 10)]
}
