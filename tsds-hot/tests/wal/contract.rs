//! The contract of a sink, line by line.

use std::time::Duration;

use futures::future::join_all;
use tsds_traits::{ErrorKind, Sequence, WalSink};

use crate::support::*;
use tsds_io::{SimWorld, Survival};

#[test]
fn what_was_synced_is_replayed_after_a_power_cut() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let wal = open(&machine, 0, 1).await.unwrap();
        for sequence in 1..=5 {
            assert_eq!(append_synced(&wal, sequence, 100).await.unwrap(), Sequence(sequence));
        }
    });
    let machine = machine.crash_with(Survival::Nothing);
    machine.block_on(async {
        let wal = open(&machine, 0, 6).await.unwrap();
        let expected: Vec<_> = (1..=5).map(|sequence| joined(&record(sequence, 100))).collect();
        assert_eq!(replayed(&wal, 0).await.unwrap(), expected);
        assert_eq!(wal.durable(), Sequence(5));
        assert_eq!(sequences(&wal, 3).await, [4, 5]);
    });
}

#[test]
fn a_log_that_was_closed_reads_back_and_goes_on() {
    let machine = SimWorld::new(2);
    machine.block_on(async {
        let wal = open(&machine, 0, 1).await.unwrap();
        for sequence in 1..=3 {
            wal.append(record(sequence, 10)).await.unwrap();
        }
        wal.close().await.unwrap();
        wal.close().await.unwrap();
        assert_eq!(wal.append(record(4, 10)).await.unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(wal.sync(Sequence(3)).await.unwrap_err().kind(), ErrorKind::Closed);
        let wal = open(&machine, 0, 10).await.unwrap();
        assert_eq!(sequences(&wal, 0).await, [1, 2, 3]);
        append_synced(&wal, 10, 10).await.unwrap();
        wal.close().await.unwrap();
        let wal = open(&machine, 0, 20).await.unwrap();
        assert_eq!(sequences(&wal, 0).await, [1, 2, 3, 10]);
    });
}

#[test]
fn waiters_share_one_sync() {
    let machine = SimWorld::new(3);
    machine.block_on(async {
        let wal = open(&machine, 0, 1).await.unwrap();
        append_synced(&wal, 1, 10).await.unwrap();
        // The next file is prepared, and the mark written.
        machine.world().clock.sleep(Duration::from_secs(1)).await;
        for sequence in 2..=51 {
            wal.append(record(sequence, 10)).await.unwrap();
        }
        let before = machine.operations();
        let synced = join_all((2..=51).map(|sequence| wal.sync(Sequence(sequence)))).await;
        assert!(synced.iter().all(|outcome| *outcome.as_ref().unwrap() == Sequence(51)));
        assert_eq!(machine.operations() - before, 2, "one write, one sync");
    });
}

#[test]
fn a_sequence_out_of_order_is_refused_and_leaves_the_log_as_it_was() {
    let machine = SimWorld::new(4);
    machine.block_on(async {
        let wal = open(&machine, 0, 7).await.unwrap();
        for wrong in [1, 6, 8] {
            assert_eq!(wal.append(record(wrong, 1)).await.unwrap_err().kind(), ErrorKind::Internal);
        }
        append_synced(&wal, 7, 1).await.unwrap();
        assert_eq!(wal.sync(Sequence(8)).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}
