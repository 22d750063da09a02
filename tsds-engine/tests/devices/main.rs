//! Warm tiers on devices: which one is taken, what it holds when it has little room, and what becomes of a lost one.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fake;
mod loss;
mod model;
mod plugins;
mod room;
mod selection;
#[path = "../support/mod.rs"]
mod support;
mod threshold;
mod whole;

use fake::QUERY_BATCH_ROWS;
use support::{PATH, TABLE, batch, rows_of, sorted_ids};
use tsds_engine::config::Settings;
use whole::{assert_whole, assert_whole_while_writing, filled, found, open, pause, rows, stats, write};

/// Small memory, and an evictor that keeps segments where they are.
fn settings(backend: &str) -> Settings {
    let mut settings = support::small();
    settings.warm_tier.backend = backend.into();
    settings.warm_tier.evictor = "tsds.evict.lru".into();
    settings.query.output_batch_size = QUERY_BATCH_ROWS;
    settings
}
