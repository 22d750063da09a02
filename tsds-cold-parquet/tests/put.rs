//! Putting, listing and removing segments.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, TimestampSecondArray};
use arrow_schema::{DataType, TimeUnit};
use common::*;
use tsds_cold_parquet::{ParquetSettings, ParquetTier, plugin};
use tsds_io::{Fault, Operation, Survival};
use tsds_traits::{
    ChunkRange, ErrorKind, Factory, Put, Registry, SchemaVersion, SegmentId, SegmentSource, StoredSegment,
    TableId, TableSchema, Tier,
};

fn file_of(machine: &tsds_io::SimWorld) -> String {
    let files = segment_files(machine);
    files.into_iter().find(|file| file.ends_with(".parquet")).unwrap()
}

#[test]
fn a_segment_lies_under_its_table_and_date() {
    let (machine, world) = sim(1);
    machine.block_on(async { put(&tier(&world), &MemorySource::sample(0x1f, 100)).await.unwrap() });
    assert_eq!(segment_files(&machine), ["7/year=2013/month=03/day=01/000000000000001f-00000000.parquet"]);
}

#[test]
fn without_hive_directories_have_no_equals_sign() {
    let (machine, world) = sim(1);
    let settings = ParquetSettings { hive: false, ..settings() };
    machine
        .block_on(async { put(&tier_with(&world, settings), &MemorySource::sample(1, 100)).await.unwrap() });
    assert_eq!(file_of(&machine), "7/y2013/m03/d01/0000000000000001-00000000.parquet");
}

#[test]
fn a_put_survives_a_power_cut_that_spares_nothing_unsynced() {
    let (machine, world) = sim(2);
    let source = MemorySource::sample(1, 3_000);
    let stored = machine.block_on(async { put(&tier(&world), &source).await.unwrap() });
    let machine = machine.crash_with(Survival::Nothing);
    let tier = tier(&machine.world());
    let rows = machine.block_on(async {
        let request = everything(&source.schema, vec![handle(&source, &stored)]);
        scan(&tier, request).await.unwrap()
    });
    let batches: Vec<_> = rows.into_iter().map(|batch| batch.rows).collect();
    assert_eq!(rows_of(&batches), rows_of(&source.batches));
}

#[test]
fn a_power_cut_at_any_moment_leaves_the_segment_absent_or_complete() {
    let source = MemorySource::sample(1, 2_500);
    let (rehearsal, world) = sim(3);
    let stored = rehearsal.block_on(async { put(&tier(&world), &source).await.unwrap() });
    let operations = rehearsal.operations();
    for cut in 1..=operations {
        for seed in 0..3 {
            let (machine, world) = sim(seed);
            machine.faults().crash_at_operation(cut);
            let acknowledged =
                machine.run_until_power_cut(async { put(&tier(&world), &source).await.is_ok() });
            let machine = machine.crash();
            let tier = tier(&machine.world());
            let at = format!("cut at {cut} of {operations}, seed {seed}");
            machine.block_on(async {
                let listed = tier.list().await.unwrap();
                assert!(acknowledged != Some(true) || listed.len() == 1, "lost: {at}");
                if !listed.is_empty() {
                    let request = everything(&source.schema, vec![handle(&source, &stored)]);
                    let found: Vec<_> = scan(&tier, request).await.expect(&at);
                    let found: Vec<_> = found.into_iter().map(|batch| batch.rows).collect();
                    assert_eq!(rows_of(&found), rows_of(&source.batches), "{at}");
                }
                // Whatever was left, the next put completes it, and gives the receipt that the first would have given.
                assert_eq!(put(&tier, &source).await.expect(&at), stored, "{at}");
                assert_eq!(tier.list().await.unwrap().len(), 1, "{at}");
            });
        }
    }
}

#[test]
fn putting_again_changes_nothing_and_gives_an_equal_receipt() {
    let (machine, world) = sim(4);
    let source = MemorySource::sample(1, 5_000);
    let first = machine.block_on(async { put(&tier(&world), &source).await.unwrap() });
    let bytes = machine.read_file(format!("{COLD}/{}", file_of(&machine))).unwrap();
    let machine = machine.kill();
    // Another process, other settings, other batches.
    let settings =
        ParquetSettings { compression: "none".into(), row_group_rows: 4_096, hive: false, ..settings() };
    let tier = tier_with(&machine.world(), settings);
    let again = machine.block_on(async { put(&tier, &source.rebatched(77)).await.unwrap() });
    assert_eq!(again, first);
    assert_eq!(machine.read_file(format!("{COLD}/{}", file_of(&machine))).unwrap(), bytes);
    assert_eq!(segment_files(&machine).len(), 1);
}

#[test]
fn concurrent_puts_of_one_segment_act_as_one() {
    let (machine, world) = sim(5);
    let tier = tier(&world);
    let source = MemorySource::sample(1, 2_000);
    machine.block_on(async {
        let puts = (0..4).map(|_| put(&tier, &source));
        let receipts: Vec<_> =
            futures::future::join_all(puts).await.into_iter().map(Result::unwrap).collect();
        assert!(receipts.windows(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(tier.list().await.unwrap().len(), 1);
    });
}

#[test]
fn a_damaged_file_in_the_way_is_no_completed_put() {
    let (machine, world) = sim(6);
    let source = MemorySource::sample(1, 2_000);
    let tier = tier(&world);
    let stored = machine.block_on(async { put(&tier, &source).await.unwrap() });
    let path = format!("{COLD}/{}", file_of(&machine));
    for offset in [10, 5_000, stored.bytes - 2] {
        machine.corrupt(&path, offset, 0x40).unwrap();
        assert_eq!(machine.block_on(async { put(&tier, &source).await.unwrap() }), stored, "{offset}");
        let request = || everything(&source.schema, vec![handle(&source, &stored)]);
        assert!(machine.block_on(async { scan(&tier, request()).await }).is_ok());
    }
}

#[test]
fn a_disk_that_writes_other_bytes_than_it_was_given_is_found_out_by_the_put() {
    let (machine, world) = sim(7);
    let tier = tier(&world);
    // The sync reports success, but what it should have written is lost: the file reads back from the disk as zeros.
    let source = MemorySource::sample(1, 2_000);
    let fault = Fault::on(Operation::Sync, std::io::ErrorKind::Other);
    machine.faults().inject(fault);
    let error = machine.block_on(async { put(&tier, &source).await.unwrap_err() });
    assert!(matches!(error.kind(), ErrorKind::Io | ErrorKind::NotDurable), "{error:?}");
    machine.block_on(async {
        assert!(tier.list().await.unwrap().is_empty());
        put(&tier, &source).await.unwrap();
    });
    let machine = machine.crash_with(Survival::Nothing);
    assert_eq!(segment_files(&machine).len(), 1);
}

#[test]
fn a_full_disk_is_retryable_and_leaves_nothing() {
    let (machine, world) = sim(8);
    let tier = tier(&world);
    let source = MemorySource::sample(1, 20_000);
    machine.faults().set_capacity(Some(64 * 1024));
    let error = machine.block_on(async { put(&tier, &source).await.unwrap_err() });
    assert_eq!((error.kind(), error.retry()), (ErrorKind::NoSpace, tsds_traits::Retry::Later));
    assert_eq!((error.plugin(), error.operation()), (Some("tsds.cold.parquet"), Some("put")));
    machine.faults().set_capacity(None);
    machine.block_on(async {
        assert!(tier.list().await.unwrap().is_empty());
        put(&tier, &source).await.unwrap();
    });
}

#[test]
fn a_dropped_put_leaves_the_segment_absent_or_complete() {
    let source = MemorySource::sample(1, 3_000);
    for polls in 0..40 {
        let (machine, world) = sim(polls);
        let tier = tier(&world);
        machine.block_on(async {
            let mut left = polls;
            let mut call = Box::pin(put(&tier, &source));
            let dropped = futures::future::poll_fn(|context| match left {
                0 => std::task::Poll::Ready(None),
                _ => {
                    left -= 1;
                    call.as_mut().poll(context).map(Some)
                }
            });
            let _ = dropped.await;
            drop(call);
            let receipt = put(&tier, &source).await.unwrap();
            let request = everything(&source.schema, vec![handle(&source, &receipt)]);
            assert!(scan(&tier, request).await.is_ok());
        });
        assert_eq!(segment_files(&machine).iter().filter(|f| f.ends_with(".parquet")).count(), 1);
    }
}

#[test]
fn seconds_beyond_milliseconds_are_declined_and_leave_nothing() {
    let (machine, world) = sim(9);
    let tier = tier(&world);
    let seconds = DataType::Timestamp(TimeUnit::Second, None);
    let columns = vec![column(TIME, "time", seconds.clone(), false), column(LOAD, "since", seconds, false)];
    let schema = TableSchema::new(TableId(7), SchemaVersion(1), columns, TIME, &[]).unwrap();
    let schema = Arc::new(schema);
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(TimestampSecondArray::from(vec![MARCH_2013, MARCH_2013 + 1])),
        Arc::new(TimestampSecondArray::from(vec![0, i64::MAX / 10])),
    ];
    let batch = RecordBatch::try_new(Arc::clone(schema.arrow()), arrays).unwrap();
    let chunk = ChunkRange { start: MARCH_2013, end: MARCH_2013 + DAY };
    let source = MemorySource::new(1, &schema, chunk, vec![batch]);
    machine.block_on(async {
        let Put::Declined(reason) = tier.put(source).await.unwrap() else { panic!("stored") };
        assert!(reason.contains("since"), "{reason}");
        assert!(tier.list().await.unwrap().is_empty());
    });
    assert!(machine.list_files(COLD).unwrap_or_default().is_empty());
}

#[test]
fn text_whose_bound_no_record_can_hold_is_stored() {
    let (machine, world) = sim(17);
    let schema = schema();
    let mut columns = batch(2, 1).columns().to_vec();
    // No text of 64 bytes comes after this one, so that its bound cannot be cut.
    let last = "\u{10ffff}".repeat(20_000);
    columns[4] = Arc::new(StringArray::from(vec![Some("a"), Some(&last)]));
    let rows = RecordBatch::try_new(Arc::clone(schema.arrow()), columns).unwrap();
    let chunk = ChunkRange { start: MARCH_2013, end: MARCH_2013 + DAY };
    let source = MemorySource::new(1, &schema, chunk, vec![rows]);
    assert_eq!(source.meta.stats(NOTE).unwrap().max, Some(tsds_traits::Value::Text(last)));
    let tier = tier(&world);
    machine.block_on(async {
        let stored = put(&tier, &source).await.unwrap();
        assert_eq!(put(&tier, &source).await.unwrap(), stored);
        let found = scan(&tier, everything(&schema, vec![handle(&source, &stored)])).await.unwrap();
        let found: Vec<_> = found.into_iter().map(|batch| batch.rows).collect();
        assert_eq!(rows_of(&found), rows_of(&source.batches));
    });
}

#[test]
fn a_source_with_other_rows_than_its_metadata_is_refused() {
    let (machine, world) = sim(10);
    let tier = tier(&world);
    let mut source = MemorySource::sample(1, 2_000);
    Arc::get_mut(&mut source).unwrap().batches.push(batch(5, 1));
    machine.block_on(async {
        let error = tier.put(source).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(tier.list().await.unwrap().is_empty());
    });
}

#[test]
fn list_is_ascending_and_survives_reopening() {
    let (machine, world) = sim(11);
    let tier_before = tier(&world);
    let listed = machine.block_on(async {
        for id in [5, 1, 300, 2] {
            put(&tier_before, &MemorySource::sample(id, 10)).await.unwrap();
        }
        tier_before.list().await.unwrap()
    });
    let ids: Vec<_> = listed.iter().map(|segment| segment.id).collect();
    assert_eq!(ids, [1, 2, 5, 300].map(SegmentId::new));
    let machine = machine.crash_with(Survival::Nothing);
    let tier_after = tier(&machine.world());
    assert_eq!(machine.block_on(async { tier_after.list().await.unwrap() }), listed);
}

#[test]
fn remove_takes_what_put_gave_what_list_gave_and_nothing_at_all() {
    let (machine, world) = sim(12);
    let tier = tier(&world);
    machine.block_on(async {
        for id in [1, 2, 3] {
            put(&tier, &MemorySource::sample(id, 10)).await.unwrap();
        }
        let stored = put(&tier, &MemorySource::sample(1, 10)).await.unwrap();
        let listed = tier.list().await.unwrap();
        let with_record = |id: u64, record| StoredSegment { id: SegmentId::new(id), record };
        tier.remove(&[with_record(1, stored.record.clone())]).await.unwrap();
        tier.remove(&[listed[1].clone()]).await.unwrap();
        tier.remove(&[with_record(3, bytes::Bytes::new())]).await.unwrap();
        assert!(tier.list().await.unwrap().is_empty());
        assert_eq!(tier.usage(), tsds_traits::TierUsage::default());
        // Once more, all absent.
        let again = [with_record(1, stored.record.clone()), listed[1].clone()];
        tier.remove(&again).await.unwrap();
        let other = tier.remove(&[with_record(9, stored.record)]).await.unwrap_err();
        assert_eq!(other.kind(), ErrorKind::Corrupt, "a record of segment 1 does not remove segment 9");
    });
}

#[test]
fn usage_counts_what_is_there_also_after_reopening() {
    let (machine, world) = sim(13);
    let build = |world: &tsds_traits::World| {
        let mut registry = Registry::new();
        registry.register(plugin()).unwrap();
        let context = context(world);
        async move { registry.tier("tsds.cold.parquet", serde_json::json!({}), context).await.unwrap() }
    };
    let usage = machine.block_on(async {
        let tier = build(&world).await;
        for (id, rows) in [(1, 500), (2, 3_000)] {
            let source: Arc<dyn SegmentSource> = MemorySource::sample(id, rows);
            assert!(matches!(tier.put(source).await.unwrap(), Put::Stored(_)));
        }
        tier.usage()
    });
    let files = segment_files(&machine);
    let bytes: usize =
        files.iter().map(|file| machine.read_file(format!("{COLD}/{file}")).unwrap().len()).sum();
    assert_eq!((usage.segments, usage.rows, usage.bytes), (2, 3_500, bytes as u64));
    let machine = machine.crash();
    let reopened = machine.world();
    assert_eq!(machine.block_on(async { build(&reopened).await.usage() }), usage);
}

#[test]
fn a_closed_tier_says_so() {
    let (machine, world) = sim(14);
    let tier = tier(&world);
    let source = MemorySource::sample(1, 10);
    machine.block_on(async {
        let stored = put(&tier, &source).await.unwrap();
        tier.close().await.unwrap();
        tier.close().await.unwrap();
        let closed = |error: tsds_traits::Error| assert_eq!(error.kind(), ErrorKind::Closed);
        closed(put(&tier, &source).await.unwrap_err());
        closed(tier.list().await.unwrap_err());
        closed(tier.remove(&[]).await.unwrap_err());
        let request = everything(&source.schema, vec![handle(&source, &stored)]);
        closed(scan(&tier, request).await.unwrap_err());
        assert_eq!(tier.usage().segments, 1);
    });
}

#[test]
fn settings_come_from_json_and_are_checked() {
    let (machine, world) = sim(15);
    let Factory::Tier(build) = plugin().factory else { panic!("not a tier") };
    let failed = |settings| {
        let build = build(settings, context(&world));
        machine.block_on(async { build.await.unwrap_err() })
    };
    assert_eq!(failed(serde_json::json!({"compression": "gzip"})).kind(), ErrorKind::ConfigInvalid);
    assert_eq!(failed(serde_json::json!({"row_groups": 1})).kind(), ErrorKind::ConfigInvalid);
}

#[test]
fn any_object_store_will_do() {
    let (machine, world) = sim(16);
    let store = Arc::new(object_store::memory::InMemory::new());
    let tier = ParquetTier::new(store, settings(), context(&world)).unwrap();
    let source = MemorySource::sample(1, 3_000);
    machine.block_on(async {
        let stored = put(&tier, &source).await.unwrap();
        assert_eq!(put(&tier, &source).await.unwrap(), stored);
        let found = scan(&tier, everything(&source.schema, vec![handle(&source, &stored)])).await.unwrap();
        let found: Vec<_> = found.into_iter().map(|batch| batch.rows).collect();
        assert_eq!(rows_of(&found), rows_of(&source.batches));
        tier.remove(&tier.list().await.unwrap()).await.unwrap();
        assert!(tier.list().await.unwrap().is_empty());
    });
    assert!(machine.list_files("/").unwrap().is_empty());
}
