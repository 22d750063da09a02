//! The codec, as the conformance suite opens it.

use tsds_conformance::fixture::PluginFixture;

/// The codec, opened by its factory.
pub fn fixtures() -> Vec<PluginFixture> {
    vec![PluginFixture::new(crate::plugin())]
}
