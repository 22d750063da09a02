//! Each metric moves with what it counts.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::{Row, open_with, spec};
use tsds_engine::query::{Aggregation, Direction};

fn rows(ids: std::ops::Range<i64>) -> Vec<Row> {
    ids.map(|id| Row { time: id * 60_000, host: "a".into(), value: Some(0.5), id }).collect()
}

#[test]
fn writing_sealing_and_reading_are_counted() {
    let mut log_bytes = 0;
    let counted = support::counted(async |machine| {
        let database = open_with(machine, support::small()).await.unwrap();
        let table = database.create_table(spec()).await.unwrap();
        for start in 0..30 {
            table.ingest(support::batch(&rows(start * 10..start * 10 + 10))).await.unwrap();
        }
        database.settle().await.unwrap();
        let found = table.query().sort_by("time", Direction::Ascending).collect().await.unwrap();
        assert_eq!(support::ids(&support::rows_of(&found)).len(), 300);
        table.query().aggregate(Aggregation::new().count()).collect().await.unwrap();
        database.flush().await.unwrap();
        log_bytes = database.stats().await.unwrap().wal.bytes;
    });
    let of = |name: &str| *counted.get(name).unwrap_or_else(|| panic!("no {name} in {counted:#?}"));
    assert_eq!(of("tsds_ingest_rows_total table=metrics"), 300.0);
    assert!(of("tsds_wal_bytes_total") > 300.0 * 28.0);
    assert_eq!(of("tsds_wal_fsync_duration_seconds"), 30.0);
    assert!(of("tsds_flush_duration_seconds") >= 5.0);
    assert_eq!(of("tsds_buffer_rows"), 0.0, "all is sealed");
    assert_eq!(of("tsds_tier_bytes tier=hot"), 0.0);
    assert!(of("tsds_tier_bytes tier=warm") > 0.0 && of("tsds_tier_bytes tier=cold") > 0.0);
    assert_eq!(of("tsds_wal_unflushed_bytes"), log_bytes as f64);
    for tier in ["warm", "cold"] {
        assert!(of(&format!("tsds_query_duration_seconds tier={tier} device=host")) >= 1.0);
        assert!(of(&format!("tsds_query_rows_total tier={tier} device=host")) > 0.0);
    }
}

#[test]
fn a_write_that_is_refused_counts_no_rows() {
    let counted = support::counted(async |machine| {
        let database = open_with(machine, support::small()).await.unwrap();
        let table = database.create_table(spec()).await.unwrap();
        let mut wrong = rows(0..3);
        wrong[1].time = i64::MAX;
        table.ingest(support::batch(&wrong)).await.unwrap_err();
    });
    assert!(!counted.contains_key("tsds_ingest_rows_total table=metrics"), "{counted:#?}");
}

#[test]
fn changes_of_settings_are_counted() {
    let counted = support::counted(async |machine| {
        let database = open_with(machine, support::small()).await.unwrap();
        let mut wanted = tsds_engine::config::Settings::clone(&database.settings());
        database.reload(wanted.clone()).unwrap();
        wanted.query.memory_limit_mb = 5;
        database.reload(wanted.clone()).unwrap();
        wanted.query.memory_limit_mb = 0;
        database.reload(wanted).unwrap_err();
    });
    assert_eq!(counted.get("tsds_config_reloads_total"), Some(&1.0), "{counted:#?}");
    assert_eq!(counted.get("tsds_config_reload_failures_total"), Some(&1.0), "{counted:#?}");
}
