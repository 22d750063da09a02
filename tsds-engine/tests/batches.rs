//! Batches with an id: written again, they change nothing.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use futures::future::join_all;
use support::{PATH, Row, TABLE, everything, open_with, sorted_ids, spec};
use tsds_engine::config::Settings;
use tsds_engine::{BatchId, Database, Receipt, Table};
use tsds_io::SimWorld;
use tsds_traits::ErrorKind;

const ID: BatchId = BatchId([7; 16]);

fn rows(ids: std::ops::Range<i64>) -> Vec<Row> {
    let row = |id| Row { time: id * 1000, host: "a".into(), value: Some(0.5), id };
    ids.map(row).collect()
}

fn remembering(batches: usize) -> Settings {
    let mut settings = support::small();
    settings.ingest.remembered_batches = batches;
    settings
}

async fn open(machine: &SimWorld, settings: Settings) -> (Database, Table) {
    let database = open_with(machine, settings).await.unwrap();
    let table = match database.table(TABLE) {
        Ok(table) => table,
        Err(_) => database.create_table(spec()).await.unwrap(),
    };
    (database, table)
}

async fn once(table: &Table, id: impl Into<BatchId>, ids: std::ops::Range<i64>) -> Receipt {
    table.ingest_once(id.into(), support::batch(&rows(ids))).await.unwrap()
}

async fn ids_in(database: &Database) -> Vec<i64> {
    sorted_ids(&everything(database).await.unwrap())
}

#[test]
fn a_batch_that_is_written_again_gives_the_first_receipt_and_changes_nothing() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let (database, table) = open(&machine, support::small()).await;
        let first = once(&table, ID, 0..3).await;
        once(&table, 8, 3..4).await;
        assert_eq!(once(&table, ID, 0..3).await, first);
        assert_eq!(ids_in(&database).await, [0, 1, 2, 3]);
    });
}

#[test]
fn it_is_known_in_the_log_in_segments_and_after_both() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let (mut database, mut table) = open(&machine, support::small()).await;
        let first = once(&table, ID, 0..3).await;
        for flush in [false, true, false] {
            if flush {
                database.flush().await.unwrap();
                assert_eq!(database.stats().await.unwrap().wal.bytes, 0, "the log has forgotten it");
            }
            database.close().await.unwrap();
            (database, table) = open(&machine, support::small()).await;
            assert_eq!(once(&table, ID, 0..3).await, first);
            assert_eq!(ids_in(&database).await, [0, 1, 2]);
        }
    });
}

#[test]
fn whoever_writes_it_at_the_same_time_waits_and_gets_the_same_receipt() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let (database, table) = open(&machine, support::small()).await;
        let receipts = join_all((0..8).map(|_| once(&table, ID, 0..3))).await;
        assert!(receipts.iter().all(|receipt| *receipt == receipts[0]));
        assert_eq!(ids_in(&database).await, [0, 1, 2]);
    });
}

#[test]
fn another_batch_under_the_same_id_is_refused() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let (database, table) = open(&machine, support::small()).await;
        once(&table, ID, 0..3).await;
        let error = table.ingest_once(ID, support::batch(&rows(0..2))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("give each batch its own"), "{error}");
        assert_eq!(ids_in(&database).await, [0, 1, 2]);
    });
}

#[test]
fn tables_have_ids_of_their_own() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let (database, table) = open(&machine, support::small()).await;
        let spec = tsds_engine::TableSpec::new("other", support::schema(), "time").series(["host"]);
        let other = database.create_table(spec).await.unwrap();
        let first = once(&table, ID, 0..3).await;
        assert_ne!(once(&other, ID, 0..3).await.sequence, first.sequence);
    });
}

#[test]
fn only_so_many_are_remembered_in_memory_and_in_the_catalog() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let (mut database, mut table) = open(&machine, remembering(2)).await;
        for id in 0..3 {
            once(&table, id as u128, id..id + 1).await;
        }
        for _ in 0..2 {
            let again = once(&table, 2, 2..3).await;
            assert_eq!(once(&table, 2, 2..3).await, again);
            database.flush().await.unwrap();
            database.close().await.unwrap();
            (database, table) = open(&machine, remembering(2)).await;
        }
        assert_eq!(ids_in(&database).await, [0, 1, 2]);
        once(&table, 0, 0..1).await;
        assert_eq!(ids_in(&database).await, [0, 0, 1, 2], "the oldest was forgotten");
    });
}

#[test]
fn a_batch_that_was_refused_can_be_written_under_its_id() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let (database, table) = open(&machine, support::small()).await;
        let mut wrong = rows(0..3);
        wrong[1].time = i64::MAX;
        table.ingest_once(ID, support::batch(&wrong)).await.unwrap_err();
        once(&table, ID, 0..3).await;
        assert_eq!(ids_in(&database).await, [0, 1, 2]);
    });
}

#[test]
fn a_write_of_unknown_outcome_is_there_once_after_it_is_repeated() {
    for operations in 0..60 {
        let machine = SimWorld::new(operations);
        let acknowledged = machine.block_on(async {
            let (_database, table) = open(&machine, support::small()).await;
            machine.faults().crash_at_operation(machine.operations() + operations);
            table.ingest_once(ID, support::batch(&rows(0..3))).await.is_ok()
        });
        let machine = machine.crash();
        machine.block_on(async {
            let (database, table) = open(&machine, support::small()).await;
            if acknowledged {
                assert_eq!(ids_in(&database).await, [0, 1, 2], "{operations}");
            }
            once(&table, ID, 0..3).await;
            assert_eq!(ids_in(&database).await, [0, 1, 2], "{operations} in {PATH}");
        });
    }
}
