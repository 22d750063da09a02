//! A warm tier that misbehaves: its segments are read from their files.

use tsds_engine::Database;
use tsds_engine::traits::Error;
use tsds_io::SimWorld;

use super::saboteurs::{TierFault, WARM};
use super::{assert_names, assert_whole, count, filled, found, open, plugin, settings};
use tsds_engine::config::Settings;

const ROWS: i64 = 240;

fn with_warm() -> Settings {
    let mut settings = settings();
    settings.warm_tier.backend = WARM.into();
    settings
}

async fn sabotaged(machine: &SimWorld, fault: TierFault) -> Database {
    let database = filled(machine, fault.warm(), with_warm(), 0..ROWS).await;
    let resident = database.stats().await.unwrap().resident;
    assert!(
        resident.segments > 0 && resident.backend == WARM,
        "{resident:?}: the tier is not asked for anything"
    );
    database
}

/// Every query is answered as if nothing was, and somebody has noticed.
fn falls_back(fault: TierFault) -> tsds_engine::PluginStats {
    let machine = SimWorld::new(7);
    machine.block_on(async {
        let database = sabotaged(&machine, fault).await;
        assert_whole(&database, 0..ROWS).await;
        let stats = plugin(&database, WARM).await;
        database.close().await.unwrap();
        let database = open(&machine, TierFault::None.warm(), with_warm()).await.unwrap();
        assert_whole(&database, 0..ROWS).await;
        stats
    })
}

/// A query fails, naming the tier, and the database is whole without it.
fn fails_by_name(fault: TierFault) -> Error {
    let machine = SimWorld::new(7);
    machine.block_on(async {
        let database = sabotaged(&machine, fault).await;
        let error = found(&database).await.unwrap_err();
        assert_names(&error, WARM, "scan");
        database.close().await.unwrap();
        let database = open(&machine, TierFault::None.warm(), with_warm()).await.unwrap();
        assert_whole(&database, 0..ROWS).await;
        error
    })
}

#[test]
fn a_warm_tier_that_behaves_is_asked_and_not_accused() {
    let stats = falls_back(TierFault::None);
    assert_eq!((stats.panics, stats.timeouts, stats.broken_promises), (0, 0, 0));
    assert_eq!((stats.abandoned_threads, stats.disabled), (0, None));
}

#[test]
fn a_scan_that_panics_is_answered_from_the_files() {
    assert!(falls_back(TierFault::ScanPanics).panics >= 3, "one for each scan");
    assert!(falls_back(TierFault::ScanCallPanics).panics >= 3);
}

#[test]
fn a_scan_that_panics_after_some_rows_is_finished_from_the_files_without_repeating_any() {
    assert!(falls_back(TierFault::ScanPanicsLate).panics >= 3);
}

#[test]
fn a_device_that_is_lost_in_the_middle_of_a_scan_costs_no_row() {
    let stats = falls_back(TierFault::ScanFailsLate);
    assert_eq!((stats.panics, stats.broken_promises), (0, 0), "an honest error is no misbehaviour");
}

#[test]
fn a_scan_that_hangs_is_cancelled_at_the_deadline_and_the_tier_is_not_asked_again() {
    for fault in [TierFault::ScanHangs, TierFault::ScanHangsLate] {
        let machine = SimWorld::new(7);
        machine.block_on(async {
            let database = sabotaged(&machine, fault).await;
            let before = machine.now();
            assert_whole(&database, 0..ROWS).await;
            let took = (machine.now() - before).as_secs();
            assert!((60..=120).contains(&took), "{fault:?}: {took} s: one deadline, not one for each query");
            let stats = plugin(&database, WARM).await;
            assert_eq!((stats.timeouts, stats.abandoned_threads), (1, 0), "{stats:?}");
            assert_eq!(stats.disabled.as_deref(), Some("scan did not answer within 60 s"));
            database.close().await.unwrap();
        });
    }
}

#[test]
fn a_scan_that_is_slow_but_shows_signs_of_life_is_waited_for() {
    let machine = SimWorld::new(7);
    machine.block_on(async {
        let database = sabotaged(&machine, TierFault::ScanDawdles).await;
        let before = machine.now();
        assert_eq!(found(&database).await.unwrap(), (0..ROWS).collect::<Vec<_>>());
        assert!((machine.now() - before).as_secs() >= 450, "the tier was not asked");
        assert_eq!(plugin(&database, WARM).await.timeouts, 0);
    });
}

#[test]
fn a_scan_that_only_ever_shows_signs_of_life_is_not_waited_for_for_ever() {
    let machine = SimWorld::new(7);
    machine.block_on(async {
        let database = sabotaged(&machine, TierFault::ScanNeverEndsToWake).await;
        assert_whole(&database, 0..ROWS).await;
        assert_eq!(plugin(&database, WARM).await.timeouts, 1);
    });
}

#[test]
fn without_a_deadline_a_hang_is_waited_for() {
    let machine = SimWorld::new(7);
    machine.block_on(async {
        let mut settings = with_warm();
        settings.performance.plugin_deadline_seconds = 0.0;
        let database = filled(&machine, TierFault::ScanHangs.warm(), settings, 0..ROWS).await;
        let read = Box::pin(found(&database));
        let day = machine.world().clock.sleep(std::time::Duration::from_secs(86_400));
        assert!(matches!(futures::future::select(read, day).await, futures::future::Either::Right(_)));
        assert_eq!(plugin(&database, WARM).await.timeouts, 0);
    });
}

#[test]
fn rows_of_another_schema_are_not_taken() {
    assert!(falls_back(TierFault::WrongSchema).broken_promises >= 3);
}

#[test]
fn rows_of_a_segment_that_was_not_asked_for_are_not_taken() {
    assert!(falls_back(TierFault::UnknownSegment).broken_promises >= 3);
}

#[test]
fn rows_of_another_segment_than_is_claimed_are_not_taken() {
    assert!(falls_back(TierFault::SwappedSegments).broken_promises >= 1);
}

#[test]
fn more_rows_than_a_segment_has_fail_the_query_by_name() {
    let error = fails_by_name(TierFault::TooManyRows);
    assert!(error.to_string().contains("more rows than the segment has"), "{error}");
}

#[test]
fn fewer_rows_than_a_segment_has_fail_the_query_by_name() {
    let error = fails_by_name(TierFault::TooFewRows);
    assert!(error.to_string().contains("fewer rows than the segment has"), "{error}");
}

#[test]
fn rows_outside_of_a_segments_times_fail_the_query_by_name() {
    let error = fails_by_name(TierFault::WrongTimesLate);
    assert!(error.to_string().contains("outside of the segment's time range"), "{error}");
}

#[test]
fn an_aggregate_that_panics_is_answered_from_the_files() {
    assert!(falls_back(TierFault::AggregatePanics).panics >= 1);
}

#[test]
fn an_aggregate_that_panics_after_its_states_counts_no_row_twice() {
    assert!(falls_back(TierFault::AggregatePanicsLate).panics >= 1);
}

#[test]
fn an_aggregate_that_hangs_is_cancelled_and_answered_from_the_files() {
    assert_eq!(falls_back(TierFault::AggregateHangs).timeouts, 1);
}

#[test]
fn counts_beyond_the_rows_of_the_segments_are_not_taken() {
    assert!(falls_back(TierFault::CountsTwice).broken_promises >= 1);
}

#[test]
fn counts_below_the_rows_of_the_segments_are_not_taken() {
    assert!(falls_back(TierFault::CountsLess).broken_promises >= 1);
}

#[test]
fn a_warm_tier_that_cannot_store_costs_speed_only() {
    for fault in [TierFault::PutPanics, TierFault::PutHangs, TierFault::StoresLess] {
        let machine = SimWorld::new(7);
        machine.block_on(async {
            let mut settings = with_warm();
            // Sealing waits for the put that hangs, and writers wait for sealing.
            settings.ingest.timeout_ms = 100_000;
            let database = filled(&machine, fault.warm(), settings, 0..ROWS).await;
            assert_whole(&database, 0..ROWS).await;
            let stats = database.stats().await.unwrap();
            assert_eq!(stats.resident.segments, 0, "{fault:?}: what was not stored is not relied on");
            let stats = plugin(&database, WARM).await;
            let noticed = [stats.panics, stats.timeouts, stats.broken_promises];
            assert_eq!(noticed.iter().filter(|count| **count > 0).count(), 1, "{fault:?}: {stats:?}");
            database.close().await.unwrap();
        });
    }
}

#[test]
fn a_tier_that_cannot_say_what_it_holds_is_used_all_the_same() {
    let stats = falls_back(TierFault::UsagePanics);
    assert!(stats.panics >= 1 && stats.disabled.is_none(), "{stats:?}");
}

#[test]
fn closing_does_not_wait_for_a_tier_that_hangs() {
    let machine = SimWorld::new(7);
    machine.block_on(async {
        let database = sabotaged(&machine, TierFault::CloseHangs).await;
        assert_names(&database.close().await.unwrap_err(), WARM, "close");
        let database = open(&machine, TierFault::None.warm(), with_warm()).await.unwrap();
        assert!(!database.recovery().unclean, "the log was closed all the same");
        assert_eq!(count(&database).await.unwrap(), ROWS as u64);
    });
}

#[test]
fn a_tier_that_cannot_be_built_fails_the_opening_by_name() {
    for (fault, operation) in [
        (TierFault::BuildPanics, "build"),
        (TierFault::BuildHangs, "build"),
        (TierFault::CapabilitiesPanic, "capabilities"),
    ] {
        let machine = SimWorld::new(7);
        machine.block_on(async {
            let error = open(&machine, fault.warm(), with_warm()).await.unwrap_err();
            assert_names(&error, WARM, operation);
            // The directory is free again.
            open(&machine, TierFault::None.warm(), with_warm()).await.unwrap();
        });
    }
}
