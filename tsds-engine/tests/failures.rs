//! Disks, file systems and clocks that fail the engine: every acknowledged row is there once, whatever failed and when, and what
//! cannot be done says so.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::io;

use support::{Row, TABLE, batch, everything, sorted_ids};
use tsds_engine::Database;
use tsds_engine::traits::{Error, ErrorKind, Sequence};
use tsds_io::{Fault, Operation, SimWorld};

const BATCH: i64 = 8;

fn rows(number: i64) -> Vec<Row> {
    let row = |id: i64| Row { time: id * 400_000, host: format!("h{}", id % 3), value: Some(1.0), id };
    (number * BATCH..(number + 1) * BATCH).map(row).collect()
}

/// Batches by what became of them.
#[derive(Debug, Default)]
struct Written {
    acknowledged: Vec<i64>,
    /// Of these only a restart tells.
    unknown: Vec<i64>,
}

impl Written {
    fn note(&mut self, number: i64, outcome: &Result<(), Error>) {
        match outcome {
            Ok(()) => self.acknowledged.push(number),
            Err(error) if error.kind() == ErrorKind::NotDurable => self.unknown.push(number),
            // Refused: nobody ever sees it.
            Err(_) => {}
        }
    }

    /// Acknowledged batches once; of the unknown ones each wholly or not at all; nothing else.
    fn check(&self, found: &[i64], context: &str) {
        let mut left: BTreeSet<i64> = found.iter().copied().collect();
        assert_eq!(left.len(), found.len(), "{context}: a row is there twice");
        for number in &self.acknowledged {
            for id in number * BATCH..(number + 1) * BATCH {
                assert!(left.remove(&id), "{context}: acknowledged row {id} is lost");
            }
        }
        for number in &self.unknown {
            let there = (number * BATCH..(number + 1) * BATCH).filter(|id| left.remove(id)).count();
            assert!(there == 0 || there == BATCH as usize, "{context}: half of batch {number}");
        }
        assert!(left.is_empty(), "{context}: rows of refused batches: {left:?}");
    }
}

async fn fresh(machine: &SimWorld) -> Database {
    let database = support::open(machine).await.unwrap();
    database.create_table(support::spec()).await.unwrap();
    database
}

/// Writes batches and lets them go through all tiers.
async fn work(database: &Database, batches: std::ops::Range<i64>, written: &mut Written) {
    let table = database.table(TABLE).unwrap();
    for number in batches {
        written.note(number, &table.ingest(batch(&rows(number))).await.map(drop));
        if number % 4 == 3 {
            let _ = database.flush().await;
            let _ = database.settle().await;
        }
    }
}

async fn found(database: &Database) -> Vec<i64> {
    sorted_ids(&everything(database).await.unwrap())
}

/// Some work, of which one operation fails; returns whether one did.
fn fails_at(nth: u64, kind: io::ErrorKind, sticky: bool) -> bool {
    let context = format!("operation {nth}, {kind}, sticky: {sticky}");
    let machine = SimWorld::new(nth);
    let mut written = Written::default();
    let struck = machine.block_on(async {
        let database = fresh(&machine).await;
        work(&database, 0..6, &mut written).await;
        let fault = Fault::on_any_change(kind).nth(nth);
        machine.faults().inject(if sticky { fault.sticky() } else { fault });
        work(&database, 6..18, &mut written).await;
        // A batch whose fate is unknown is not seen by anybody until a restart tells.
        let seen = Written { acknowledged: written.acknowledged.clone(), unknown: vec![] };
        seen.check(&found(&database).await, &format!("{context}, reads go on"));
        let struck = machine.faults().struck() > 0;
        machine.faults().clear();
        work(&database, 18..20, &mut written).await;
        struck
    });
    let machine = machine.crash();
    machine.block_on(async {
        let database = support::open(&machine).await.unwrap_or_else(|error| panic!("{context}: {error:?}"));
        written.check(&found(&database).await, &format!("{context}, after a restart"));
        let before = written.acknowledged.len();
        work(&database, 20..24, &mut written).await;
        assert_eq!(written.acknowledged.len(), before + 4, "{context}: writes go on after a restart");
        written.check(&found(&database).await, &format!("{context}, at the end"));
        database.close().await.unwrap();
    });
    struck
}

#[test]
fn an_error_of_any_operation_loses_nothing_and_brings_back_nothing() {
    let kinds = [io::ErrorKind::Other, io::ErrorKind::StorageFull, io::ErrorKind::ReadOnlyFilesystem];
    let ways = kinds.into_iter().flat_map(|kind| [(kind, false), (kind, true)]);
    for (way, (kind, sticky)) in (1..).zip(ways) {
        // Each way at other operations, since each takes its time.
        let tried = (way..).step_by(17).take_while(|nth| fails_at(*nth, kind, sticky)).count();
        assert!(tried > 15, "{kind}: {tried}");
    }
}

#[test]
fn opening_that_fails_at_any_operation_can_be_repeated() {
    for (kind, nth) in [io::ErrorKind::Other, io::ErrorKind::StorageFull]
        .into_iter()
        .flat_map(|kind| (1..).step_by(3).take(40).map(move |nth| (kind, nth)))
    {
        let context = format!("operation {nth} of opening, {kind}");
        let machine = SimWorld::new(nth);
        let mut written = Written::default();
        machine.block_on(async { work(&fresh(&machine).await, 0..11, &mut written).await });
        let machine = machine.crash();
        machine.faults().inject(Fault::on_any_change(kind).nth(nth));
        let opened = machine.block_on(support::open(&machine));
        machine.faults().clear();
        drop(opened);
        let machine = machine.crash();
        machine.block_on(async {
            let database = support::open(&machine).await.unwrap();
            written.check(&found(&database).await, &context);
        });
    }
}

#[test]
fn a_read_only_file_system_is_refused_at_opening_with_what_to_do_and_nothing_is_changed() {
    let machine = SimWorld::new(1);
    let mut written = Written::default();
    machine.block_on(async { work(&fresh(&machine).await, 0..6, &mut written).await });
    let machine = machine.crash();
    let before = machine.operations();
    machine.faults().set_read_only(true);
    let error = machine.block_on(support::open(&machine)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly, "{error}");
    let text = error.to_string();
    assert!(text.starts_with("the database cannot be written, and opening it writes; "), "{text}");
    assert!(text.contains("path=/db"), "{text}");
    assert_eq!(machine.operations(), before, "nothing was changed");
    machine.faults().set_read_only(false);
    machine.block_on(async {
        let database = support::open(&machine).await.unwrap();
        written.check(&found(&database).await, "when it can be written again");
    });
}

#[test]
fn a_file_system_that_becomes_read_only_stops_writes_but_not_reads() {
    let machine = SimWorld::new(1);
    let mut written = Written::default();
    machine.block_on(async {
        let database = fresh(&machine).await;
        work(&database, 0..6, &mut written).await;
        machine.faults().set_read_only(true);
        work(&database, 6..10, &mut written).await;
        assert_eq!(written.acknowledged, (0..6).collect::<Vec<_>>(), "nothing is acknowledged");
        let refused = database.table(TABLE).unwrap().ingest(batch(&rows(10))).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Closed, "{refused:?}");
        let text = refused.to_string();
        assert!(text.contains("reads go on; open the database again to write"), "{text}");
        assert_eq!(found(&database).await, (0..6 * BATCH).collect::<Vec<_>>());
        assert!(database.close().await.is_err(), "what could not be done is said");
    });
    let machine = machine.crash();
    machine.faults().set_read_only(false);
    machine.block_on(async {
        let database = support::open(&machine).await.unwrap();
        written.check(&found(&database).await, "after a restart");
        work(&database, 20..22, &mut written).await;
        assert_eq!(written.acknowledged.len(), 8);
    });
}

#[test]
fn a_file_that_cannot_be_opened_fails_its_query_by_name_and_the_next_one_is_answered() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let database = fresh(&machine).await;
        work(&database, 0..16, &mut Written::default()).await;
        database.close().await.unwrap();
        let database = support::open(&machine).await.unwrap();
        database.settle().await.unwrap();
        let mut struck = 0;
        for place in ["/segments/", "/cold/"] {
            // As when the process has too many files open.
            machine
                .faults()
                .inject(Fault::on(Operation::Open, io::ErrorKind::Other).on_paths_with(place).sticky());
            let failed = everything(&database).await;
            machine.faults().clear();
            if let Err(error) = failed {
                struck += 1;
                assert_eq!(error.kind(), ErrorKind::Io, "{place}: {error:?}");
                assert!(
                    error.to_string().contains(".parquet") || error.to_string().contains("segment"),
                    "{error}"
                );
            }
            assert_eq!(found(&database).await, (0..16 * BATCH).collect::<Vec<_>>(), "{place}");
        }
        assert!(struck > 0, "files that are open already are not opened again");
        let receipt = database.table(TABLE).unwrap().ingest(batch(&rows(99))).await;
        receipt.expect("a read that failed stops no writes");
    });
}

/// 1 January of a year.
const fn new_year(year: i64) -> i64 {
    (year - 1970) * 31_556_952_000_000_000
}

#[test]
fn clocks_that_are_set_back_or_leap_change_nothing_but_dates() {
    let mut machine = SimWorld::new(4);
    let mut written = Written::default();
    let mut last = Sequence::ZERO;
    machine.block_on(async { fresh(&machine).await.close().await.unwrap() });
    // Years of the wall clock, one for each life of the machine, and one at which it is in the middle of that.
    for (life, (at_first, later)) in
        [(2024, 1970), (1969, 2250), (2250, 2024), (2024, 1700), (2023, 2024)].into_iter().enumerate()
    {
        let first = life as i64 * 8;
        machine.set_wall_nanos(new_year(at_first));
        machine.block_on(async {
            let database = support::open(&machine).await.unwrap();
            work(&database, first..first + 4, &mut written).await;
            machine.set_wall_nanos(new_year(later));
            work(&database, first + 4..first + 7, &mut written).await;
            let receipt = database.table(TABLE).unwrap().ingest(batch(&rows(first + 7))).await.unwrap();
            written.acknowledged.push(first + 7);
            assert!(receipt.sequence > last, "sequences go on");
            last = receipt.sequence;
            written.check(&found(&database).await, &format!("in {later}"));
            if life.is_multiple_of(2) {
                database.close().await.unwrap();
            }
        });
        machine = if life.is_multiple_of(2) { machine.kill() } else { machine.crash() };
    }
    machine.block_on(async {
        let database = support::open(&machine).await.unwrap();
        database.settle().await.unwrap();
        assert_eq!(written.acknowledged.len(), 40, "every write was acknowledged");
        written.check(&found(&database).await, "at the end");
        let stats = database.stats().await.unwrap();
        assert!(stats.tiers.cold.rows > 0 && stats.tiers.warm.rows > 0, "rows were in all tiers");
    });
}
