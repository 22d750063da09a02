//! Failed syncs and full disks.

use std::io::ErrorKind as Io;

use tsds_hot::WalSettings;
use tsds_io::{Fault, Operation, SimWorld, Survival};
use tsds_traits::{ErrorKind, Retry, Sequence, WalSink};

use crate::support::*;

#[test]
fn a_failed_sync_poisons_the_log_for_good() {
    for operation in [Operation::Sync, Operation::Write] {
        let machine = SimWorld::new(1);
        machine.block_on(async {
            let wal = open(&machine, 0, 1).await.unwrap();
            append_synced(&wal, 1, 100).await.unwrap();
            machine.world().clock.sleep(std::time::Duration::from_secs(1)).await;
            machine.faults().inject(Fault::on(operation, Io::Other));
            wal.append(record(2, 100)).await.unwrap();
            wal.append(record(3, 100)).await.unwrap();
            let waiters = futures::join!(wal.sync(Sequence(2)), wal.sync(Sequence(3)));
            assert_eq!(waiters.0.unwrap_err().kind(), ErrorKind::NotDurable);
            assert_eq!(waiters.1.unwrap_err().kind(), ErrorKind::NotDurable);
            assert_eq!(wal.durable(), Sequence(1));
            let before = machine.operations();
            assert_eq!(wal.append(record(4, 1)).await.unwrap_err().kind(), ErrorKind::Closed);
            assert_eq!(wal.sync(Sequence(1)).await.unwrap_err().kind(), ErrorKind::Closed);
            assert_eq!(wal.close().await.unwrap_err().kind(), ErrorKind::Closed);
            machine.world().clock.sleep(std::time::Duration::from_secs(1)).await;
            assert_eq!(machine.operations(), before, "nothing is written or synced again");
        });
    }
}

#[test]
fn what_a_failed_sync_lost_is_not_served_after_a_restart_of_the_process() {
    let machine = SimWorld::new(2);
    machine.block_on(async {
        let wal = open(&machine, 0, 1).await.unwrap();
        append_synced(&wal, 1, 100).await.unwrap();
        machine.world().clock.sleep(std::time::Duration::from_secs(1)).await;
        machine.faults().inject(Fault::on(Operation::Sync, Io::Other));
        assert_eq!(append_synced(&wal, 2, 100).await.unwrap_err().kind(), ErrorKind::NotDurable);
    });
    // The page cache still shows record 2.
    let machine = machine.kill();
    let served = machine.block_on(async { sequences(&open(&machine, 0, 10).await.unwrap(), 0).await });
    assert_eq!(served, [1]);
    let machine = machine.crash_with(Survival::Nothing);
    let served = machine.block_on(async { sequences(&open(&machine, 0, 10).await.unwrap(), 0).await });
    assert_eq!(served, [1]);
}

#[test]
fn a_sync_that_fails_when_the_mark_is_written_poisons_too() {
    let machine = SimWorld::new(3);
    machine.block_on(async {
        let wal = open(&machine, 0, 1).await.unwrap();
        append_synced(&wal, 1, 100).await.unwrap();
        machine.world().clock.sleep(std::time::Duration::from_millis(1)).await;
        machine.faults().inject(Fault::on(Operation::Sync, Io::Other));
        machine.world().clock.sleep(std::time::Duration::from_secs(1)).await;
        assert_eq!(machine.faults().struck(), 1);
        assert_eq!(wal.append(record(2, 1)).await.unwrap_err().kind(), ErrorKind::Closed);
    });
}

/// Fills the disk but for `left` bytes; what the log may use is far less than that.
fn fill_up(machine: &SimWorld, left: u64) {
    let used: u64 =
        files(machine).iter().map(|name| machine.read_file(path(name)).unwrap().len() as u64).sum();
    machine.faults().set_capacity(Some(used + left));
}

#[test]
fn a_full_disk_refuses_writes_and_the_log_goes_on_when_there_is_space() {
    let machine = SimWorld::new(4);
    let (survivors, refused) = machine.block_on(async {
        let wal = open(&machine, 0, 1).await.unwrap();
        append_synced(&wal, 1, 100).await.unwrap();
        machine.world().clock.sleep(std::time::Duration::from_secs(1)).await;
        fill_up(&machine, 0);
        let (mut sequence, mut durable, mut refused) = (2, vec![1], Vec::new());
        // What was prepared is used up first.
        while refused.len() < 5 {
            match wal.append(record(sequence, 3_000)).await {
                Ok(()) => {
                    match wal.sync(Sequence(sequence)).await {
                        Ok(_) => durable.push(sequence),
                        Err(error) => {
                            assert_eq!((error.kind(), error.retry()), (ErrorKind::NoSpace, Retry::Later));
                            refused.push(sequence);
                        }
                    }
                    sequence += 1;
                }
                Err(error) => {
                    assert_eq!((error.kind(), error.retry()), (ErrorKind::NoSpace, Retry::Later));
                    refused.push(0);
                }
            }
            assert!(sequence < 100, "the disk never fills up");
        }
        assert!(durable.len() > 5);
        // Refused once, refused for ever, also for those who ask late.
        for sequence in refused.iter().filter(|sequence| **sequence > 0) {
            assert_eq!(wal.sync(Sequence(*sequence)).await.unwrap_err().kind(), ErrorKind::NoSpace);
        }
        assert_eq!(wal.durable(), Sequence(*durable.last().unwrap()));
        machine.faults().set_capacity(None);
        for _ in 0..3 {
            append_synced(&wal, sequence, 3_000).await.unwrap();
            durable.push(sequence);
            sequence += 1;
        }
        (durable, refused)
    });
    assert!(refused.contains(&0), "append refuses as well");
    for survival in [Survival::Nothing, Survival::Everything] {
        let machine = machine.possible_crash(survival, 0);
        let served = machine.block_on(async { sequences(&open(&machine, 0, 1_000).await.unwrap(), 0).await });
        assert_eq!(served, survivors);
    }
}

#[test]
fn what_a_full_disk_refused_stays_away_even_if_its_bytes_were_written() {
    for seed in 0..12 {
        let machine = SimWorld::new(seed);
        machine.block_on(async {
            let wal = open(&machine, 0, 1).await.unwrap();
            append_synced(&wal, 1, 100).await.unwrap();
            machine.world().clock.sleep(std::time::Duration::from_secs(1)).await;
            // Of the group, the first record is likely to be written before space runs out.
            machine.faults().inject(Fault::on(Operation::Write, Io::StorageFull));
            wal.append(record(2, 10)).await.unwrap();
            wal.append(record(3, 9_000)).await.unwrap();
            let outcomes = futures::join!(wal.sync(Sequence(3)), wal.sync(Sequence(2)));
            assert_eq!(outcomes.0.unwrap_err().kind(), ErrorKind::NoSpace);
            assert_eq!(outcomes.1.unwrap_err().kind(), ErrorKind::NoSpace);
        });
        let survivals = [Survival::Nothing, Survival::Everything, Survival::Random, Survival::Random];
        for (variant, survival) in survivals.into_iter().enumerate() {
            let machine = machine.possible_crash(survival, variant as u64);
            let served =
                machine.block_on(async { sequences(&open(&machine, 0, 50).await.unwrap(), 0).await });
            assert_eq!(served, [1], "SEED={seed} {survival:?}");
        }
        let machine = machine.possible_kill(0);
        let served = machine.block_on(async { sequences(&open(&machine, 0, 50).await.unwrap(), 0).await });
        assert_eq!(served, [1], "SEED={seed} killed");
    }
}

#[test]
fn what_waits_behind_a_refused_group_is_withdrawn_with_it() {
    let machine = SimWorld::new(12);
    machine.block_on(async {
        let settings = WalSettings { group_bytes: 1, ..settings() };
        let wal = open_as(&machine, settings, open_with(0, 1)).await.unwrap();
        append_synced(&wal, 1, 10).await.unwrap();
        machine.world().clock.sleep(std::time::Duration::from_secs(1)).await;
        machine.faults().inject(Fault::on(Operation::Write, Io::StorageFull));
        for sequence in 2..=5 {
            wal.append(record(sequence, 10)).await.unwrap();
        }
        let outcomes = futures::join!(wal.sync(Sequence(2)), wal.sync(Sequence(5)));
        assert_eq!(outcomes.0.unwrap_err().kind(), ErrorKind::NoSpace);
        assert_eq!(outcomes.1.unwrap_err().kind(), ErrorKind::NoSpace);
        append_synced(&wal, 6, 10).await.unwrap();
        assert_eq!(wal.sync(Sequence(4)).await.unwrap_err().kind(), ErrorKind::NoSpace);
        wal.close().await.unwrap();
        let wal = open(&machine, 0, 10).await.unwrap();
        assert_eq!(sequences(&wal, 0).await, [1, 6]);
    });
}

#[test]
fn a_log_goes_on_behind_the_gap_that_a_refusal_left() {
    let machine = SimWorld::new(6);
    machine.block_on(async {
        let wal = open(&machine, 0, 1).await.unwrap();
        append_synced(&wal, 1, 100).await.unwrap();
        machine.faults().inject(Fault::on(Operation::Write, Io::StorageFull));
        assert_eq!(append_synced(&wal, 2, 100).await.unwrap_err().kind(), ErrorKind::NoSpace);
        assert_eq!(wal.append(record(2, 1)).await.unwrap_err().kind(), ErrorKind::Internal);
        append_synced(&wal, 3, 100).await.unwrap();
        wal.close().await.unwrap();
        let wal = open(&machine, 0, 10).await.unwrap();
        assert_eq!(sequences(&wal, 0).await, [1, 3]);
    });
}

#[test]
fn recovery_needs_no_more_space_than_the_log_has() {
    let machine = SimWorld::new(7);
    machine.block_on(async {
        let wal = open(&machine, 0, 1).await.unwrap();
        for sequence in 1..=6 {
            append_synced(&wal, sequence, 3_000).await.unwrap();
        }
    });
    for cut in 1..=40 {
        let machine = machine.possible_crash(Survival::Random, cut);
        fill_up(&machine, 0);
        machine.faults().crash_at_operation(cut);
        machine.run_until_power_cut(async {
            let _ = open(&machine, 0, 50).await;
        });
        let machine = machine.crash();
        fill_up(&machine, 0);
        let served = machine.block_on(async { sequences(&open(&machine, 0, 50).await.unwrap(), 0).await });
        assert_eq!(served, [1, 2, 3, 4, 5, 6], "cut at operation {cut}");
    }
}

#[test]
fn what_recovery_serves_on_a_full_disk_is_durable_too() {
    let machine = SimWorld::new(13);
    let wal = machine.block_on(async {
        let wal = open(&machine, 0, 1).await.unwrap();
        append_synced(&wal, 1, 3_000).await.unwrap();
        machine.world().clock.sleep(std::time::Duration::from_secs(1)).await;
        // Without the file that is prepared, there is no room for a copy.
        machine.remove_file(path("0000000000000002.wal")).unwrap();
        wal.append(record(2, 3_000)).await.unwrap();
        // The write happens, the sync does not.
        machine.faults().crash_at_operation(machine.operations() + 2);
        wal
    });
    machine.run_until_power_cut(machine.world().clock.sleep(std::time::Duration::from_secs(1)));
    let machine = machine.possible_kill(0);
    drop(wal);
    fill_up(&machine, 0);
    let served = machine.block_on(async { sequences(&open(&machine, 0, 50).await.unwrap(), 0).await });
    assert_eq!(served, [1, 2], "the page cache shows what was written");
    let machine = machine.crash_with(Survival::Nothing);
    let served = machine.block_on(async { sequences(&open(&machine, 0, 50).await.unwrap(), 0).await });
    assert_eq!(served, [1, 2], "and what was served is durable");
}

#[test]
fn a_record_larger_than_the_limit_is_refused_by_name() {
    let machine = SimWorld::new(8);
    machine.block_on(async {
        let settings = WalSettings { max_record_bytes: 1_000, ..settings() };
        let wal = open_as(&machine, settings, open_with(0, 1)).await.unwrap();
        let error = wal.append(record(1, 1_001)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("bytes=1001"), "{error}");
        append_synced(&wal, 1, 1_000).await.unwrap();
    });
}

#[test]
fn more_than_may_wait_is_exhausted_and_passes() {
    let machine = SimWorld::new(9);
    machine.block_on(async {
        let settings = WalSettings { max_pending_bytes: 4_000, ..settings() };
        let wal = open_as(&machine, settings, open_with(0, 1)).await.unwrap();
        let mut sequence = 1;
        let error = loop {
            match wal.append(record(sequence, 1_000)).await {
                Ok(()) => sequence += 1,
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Exhausted, Retry::Later));
        assert_eq!(sequence, 4);
        wal.sync(Sequence(3)).await.unwrap();
        append_synced(&wal, 4, 1_000).await.unwrap();
    });
}
