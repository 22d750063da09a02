//! The contract of a sink, line by line.

use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use tsds_traits::{
    BuildContext, CodecSet, Durability, ErrorKind, RecordKind, Registry, Sequence, WalRecord, WalSink,
};

use tsds_hot::WalSettings;

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

#[test]
fn replay_yields_what_was_there_at_opening_and_nothing_newer() {
    let machine = SimWorld::new(5);
    machine.block_on(async {
        let wal = open(&machine, 0, 1).await.unwrap();
        append_synced(&wal, 1, 10).await.unwrap();
        assert!(sequences(&wal, 0).await.is_empty());
        wal.close().await.unwrap();
        let wal = open(&machine, 0, 2).await.unwrap();
        let early = wal.replay(Sequence(0));
        append_synced(&wal, 2, 10).await.unwrap();
        assert_eq!(early.count().await, 1);
        assert_eq!(sequences(&wal, 0).await, [1]);
    });
}

#[test]
fn a_sync_that_nobody_waits_for_any_more_still_happens() {
    let machine = SimWorld::new(6);
    machine.block_on(async {
        let wal = open(&machine, 0, 1).await.unwrap();
        for sequence in 1..=20 {
            wal.append(record(sequence, 10)).await.unwrap();
            let mut sync = Box::pin(wal.sync(Sequence(sequence)));
            assert!(futures::poll!(sync.as_mut()).is_pending());
            drop(sync);
        }
        assert_eq!(wal.sync(Sequence(20)).await.unwrap(), Sequence(20));
    });
    let machine = machine.crash_with(Survival::Nothing);
    let served = machine.block_on(async { sequences(&open(&machine, 0, 50).await.unwrap(), 0).await });
    assert_eq!(served, (1..=20).collect::<Vec<_>>());
}

#[test]
fn writers_at_the_same_time_are_durable_in_the_order_of_their_sequences() {
    for seed in 0..20 {
        let machine = SimWorld::new(seed);
        machine.block_on(async {
            let wal = open(&machine, 0, 1).await.unwrap();
            let next = futures::lock::Mutex::new(1u64);
            let writers = (0..8).map(|writer| {
                let (wal, next, clock) = (&wal, &next, machine.world().clock);
                async move {
                    for round in 0..6u64 {
                        let sequence = {
                            let mut next = next.lock().await;
                            let sequence = *next;
                            wal.append(record(sequence, 900)).await.unwrap();
                            *next += 1;
                            sequence
                        };
                        let durable = wal.sync(Sequence(sequence)).await.unwrap();
                        assert!(durable >= Sequence(sequence) && wal.durable() >= durable);
                        clock.sleep(Duration::from_millis((writer * 7 + round * 13) % 30)).await;
                    }
                }
            });
            join_all(writers).await;
        });
        let machine = machine.crash_with(Survival::Nothing);
        let served = machine.block_on(async { sequences(&open(&machine, 0, 100).await.unwrap(), 0).await });
        assert_eq!(served, (1..=48).collect::<Vec<_>>(), "SEED={seed}");
    }
}

#[test]
fn what_nobody_synced_is_durable_after_a_pause_and_then_nothing_runs() {
    let machine = SimWorld::new(7);
    machine.block_on(async {
        let wal = open(&machine, 0, 1).await.unwrap();
        wal.append(record(1, 10)).await.unwrap();
        machine.world().clock.sleep(Duration::from_millis(200)).await;
        assert_eq!(wal.durable(), Sequence(1));
        let operations = machine.operations();
        machine.world().clock.sleep(Duration::from_secs(3600)).await;
        assert_eq!(machine.operations(), operations);
    });
    let machine = machine.crash_with(Survival::Nothing);
    // The mark is there: damage to the record can no longer be taken for a torn tail.
    machine.corrupt(path("0000000000000001.wal"), 4096 + 80, 1).unwrap();
    let error = machine.block_on(open(&machine, 0, 50)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[test]
fn a_pause_between_writes_costs_one_mark_and_no_pause_none() {
    let machine = SimWorld::new(8);
    machine.block_on(async {
        let wal = open(&machine, 0, 1).await.unwrap();
        append_synced(&wal, 1, 10).await.unwrap();
        machine.world().clock.sleep(Duration::from_secs(1)).await;
        let before = machine.operations();
        append_synced(&wal, 2, 10).await.unwrap();
        machine.world().clock.sleep(Duration::from_secs(1)).await;
        assert_eq!(machine.operations() - before, 4, "write and sync of a record and of a mark");
    });
}

#[test]
fn release_forgets_whole_files_up_to_the_floor_and_nothing_above() {
    let machine = SimWorld::new(9);
    machine.block_on(async {
        let wal = open(&machine, 0, 1).await.unwrap();
        for sequence in 1..=20 {
            append_synced(&wal, sequence, 7_000).await.unwrap();
        }
        let before = wal.usage();
        wal.release(Sequence(11)).await.unwrap();
        wal.release(Sequence(4)).await.unwrap();
        let after = wal.usage();
        assert!(after.files < before.files && after.bytes < before.bytes, "{before:?} {after:?}");
        wal.close().await.unwrap();
        let wal = open(&machine, 11, 50).await.unwrap();
        assert_eq!(sequences(&wal, 11).await, (12..=20).collect::<Vec<_>>());
        wal.release(Sequence(20)).await.unwrap();
        assert_eq!((wal.usage().files, wal.usage().bytes), (0, 0));
        let wal = open(&machine, 20, 50).await.unwrap();
        assert!(sequences(&wal, 20).await.is_empty());
    });
}

#[test]
fn a_released_file_is_written_again_and_the_directory_stays_small() {
    let machine = SimWorld::new(10);
    machine.block_on(async {
        let wal = open(&machine, 0, 1).await.unwrap();
        for sequence in 1..=100 {
            append_synced(&wal, sequence, 7_000).await.unwrap();
            wal.release(Sequence(sequence.saturating_sub(3))).await.unwrap();
            assert!(files(&machine).len() <= 6, "{:?}", files(&machine));
        }
        wal.close().await.unwrap();
        let wal = open(&machine, 97, 200).await.unwrap();
        assert_eq!(sequences(&wal, 97).await, [98, 99, 100]);
    });
}

#[test]
fn a_file_that_is_still_replayed_is_not_written_again() {
    let machine = SimWorld::new(11);
    machine.block_on(async {
        let settings = || WalSettings { recycled_files: 100, ..settings() };
        let wal = open_as(&machine, settings(), open_with(0, 1)).await.unwrap();
        // More than a replay reads ahead.
        for sequence in 1..=6_000 {
            wal.append(record(sequence, 10)).await.unwrap();
        }
        wal.close().await.unwrap();
        let wal = open_as(&machine, settings(), open_with(0, 10_000)).await.unwrap();
        let before = wal.usage().files;
        let mut replay = wal.replay(Sequence(0));
        let first = replay.next().await.unwrap().unwrap();
        assert_eq!(first.sequence, Sequence(1));
        wal.release(Sequence(6_000)).await.unwrap();
        assert_eq!(wal.usage().files, 0);
        for sequence in 10_000..10_000 + 4 * before {
            append_synced(&wal, sequence, 7_000).await.unwrap();
        }
        let rest: Vec<_> = replay.map(|record| record.unwrap().sequence.0).collect().await;
        assert_eq!(rest, (2..=6_000).collect::<Vec<_>>());
    });
}

#[test]
fn kinds_that_the_log_does_not_know_are_kept() {
    let machine = SimWorld::new(12);
    machine.block_on(async {
        let wal = open(&machine, 0, 1).await.unwrap();
        let odd = WalRecord { kind: RecordKind(777), rows: u32::MAX, payload: vec![], ..record(1, 0) };
        wal.append(odd.clone()).await.unwrap();
        wal.close().await.unwrap();
        let wal = open(&machine, 0, 50).await.unwrap();
        assert_eq!(replayed(&wal, 0).await.unwrap(), [joined(&odd)]);
    });
}

#[test]
fn a_log_on_a_read_only_file_system_opens_if_it_was_closed() {
    let machine = SimWorld::new(13);
    machine.block_on(async {
        let wal = open(&machine, 0, 1).await.unwrap();
        append_synced(&wal, 1, 10).await.unwrap();
        wal.close().await.unwrap();
        machine.faults().set_read_only(true);
        let wal = open(&machine, 0, 50).await.unwrap();
        assert_eq!(sequences(&wal, 0).await, [1]);
        wal.append(record(50, 1)).await.unwrap();
        assert_eq!(wal.sync(Sequence(50)).await.unwrap_err().kind(), ErrorKind::ReadOnly);
    });
}

#[test]
fn the_plugin_opens_a_log_from_settings_and_refuses_unknown_ones() {
    let machine = SimWorld::new(14);
    let context = || {
        let codecs = std::sync::Arc::new(CodecSet::default());
        BuildContext::new(machine.world(), DATABASE, "/plugin".into(), codecs)
    };
    let mut registry = Registry::new();
    registry.register(tsds_hot::plugin()).unwrap();
    machine.block_on(async {
        let settings = serde_json::json!({ "file_bytes": 65536 });
        let wal = registry.wal("tsds.wal.arrow", settings, context(), open_with(0, 1)).await.unwrap();
        assert_eq!((wal.name(), wal.durability()), ("tsds.wal.arrow", Durability::Power));
        wal.append(record(1, 10)).await.unwrap();
        wal.close().await.unwrap();
        for bad in [
            serde_json::json!({ "file_size": 1 }),
            serde_json::json!({ "file_bytes": 1 }),
            serde_json::json!({ "sync_mark_ms": 0 }),
            serde_json::json!({ "frame_bytes": 1 << 30 }),
        ] {
            let error = registry.wal("tsds.wal.arrow", bad, context(), open_with(0, 10)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
            assert_eq!(error.plugin(), Some("tsds.wal.arrow"));
        }
    });
}
