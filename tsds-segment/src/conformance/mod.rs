//! The codecs, as the conformance suite opens them, and tiers that take segments from files.

mod files;
mod plain;

use tsds_conformance::fixture::PluginFixture;

use crate::PLAIN;

pub use files::{FromFiles, write_file};

/// Every codec of this crate, with the blocks that its format is held to.
pub fn fixtures() -> Vec<PluginFixture> {
    let fixture = |plugin: tsds_traits::Plugin| match plugin.id {
        PLAIN => PluginFixture::new(plugin).with_frozen_blocks(plain::frozen_blocks()),
        _ => PluginFixture::new(plugin),
    };
    crate::plugins().into_iter().map(fixture).collect()
}
