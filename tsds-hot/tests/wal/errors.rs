//! An error of the file system at every operation, once or for good, and what the log does then.

use std::io::ErrorKind as Io;

use tsds_io::{Fault, SimWorld, Survival};
use tsds_traits::{ErrorKind, Sequence, WalSink};

use crate::support::*;

/// What became of each record of a life in which something failed.
#[derive(Default)]
struct Outcomes {
    durable: Vec<u64>,
    /// `NoSpace` and errors before a write: these must never be seen again.
    refused: Vec<u64>,
    /// The log stopped: these may be there or not.
    unknown: Vec<u64>,
    floor: u64,
}

async fn live(machine: &SimWorld, outcomes: &mut Outcomes) {
    let Ok(wal) = open(machine, 0, 1).await else { return };
    let (mut sequence, mut failures) = (1, 0);
    for step in 0..16 {
        if wal.append(record(sequence, 4_000)).await.is_err() {
            failures += 1;
            continue;
        }
        match wal.sync(Sequence(sequence)).await {
            Ok(_) => outcomes.durable.push(sequence),
            Err(error) => match error.kind() {
                ErrorKind::NotDurable | ErrorKind::Closed => outcomes.unknown.push(sequence),
                _ => outcomes.refused.push(sequence),
            },
        }
        sequence += 1;
        if step % 6 == 5 {
            outcomes.floor = *outcomes.durable.last().unwrap_or(&1) - 1;
            let _ = wal.release(Sequence(outcomes.floor)).await;
        }
        if step % 4 == 3 {
            machine.world().clock.sleep(std::time::Duration::from_millis(60)).await;
        }
    }
    // A log that is not poisoned goes on once the disk is well.
    machine.faults().clear();
    if outcomes.unknown.is_empty() {
        match append_synced(&wal, sequence, 100).await {
            Ok(_) => outcomes.durable.push(sequence),
            // The mark may have been what failed.
            Err(error) => assert_eq!(error.kind(), ErrorKind::Closed, "{error:?} after {failures} failures"),
        }
    }
}

fn check(machine: &SimWorld, outcomes: &Outcomes, context: &str) {
    let floor = outcomes.floor;
    let served = machine.block_on(async {
        let wal = open(machine, floor, 1_000).await.unwrap_or_else(|error| panic!("{context}: {error:?}"));
        sequences(&wal, floor).await
    });
    let due: Vec<u64> = outcomes.durable.iter().copied().filter(|sequence| *sequence > floor).collect();
    let certain: Vec<u64> =
        served.iter().copied().filter(|found| !outcomes.unknown.contains(found)).collect();
    assert_eq!(certain, due, "{context}: refused {:?}, unknown {:?}", outcomes.refused, outcomes.unknown);
}

#[test]
fn an_error_at_any_operation_loses_nothing_and_brings_back_nothing() {
    let mut struck = 0;
    for error in [Io::Other, Io::StorageFull, Io::ReadOnlyFilesystem] {
        for sticky in [false, true] {
            for nth in 1..70 {
                let context = format!("{error:?} at operation {nth}, sticky {sticky}");
                let machine = SimWorld::new(nth);
                let fault = Fault::on_any_change(error).nth(nth);
                machine.faults().inject(if sticky { fault.sticky() } else { fault });
                let mut outcomes = Outcomes::default();
                machine.block_on(live(&machine, &mut outcomes));
                if machine.faults().struck() == 0 {
                    break;
                }
                struck += 1;
                for (survival, variant) in
                    [(Survival::Nothing, 0), (Survival::Everything, 0), (Survival::Random, 1)]
                {
                    let after = machine.possible_crash(survival, variant);
                    check(&after, &outcomes, &format!("{context}, {survival:?}"));
                }
                check(&machine.possible_kill(0), &outcomes, &format!("{context}, killed"));
            }
        }
    }
    assert!(struck > 200, "{struck} errors");
}

#[test]
fn a_full_disk_at_any_operation_never_stops_the_log() {
    for nth in 1..70 {
        let machine = SimWorld::new(nth);
        // Syncs are left out: one that fails stops the log, whatever the reason.
        for operation in [tsds_io::Operation::Write, tsds_io::Operation::Allocate, tsds_io::Operation::Open] {
            machine.faults().inject(Fault::on(operation, Io::StorageFull).nth(nth));
        }
        let mut outcomes = Outcomes::default();
        machine.block_on(live(&machine, &mut outcomes));
        assert!(outcomes.unknown.is_empty(), "operation {nth}");
        assert!(
            outcomes.durable.len() + outcomes.refused.len() >= 10 || outcomes.durable.is_empty(),
            "operation {nth}"
        );
    }
}

#[test]
fn opening_that_fails_at_any_operation_can_be_repeated() {
    let machine = SimWorld::new(5);
    machine.block_on(async {
        let wal = open(&machine, 0, 1).await.unwrap();
        for sequence in 1..=8 {
            append_synced(&wal, sequence, 4_000).await.unwrap();
        }
    });
    for error in [Io::Other, Io::StorageFull] {
        for nth in 1..30 {
            let machine = machine.possible_crash(Survival::Random, nth);
            machine.faults().inject(Fault::on_any_change(error).nth(nth));
            let _ = machine.block_on(open(&machine, 0, 50));
            machine.faults().clear();
            for machine in [machine.possible_kill(0), machine.possible_crash(Survival::Random, nth)] {
                let served = machine.block_on(async {
                    let wal = open(&machine, 0, 50).await.unwrap();
                    append_synced(&wal, 50, 10).await.unwrap();
                    sequences(&wal, 0).await
                });
                assert_eq!(served, (1..=8).collect::<Vec<_>>(), "{error:?} at {nth}");
                let machine = machine.crash_with(Survival::Nothing);
                let served =
                    machine.block_on(async { sequences(&open(&machine, 0, 100).await.unwrap(), 0).await });
                assert_eq!(served, [1, 2, 3, 4, 5, 6, 7, 8, 50], "{error:?} at {nth}");
            }
        }
    }
}
