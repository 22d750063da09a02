//! The tier, as the conformance suite opens it.

use tsds_conformance::fixture::PluginFixture;

/// The tier on a disk of its own.
pub fn fixtures() -> Vec<PluginFixture> {
    vec![PluginFixture::new(crate::plugin())]
}
