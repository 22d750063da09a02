//! The codecs, as the conformance suite opens them.

use tsds_conformance::fixture::PluginFixture;

/// Every codec of this crate.
pub fn fixtures() -> Vec<PluginFixture> {
    crate::plugins().into_iter().map(PluginFixture::new).collect()
}
