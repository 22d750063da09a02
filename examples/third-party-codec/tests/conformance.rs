//! Every case that TSDS has for codecs, over this one.
#![allow(missing_docs)]

use tsds_conformance::fixture::PluginFixture;

tsds_conformance::conformance_main! {
    codecs: [PluginFixture::new(example_pco::PLUGIN)],
}
