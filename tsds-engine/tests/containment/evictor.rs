//! An evictor that misbehaves: the sound part of its plan counts, and the least recently used segments leave where it has none.

use tsds_engine::config::Settings;
use tsds_io::SimWorld;

use super::saboteurs::{EVICTOR, EvictorFault};
use super::{assert_names, assert_whole, open, plugin, rows, settings};
use crate::support::{self, TABLE, batch};

/// More than the smallest warm tier takes of plain rows.
const ROWS: i64 = 48_000;

pub fn with_evictor() -> Settings {
    let mut settings = settings();
    settings.hot_tier.max_records = 12_000;
    settings.hot_tier.segment_rows = 4_000;
    settings.warm_tier.max_memory_mb = 1;
    settings.warm_tier.file_codec = "tsds.plain".into();
    settings.warm_tier.evictor = EVICTOR.into();
    settings.query.output_batch_size = 65_536;
    settings.tables.chunk_interval = "auto".into();
    settings
}

pub async fn overfill(database: &tsds_engine::Database) {
    database.create_table(support::spec().chunk_interval("1d")).await.unwrap();
    let table = database.table(TABLE).unwrap();
    for start in (0..ROWS).step_by(4_000) {
        table.ingest(batch(&rows(start..start + 4_000))).await.unwrap();
    }
    database.flush().await.unwrap();
    database.settle().await.unwrap();
    let counts = database.tier_counts();
    assert!(counts.cold > 0, "{counts:?}: nothing left");
    assert_whole(database, 0..ROWS).await;
}

fn segments_leave(fault: EvictorFault) -> tsds_engine::PluginStats {
    let machine = SimWorld::new(2);
    machine.block_on(async {
        let database = open(&machine, fault.registry(), with_evictor()).await.unwrap();
        overfill(&database).await;
        let stats = plugin(&database, EVICTOR).await;
        database.close().await.unwrap();
        stats
    })
}

#[test]
fn segments_leave_although_the_evictor_panics() {
    assert!(segments_leave(EvictorFault::Panics).panics > 0);
}

#[test]
fn segments_leave_although_the_evictor_frees_nothing() {
    assert!(segments_leave(EvictorFault::FreesNothing).broken_promises > 0);
}

#[test]
fn unknown_segments_in_a_plan_are_ignored() {
    assert!(segments_leave(EvictorFault::NamesUnknownSegments).broken_promises > 0);
}

#[test]
fn segments_that_a_plan_names_twice_leave_once() {
    assert!(segments_leave(EvictorFault::NamesSegmentsTwice).broken_promises > 0);
}

#[test]
fn an_evictor_that_cannot_be_built_fails_the_opening_by_name() {
    let machine = SimWorld::new(2);
    machine.block_on(async {
        let error = open(&machine, EvictorFault::BuildPanics.registry(), with_evictor()).await.unwrap_err();
        assert_names(&error, EVICTOR, "build");
    });
}
