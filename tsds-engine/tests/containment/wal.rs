//! A log that misbehaves: nothing that it may have lost is acknowledged, writes stop, reads go on.

use tsds_engine::Database;
use tsds_engine::config::Settings;
use tsds_engine::traits::ErrorKind;
use tsds_io::SimWorld;

use super::saboteurs::{FATAL_ROWS, WAL, WalFault};
use super::{assert_names, assert_whole, found, open, plugin, rows, settings, write};
use crate::support::{self, TABLE, batch};

const ROWS: i64 = 40;
const FATAL: i64 = FATAL_ROWS as i64;

fn with_log() -> Settings {
    let mut settings = settings();
    settings.wal.backend = WAL.into();
    settings
}

async fn sabotaged(machine: &SimWorld, fault: WalFault) -> Database {
    let database = open(machine, fault.registry(), with_log()).await.unwrap();
    database.create_table(support::spec()).await.unwrap();
    write(&database, 0..ROWS).await;
    database
}

/// The write fails and names the log; later ones are refused; the acknowledged rows are there, now and after a restart.
fn writes_stop(fault: WalFault, operation: &str) {
    for seed in 0..4 {
        let machine = SimWorld::new(seed);
        machine.block_on(async {
            let database = sabotaged(&machine, fault).await;
            let table = database.table(TABLE).unwrap();
            let error = table.ingest(batch(&rows(ROWS..ROWS + FATAL))).await.unwrap_err();
            assert_names(&error, WAL, operation);
            assert_eq!(error.kind(), ErrorKind::NotDurable, "{error}");
            let refused = table.ingest(batch(&rows(100..101))).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Closed, "{refused}");
            assert!(refused.to_string().contains(WAL), "the cause is named: {refused}");
            assert_whole(&database, 0..ROWS).await;
        });
        let machine = machine.crash();
        machine.block_on(async {
            let database = open(&machine, WalFault::None.registry(), with_log()).await.unwrap();
            let found = found(&database).await.unwrap();
            let (without, with) = ((0..ROWS).collect::<Vec<_>>(), (0..ROWS + FATAL).collect::<Vec<_>>());
            assert!(found == without || found == with, "seed {seed}: {found:?}");
            write(&database, 1_000..1_010).await;
        });
    }
}

#[test]
fn an_append_that_panics_stops_writes() {
    writes_stop(WalFault::AppendPanics, "append");
}

#[test]
fn an_append_that_hangs_stops_writes_at_the_deadline() {
    writes_stop(WalFault::AppendHangs, "append");
}

#[test]
fn a_sync_that_panics_stops_writes() {
    writes_stop(WalFault::SyncPanics, "sync");
}

#[test]
fn a_sync_that_hangs_stops_writes_at_the_deadline() {
    writes_stop(WalFault::SyncHangs, "sync");
}

#[test]
fn a_sync_that_returns_too_early_is_not_believed() {
    writes_stop(WalFault::SyncLies, "sync");
}

#[test]
fn writers_that_wait_for_a_log_that_hangs_are_all_told() {
    let machine = SimWorld::new(3);
    machine.block_on(async {
        let database = sabotaged(&machine, WalFault::SyncHangs).await;
        let table = database.table(TABLE).unwrap();
        let writes = (0..5).map(|n| {
            let table = table.clone();
            let first = ROWS + n * FATAL;
            async move { table.ingest(batch(&rows(first..first + FATAL))).await }
        });
        let outcomes = futures::future::join_all(writes).await;
        assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
        assert_whole(&database, 0..ROWS).await;
    });
}

#[test]
fn a_replay_that_panics_fails_the_opening_by_name() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let database = sabotaged(&machine, WalFault::None).await;
        database.close().await.unwrap();
        let error = open(&machine, WalFault::ReplayPanics.registry(), with_log()).await.unwrap_err();
        assert_names(&error, WAL, "replay");
        let database = open(&machine, WalFault::None.registry(), with_log()).await.unwrap();
        assert_whole(&database, 0..ROWS).await;
    });
}

#[test]
fn a_log_that_cannot_say_what_it_holds_is_used_all_the_same() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let database = sabotaged(&machine, WalFault::UsagePanics).await;
        let table = database.table(TABLE).unwrap();
        table.ingest(batch(&rows(ROWS..ROWS + FATAL))).await.unwrap();
        write(&database, ROWS + FATAL..200).await;
        database.settle().await.unwrap();
        assert_whole(&database, 0..200).await;
        assert!(plugin(&database, WAL).await.panics > 0);
        database.close().await.unwrap();
    });
}

#[test]
fn closing_does_not_wait_for_a_log_that_hangs() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let database = sabotaged(&machine, WalFault::CloseHangs).await;
        let table = database.table(TABLE).unwrap();
        table.ingest(batch(&rows(ROWS..ROWS + FATAL))).await.unwrap();
        assert_names(&database.close().await.unwrap_err(), WAL, "close");
    });
    let machine = machine.kill();
    machine.block_on(async {
        let database = open(&machine, WalFault::None.registry(), with_log()).await.unwrap();
        assert!(database.recovery().unclean);
        assert_whole(&database, 0..ROWS + FATAL).await;
    });
}
