//! The suite over everything that ships with TSDS, and over the reference implementations.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod reference;

tsds_conformance::conformance_main! {
    tiers: [
        reference::tier::volatile(),
        reference::tier::durable(),
        reference::tier::plain(),
    ],
    codecs: [
        reference::codec::every_type(),
        reference::codec::floats_only(),
    ],
    wals: [
        reference::wal::durable(),
        reference::wal::volatile(),
    ],
    evictors: [
        reference::evictor::ReferenceEvictorFixture,
    ],
    key_providers: [
        reference::key_provider::rotating(),
        reference::key_provider::fixed(),
    ],
}
