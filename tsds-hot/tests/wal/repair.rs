//! Accepting a loss: what is readable stays, what is lost is named, and the log opens again.

use std::path::Path;

use tsds_hot::{RepairReport, WalSettings, repair, verify};
use tsds_io::{SimWorld, Survival};
use tsds_traits::{Sequence, SequenceInterval};

use crate::support::*;

fn small_files() -> WalSettings {
    WalSettings { file_bytes: 20 << 10, frame_bytes: 1 << 10, recycled_files: 0, ..WalSettings::default() }
}

/// Ten records of a page each in five files of two, marked.
fn log() -> SimWorld {
    let machine = SimWorld::new(42);
    machine.block_on(async {
        let wal = open_as(&machine, small_files(), open_with(0, 1)).await.unwrap();
        for sequence in 1..=10 {
            append_synced(&wal, sequence, 2_500).await.unwrap();
        }
        machine.world().clock.sleep(std::time::Duration::from_secs(1)).await;
    });
    machine
}

fn file(number: u64) -> String {
    format!("{number:016x}.wal")
}

fn repaired(machine: &SimWorld, floor: u64) -> Option<RepairReport> {
    repair(&machine.world(), Path::new(DIRECTORY), &open_with(floor, 100)).unwrap()
}

fn served(machine: &SimWorld, floor: u64) -> Vec<u64> {
    machine.block_on(async {
        let wal = open_as(machine, small_files(), open_with(floor, 100)).await.unwrap();
        let records = replayed(&wal, floor).await.unwrap();
        for found in &records {
            assert_eq!(*found, joined(&record(found.sequence.0, 2_500)));
        }
        records.iter().map(|record| record.sequence.0).collect()
    })
}

fn lost(after: u64, upto: u64) -> SequenceInterval {
    SequenceInterval::new(Sequence(after), Sequence(upto))
}

#[test]
fn a_log_without_damage_is_left_alone() {
    let machine = log();
    let operations = machine.operations();
    assert_eq!(repaired(&machine, 0), None);
    assert_eq!(machine.operations(), operations);
}

#[test]
fn one_damaged_record_is_lost_and_all_others_are_kept() {
    for (offset, what) in [(4096 + 3, "frame header"), (4096 + 90, "body"), (4096 + 1200, "second frame")] {
        let machine = log();
        machine.corrupt(path(&file(3)), offset, 0x10).unwrap();
        let report = repaired(&machine, 0).unwrap();
        assert_eq!(report.lost, [lost(4, 5)], "{what}");
        assert_eq!((report.records, report.rows, report.last), (9, 9 * 2_500, Sequence(10)), "{what}");
        assert_eq!(report.set_aside, [format!("{}.damaged", file(3))], "{what}");
        assert_eq!(served(&machine, 0), [1, 2, 3, 4, 6, 7, 8, 9, 10], "{what}");
        // The repaired log is a log like any other.
        let machine = machine.crash_with(Survival::Nothing);
        machine.block_on(async {
            let wal = open_as(&machine, small_files(), open_with(2, 200)).await.unwrap();
            append_synced(&wal, 200, 2_500).await.unwrap();
        });
        let machine = machine.crash_with(Survival::Nothing);
        machine.block_on(async {
            let wal = open_as(&machine, small_files(), open_with(2, 300)).await.unwrap();
            assert_eq!(sequences(&wal, 2).await, [3, 4, 6, 7, 8, 9, 10, 200]);
        });
        assert!(files(&machine).contains(&format!("{}.damaged", file(3))));
    }
}

#[test]
fn a_damaged_file_header_loses_nothing() {
    for number in [1, 3, 5] {
        let machine = log();
        machine.corrupt(path(&file(number)), 20, 1).unwrap();
        let report = repaired(&machine, 0).unwrap();
        assert_eq!((report.lost, report.set_aside), (vec![], vec![format!("{}.damaged", file(number))]));
        assert_eq!(served(&machine, 0), (1..=10).collect::<Vec<_>>(), "file {number}");
    }
}

#[test]
fn a_missing_file_loses_what_it_held() {
    for number in 1..=4 {
        let machine = log();
        machine.remove_file(path(&file(number))).unwrap();
        let report = repaired(&machine, 0).unwrap();
        let gone = 2 * number - 1..=2 * number;
        assert_eq!(report.lost, [lost(gone.start() - 1, *gone.end())], "file {number}");
        let kept: Vec<u64> = (1..=10).filter(|sequence| !gone.contains(sequence)).collect();
        assert_eq!(served(&machine, 0), kept, "file {number}");
    }
}

#[test]
fn a_lost_end_is_named_as_far_as_the_mark_knows() {
    let machine = log();
    // The last record, but not the mark behind it.
    machine.corrupt(path(&file(5)), 8192 + 100, 1).unwrap();
    let report = repaired(&machine, 0).unwrap();
    assert_eq!((report.lost.as_slice(), report.last), (&[lost(9, 10)][..], Sequence(9)));
    assert_eq!(report.set_aside, [format!("{}.damaged", file(5))]);
    assert_eq!(served(&machine, 0), (1..=9).collect::<Vec<_>>());
}

#[test]
fn what_is_below_the_floor_is_no_loss() {
    let machine = log();
    machine.corrupt(path(&file(3)), 4096 + 90, 1).unwrap();
    let report = repaired(&machine, 5).unwrap();
    assert_eq!((report.lost, report.records), (vec![], 5));
    assert_eq!(served(&machine, 5), (6..=10).collect::<Vec<_>>());
}

#[test]
fn a_log_of_which_nothing_is_readable_opens_empty() {
    let machine = log();
    for number in 1..=5 {
        for offset in [20, 4096 + 90, 8192 + 90] {
            machine.corrupt(path(&file(number)), offset, 1).unwrap();
        }
    }
    let report = repaired(&machine, 0).unwrap();
    assert_eq!((report.records, report.last), (0, Sequence::ZERO));
    assert!(report.set_aside.len() >= 5);
    assert!(served(&machine, 0).is_empty());
}

#[test]
fn numbers_of_files_that_were_set_aside_are_not_used_again() {
    let machine = log();
    for number in 1..=5 {
        for offset in [20, 4096 + 90, 8192 + 90] {
            machine.corrupt(path(&file(number)), offset, 1).unwrap();
        }
    }
    let aside = repaired(&machine, 0).unwrap().set_aside;
    machine.block_on(async {
        let wal = open_as(&machine, small_files(), open_with(0, 100)).await.unwrap();
        append_synced(&wal, 100, 2_500).await.unwrap();
    });
    let files = files(&machine);
    assert!(aside.iter().all(|name| files.contains(name)), "{aside:?} in {files:?}");
    let taken = |name: &str| aside.iter().any(|old| old[..16] == name[..16]);
    assert!(files.iter().filter(|name| name.ends_with(".wal")).all(|name| !taken(name)), "{files:?}");
}

#[test]
fn a_repair_that_is_cut_short_can_be_repeated() {
    let damaged = log();
    damaged.corrupt(path(&file(3)), 4096 + 90, 1).unwrap();
    for cut in 1.. {
        let machine = damaged.possible_kill(cut);
        machine.faults().crash_at_operation(cut);
        let world = machine.world();
        let done = repair(&world, Path::new(DIRECTORY), &open_with(0, 100)).is_ok();
        let machine = machine.crash();
        repaired(&machine, 0);
        let report = verify(&*machine.world().vfs, Path::new(DIRECTORY), &open_with(0, 100)).unwrap();
        assert_eq!(report.damage, None, "cut at operation {cut}");
        assert_eq!(served(&machine, 0), [1, 2, 3, 4, 6, 7, 8, 9, 10], "cut at operation {cut}");
        if done {
            assert!(cut > 5);
            break;
        }
    }
}
