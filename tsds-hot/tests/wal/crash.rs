//! Power cuts at every operation of scripted lives, and again at every operation of the recovery that follows.

use std::cell::{Cell, RefCell};

use futures::future::join_all;
use tsds_io::{SimWorld, Survival};
use tsds_traits::{ErrorKind, Sequence, WalRecord, WalSink};

use crate::support::*;

/// What a life did, as far as its client can know.
#[derive(Default)]
struct Ledger {
    /// Every record that was appended, in order.
    appended: RefCell<Vec<WalRecord>>,
    /// Everything up to here was acknowledged as durable.
    acknowledged: Cell<u64>,
    /// Everything up to here was released; noted before the log is told, as the catalog does.
    floor: Cell<u64>,
}

impl Ledger {
    fn next(&self) -> u64 {
        // Sequences are reserved in blocks, so that none is used twice.
        self.appended.borrow().last().map_or(1, |record| record.sequence.0 + 100)
    }

    async fn append(&self, wal: &impl WalSink, sequence: u64, size: usize) {
        self.appended.borrow_mut().push(joined(&record(sequence, size)));
        wal.append(record(sequence, size)).await.unwrap();
    }

    async fn sync(&self, wal: &impl WalSink, up_to: u64) {
        // Only a power cut makes these fail, and then nobody is there to care.
        if let Ok(durable) = wal.sync(Sequence(up_to)).await {
            self.acknowledged.set(self.acknowledged.get().max(durable.0));
        }
    }

    async fn release(&self, wal: &impl WalSink, up_to: u64) {
        self.floor.set(up_to);
        let _ = wal.release(Sequence(up_to)).await;
    }

    /// What must hold of the records after a crash: those that were acknowledged, then perhaps some more, in order.
    fn check(&self, survived: &[WalRecord], context: &str) {
        let appended = self.appended.borrow();
        let above: Vec<_> =
            appended.iter().filter(|record| record.sequence.0 > self.floor.get()).cloned().collect();
        assert!(survived.len() <= above.len(), "{context}: invented records");
        assert_eq!(survived, &above[..survived.len()], "{context}: wrong records");
        let due = above.iter().filter(|record| record.sequence.0 <= self.acknowledged.get()).count();
        assert!(survived.len() >= due, "{context}: {} survived, {due} were acknowledged", survived.len());
    }
}

type Script = fn(&SimWorld, &Ledger);

/// One record after the other, over several files, then a clean close.
fn steady(machine: &SimWorld, ledger: &Ledger) {
    machine.run_until_power_cut(async {
        let Ok(wal) = open(machine, 0, 1).await else { return };
        for sequence in 1..=12 {
            ledger.append(&*wal, sequence, 3_000 + 500 * (sequence as usize % 4)).await;
            ledger.sync(&*wal, sequence).await;
        }
        let _ = wal.close().await;
    });
}

/// Groups of several records, pauses in which marks are written, records that nobody syncs.
fn bursts(machine: &SimWorld, ledger: &Ledger) {
    machine.run_until_power_cut(async {
        let Ok(wal) = open(machine, 0, 1).await else { return };
        for burst in 0..4u64 {
            let sequences = burst * 5 + 1..=burst * 5 + 5;
            for sequence in sequences.clone() {
                ledger.append(&*wal, sequence, 40 * sequence as usize).await;
            }
            if burst != 2 {
                join_all(sequences.map(|sequence| ledger.sync(&*wal, sequence))).await;
            }
            machine.world().clock.sleep(std::time::Duration::from_millis(80)).await;
        }
    });
}

/// Files fill, are released, and are written again.
fn recycling(machine: &SimWorld, ledger: &Ledger) {
    machine.run_until_power_cut(async {
        let Ok(wal) = open(machine, 0, 1).await else { return };
        for sequence in 1..=14 {
            ledger.append(&*wal, sequence, 7_000).await;
            ledger.sync(&*wal, sequence).await;
            if sequence % 5 == 0 {
                ledger.release(&*wal, sequence - 1).await;
            }
        }
    });
}

/// The log is opened again and again, with and without a close, and goes on each time.
fn reopening(machine: &SimWorld, ledger: &Ledger) {
    machine.run_until_power_cut(async {
        for life in 0..4u64 {
            let Ok(wal) = open(machine, ledger.floor.get(), ledger.next()).await else { return };
            let Ok(survived) = replayed(&wal, ledger.floor.get()).await else { return };
            ledger.check(&survived, "while reopening");
            let first = ledger.next();
            for sequence in first..first + 3 {
                ledger.append(&*wal, sequence, 2_000).await;
                ledger.sync(&*wal, sequence).await;
            }
            if life == 1 {
                ledger.release(&*wal, first).await;
            }
            if life % 2 == 0 && wal.close().await.is_err() {
                return;
            }
        }
    });
}

/// A record of several frames between small ones, and one that is larger than a file.
fn large(machine: &SimWorld, ledger: &Ledger) {
    machine.run_until_power_cut(async {
        let Ok(wal) = open(machine, 0, 1).await else { return };
        for (sequence, size) in [(1, 10), (2, 60_000), (3, 10), (4, 33_000)] {
            ledger.append(&*wal, sequence, size).await;
            ledger.sync(&*wal, sequence).await;
        }
    });
}

const SCRIPTS: [(&str, Script); 5] = [
    ("steady", steady),
    ("bursts", bursts),
    ("recycling", recycling),
    ("reopening", reopening),
    ("large", large),
];

/// The machine after a power cut at operation `cut` of a script; `None` once the script has fewer operations.
fn cut_short(script: Script, seed: u64, cut: u64) -> Option<(SimWorld, Ledger)> {
    let machine = SimWorld::new(seed);
    let ledger = Ledger::default();
    machine.faults().crash_at_operation(cut);
    script(&machine, &ledger);
    (machine.operations() >= cut).then_some((machine, ledger))
}

fn recover(machine: &SimWorld, ledger: &Ledger) -> Option<Vec<WalRecord>> {
    machine.run_until_power_cut(async {
        match open(machine, ledger.floor.get(), ledger.next()).await {
            Ok(wal) => replayed(&wal, ledger.floor.get()).await.ok(),
            Err(error) => {
                assert_ne!(error.kind(), ErrorKind::Corrupt, "a crash is no corruption: {error:?}");
                None
            }
        }
    })?
}

const SURVIVALS: [(Survival, u64); 4] =
    [(Survival::Nothing, 0), (Survival::Everything, 0), (Survival::Random, 1), (Survival::Random, 2)];

#[test]
fn a_power_cut_at_any_operation_loses_nothing_that_was_acknowledged() {
    let mut states = 0;
    for (name, script) in SCRIPTS {
        for seed in 1..=2 {
            for cut in 1.. {
                let Some((machine, ledger)) = cut_short(script, seed, cut) else { break };
                for (survival, variant) in SURVIVALS {
                    let context = format!("{name} SEED={seed} CRASH_OP={cut} {survival:?}/{variant}");
                    let after = machine.possible_crash(survival, variant);
                    let survived =
                        recover(&after, &ledger).unwrap_or_else(|| panic!("{context}: not recovered"));
                    ledger.check(&survived, &context);
                    let again = recover(&after, &ledger).unwrap_or_else(|| panic!("{context}: not reopened"));
                    assert_eq!(survived, again, "{context}: recovering twice");
                    states += 1;
                }
            }
        }
    }
    assert!(states > 1_500, "{states} crash states");
}

#[test]
fn a_power_cut_at_any_operation_of_recovery_changes_nothing() {
    let mut states = 0;
    for (name, script) in SCRIPTS {
        for cut in (1..).step_by(3) {
            let Some((machine, ledger)) = cut_short(script, 7, cut) else { break };
            let crashed = |variant| machine.possible_crash(Survival::Random, variant);
            let whole = recover(&crashed(3), &ledger).expect("recovers");
            for second_cut in 1.. {
                let context = format!("{name} SEED=7 CRASH_OP={cut} SECOND_OP={second_cut}");
                let after = crashed(3);
                after.faults().crash_at_operation(second_cut);
                recover(&after, &ledger);
                if after.operations() < second_cut {
                    break;
                }
                for (survival, variant) in SURVIVALS {
                    let last = after.possible_crash(survival, variant);
                    let survived =
                        recover(&last, &ledger).unwrap_or_else(|| panic!("{context}: not recovered"));
                    // A record that nobody acknowledged may be lost with the second cut as with the first.
                    ledger.check(&survived, &context);
                    assert!(survived.len() <= whole.len(), "{context}: came back from the dead");
                    states += 1;
                }
            }
        }
    }
    assert!(states > 500, "{states} double crash states");
}

#[test]
fn a_killed_process_loses_nothing_and_recovery_makes_it_durable() {
    for (name, script) in SCRIPTS {
        for cut in 1.. {
            let Some((machine, ledger)) = cut_short(script, 11, cut) else { break };
            let context = format!("{name} SEED=11 KILL_OP={cut}");
            let next = machine.possible_kill(0);
            let survived = recover(&next, &ledger).unwrap_or_else(|| panic!("{context}: not recovered"));
            ledger.check(&survived, &context);
            // What recovery served is durable: a power cut right after takes nothing back.
            let last = next.possible_crash(Survival::Nothing, 0);
            let again = recover(&last, &ledger).unwrap_or_else(|| panic!("{context}: not recovered again"));
            assert_eq!(survived, again, "{context}: served, then lost");
        }
    }
}
