//! A cold tier that misbehaves: there is no fallback, so errors are clear, and rows that it cannot take stay where they are.

use tsds_engine::Database;
use tsds_engine::config::Settings;
use tsds_engine::traits::ErrorKind;
use tsds_io::SimWorld;

use super::saboteurs::{COLD, TierFault};
use super::{assert_names, assert_whole, count, found, open, plugin, settings, write};
use crate::support;

const ROWS: i64 = 480;

fn with_cold() -> Settings {
    let mut settings = settings();
    settings.cold_tier.backend = COLD.into();
    settings.warm_tier.evictor = "test.evict.tight".into();
    settings
}

/// A database with rows in cold files that a tier wrote which behaves.
async fn filled_by_a_good_tier(machine: &SimWorld) {
    let database = open(machine, TierFault::None.cold(), with_cold()).await.unwrap();
    database.create_table(support::spec()).await.unwrap();
    write(&database, 0..ROWS).await;
    database.flush().await.unwrap();
    database.settle().await.unwrap();
    assert!(database.tier_counts().cold > 0, "nothing is cold");
    database.close().await.unwrap();
}

async fn reopened_is_whole(machine: &SimWorld) {
    let database = open(machine, TierFault::None.cold(), with_cold()).await.unwrap();
    assert_whole(&database, 0..ROWS).await;
    database.settle().await.unwrap();
    assert!(database.tier_counts().cold > 0);
    assert_whole(&database, 0..ROWS).await;
    database.close().await.unwrap();
}

fn reading_fails_by_name(fault: TierFault, operation: &str, kind: ErrorKind) {
    let machine = SimWorld::new(11);
    machine.block_on(async {
        filled_by_a_good_tier(&machine).await;
        let database = open(&machine, fault.cold(), with_cold()).await.unwrap();
        let error = match operation {
            "scan" => found(&database).await.unwrap_err(),
            _ => count(&database).await.unwrap_err(),
        };
        assert_names(&error, COLD, operation);
        assert_eq!(error.kind(), kind, "{error}");
        database.close().await.unwrap();
        reopened_is_whole(&machine).await;
    });
}

#[test]
fn a_scan_that_panics_fails_the_query_by_name() {
    reading_fails_by_name(TierFault::ScanPanics, "scan", ErrorKind::Internal);
    reading_fails_by_name(TierFault::ScanPanicsLate, "scan", ErrorKind::Internal);
}

#[test]
fn a_scan_that_hangs_fails_the_query_at_the_deadline() {
    reading_fails_by_name(TierFault::ScanHangs, "scan", ErrorKind::Unavailable);
}

#[test]
fn a_scan_of_wrong_rows_fails_the_query_by_name() {
    for fault in [
        TierFault::WrongSchema,
        TierFault::TooManyRows,
        TierFault::TooFewRows,
        TierFault::UnknownSegment,
        TierFault::SwappedSegments,
    ] {
        reading_fails_by_name(fault, "scan", ErrorKind::Internal);
    }
}

#[test]
fn an_aggregate_that_panics_hangs_or_miscounts_fails_the_query_by_name() {
    reading_fails_by_name(TierFault::AggregatePanics, "aggregate", ErrorKind::Internal);
    reading_fails_by_name(TierFault::AggregateHangs, "aggregate", ErrorKind::Unavailable);
    reading_fails_by_name(TierFault::CountsTwice, "aggregate", ErrorKind::Internal);
    reading_fails_by_name(TierFault::CountsLess, "aggregate", ErrorKind::Internal);
}

#[test]
fn after_a_query_that_hung_the_next_one_is_asked_again() {
    let machine = SimWorld::new(11);
    machine.block_on(async {
        filled_by_a_good_tier(&machine).await;
        let database = open(&machine, TierFault::ScanHangs.cold(), with_cold()).await.unwrap();
        found(&database).await.unwrap_err();
        assert_eq!(count(&database).await.unwrap(), ROWS as u64, "aggregates do not hang");
        assert_eq!(plugin(&database, COLD).await.disabled, None, "there is nothing else to ask");
    });
}

/// What the tier does not take stays in segment files.
fn moving_fails_by_name(fault: TierFault) {
    let machine = SimWorld::new(11);
    machine.block_on(async {
        let database = open(&machine, fault.cold(), with_cold()).await.unwrap();
        database.create_table(support::spec()).await.unwrap();
        write(&database, 0..ROWS).await;
        database.flush().await.unwrap();
        let error = database.settle().await.unwrap_err();
        assert_names(&error, COLD, "put");
        let counts = database.tier_counts();
        assert_eq!((counts.cold, counts.total()), (0, ROWS as u64), "{fault:?}");
        assert_whole(&database, 0..ROWS).await;
        closed(&database).await;
        reopened_is_whole(&machine).await;
    });
}

async fn closed(database: &Database) {
    database.close().await.unwrap();
}

#[test]
fn a_put_that_panics_leaves_the_rows_where_they_are() {
    moving_fails_by_name(TierFault::PutPanics);
}

#[test]
fn a_put_that_hangs_leaves_the_rows_where_they_are() {
    moving_fails_by_name(TierFault::PutHangs);
}

#[test]
fn a_put_that_stores_fewer_rows_than_it_says_is_found_out_before_the_source_goes() {
    moving_fails_by_name(TierFault::StoresLess);
}

#[test]
fn a_removal_that_panics_is_left_for_the_next_start() {
    let machine = SimWorld::new(11);
    machine.block_on(async {
        filled_by_a_good_tier(&machine).await;
        let database = open(&machine, TierFault::RemovePanics.cold(), with_cold()).await.unwrap();
        write(&database, ROWS..ROWS + 120).await;
        database.flush().await.unwrap();
        database.settle().await.unwrap();
        assert_whole(&database, 0..ROWS + 120).await;
        database.close().await.unwrap();
        let database = open(&machine, TierFault::None.cold(), with_cold()).await.unwrap();
        assert_whole(&database, 0..ROWS + 120).await;
    });
}
