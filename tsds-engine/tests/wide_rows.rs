//! Rows of many kilobytes: queries stay within the memory that they may take.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use futures::TryStreamExt;
use support::TABLE;
use tsds_engine::config::Settings;
use tsds_engine::query::{Direction, Query, col};
use tsds_engine::traits::ErrorKind;
use tsds_engine::{Database, Table, TableSpec};
use tsds_io::{Runtime, SimWorld};

/// Counts what the process holds, on all threads.
struct Counted;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);
/// What is measured is measured alone.
static ALONE: Mutex<()> = Mutex::new(());

#[global_allocator]
static COUNTED: Counted = Counted;

// SAFETY: every call is passed on unchanged to the system's allocator, whose promises are then ours; counting allocates nothing.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(held, Ordering::Relaxed);
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as in `alloc`; the pointer came from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

const MIB: usize = 1 << 20;

/// Numbers below a prime, each once in as many rows.
fn number(row: i64) -> i64 {
    row * 1_009 % 8_191
}

/// Bytes that hardly compress, and are those of the row alone.
fn payload(row: i64, length: usize) -> &'static [u8] {
    static NOISE: OnceLock<Vec<u8>> = OnceLock::new();
    let noise = NOISE.get_or_init(|| {
        let mut state = 1_u64;
        let words = (0..MIB).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state ^ state >> 29).to_le_bytes()
        });
        words.flatten().collect()
    });
    let start = (row as usize).wrapping_mul(104_729) % (4 * MIB);
    &noise[start..start + length]
}

fn batch(rows: Range<i64>, length: &dyn Fn(i64) -> usize) -> RecordBatch {
    let time = TimestampMillisecondArray::from_iter_values(rows.clone());
    let numbers = Int64Array::from_iter_values(rows.clone().map(number));
    let payload = BinaryArray::from_iter_values(rows.clone().map(|row| payload(row, length(row))));
    let columns: [(&str, ArrayRef, bool); 3] = [
        ("time", Arc::new(time), false),
        ("number", Arc::new(numbers), false),
        ("payload", Arc::new(payload), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

async fn filled(database: &Database, rows: i64, each: i64, length: &dyn Fn(i64) -> usize) -> Table {
    let schema = batch(0..1, length).schema();
    let table = database.create_table(TableSpec::new(TABLE, schema, "time")).await.unwrap();
    for first in (0..rows).step_by(each as usize) {
        table.ingest(batch(first..rows.min(first + each), length)).await.unwrap();
    }
    database.flush().await.unwrap();
    database.settle().await.unwrap();
    table
}

/// What rows of an answer are by their times, checked to be whole.
fn times(found: &RecordBatch, length: &dyn Fn(i64) -> usize) -> Vec<i64> {
    let times = found.column_by_name("time").unwrap().as_primitive::<TimestampMillisecondType>().values();
    let numbers = found.column_by_name("number").unwrap().as_primitive::<Int64Type>().values();
    let bytes = found.column_by_name("payload").unwrap().as_binary::<i32>();
    for (at, row) in times.iter().enumerate() {
        assert_eq!(numbers[at], number(*row));
        assert!(bytes.value(at) == payload(*row, length(*row)), "row {row} has other bytes");
    }
    times.to_vec()
}

fn settings(limit_mb: u64) -> Settings {
    let mut settings = Settings::default();
    settings.warm_tier.backend = "cpu".into();
    settings.wal.file_mb = 64;
    settings.query.memory_limit_mb = limit_mb;
    settings
}

/// The large segments are where they should be; small ones fit anywhere.
async fn check_home(table: &Table, is_cold: bool) {
    let tiers = table.query().explain().await.unwrap().tiers;
    assert_eq!(tiers.iter().any(|tier| tier.tier == "cold"), is_cold, "{tiers:?}");
}

#[test]
fn a_sort_of_much_payload_goes_on_on_disk_and_takes_little_more_than_it_may() {
    sort_much(false);
    sort_much(true);
}

fn sort_much(is_cold: bool) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (rows, length, limit_mb) = (5_000_i64, |_: i64| 64 << 10, 64);
    let directory = tempfile::tempdir().unwrap();
    let runtime = Runtime::new(Some(2)).unwrap();
    runtime.block_on(async {
        let path = directory.path().join("db");
        let mut settings = settings(limit_mb);
        settings.hot_tier.segment_rows = 1_200;
        if is_cold {
            settings.warm_tier.max_memory_mb = 1;
        }
        let database =
            Database::builder(&path).world(runtime.world()).settings(settings).open().await.unwrap();
        let table = filled(&database, rows, 100, &length).await;
        check_home(&table, is_cold).await;
        let mut expected: Vec<i64> = (0..rows).collect();
        expected.sort_by_key(|row| number(*row));
        let sort = |query: Query| query.sort_by("number", Direction::Ascending);
        for limited in [false, true] {
            let before = HELD.load(Ordering::Relaxed);
            MOST.store(before, Ordering::Relaxed);
            let spilled = database.stats().await.unwrap().spilled_bytes;
            let query = sort(table.query());
            let query = if limited { query.limit(4_000) } else { query };
            let mut stream = query.stream().await.unwrap();
            let mut found = Vec::new();
            while let Some(batch) = stream.try_next().await.unwrap() {
                assert!(batch.num_rows() <= 32, "a batch has {} rows of 64 KiB", batch.num_rows());
                found.extend(times(&batch, &length));
            }
            drop(stream);
            let most = MOST.load(Ordering::Relaxed).saturating_sub(before);
            let wanted = if limited { &expected[..4_000] } else { &expected[..] };
            assert!(found == wanted, "rows differ");
            let spilled = database.stats().await.unwrap().spilled_bytes - spilled;
            assert!(spilled > 200 * MIB as u64, "{spilled} bytes were sorted on disk");
            assert!(most < 3 * limit_mb as usize * MIB, "the sort held {} MiB", most / MIB);
        }
        database.close().await.unwrap();
    });
}

#[test]
fn a_scan_of_much_payload_holds_a_part_of_it_from_every_tier() {
    scan_much(false);
    scan_much(true);
}

fn scan_much(is_cold: bool) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // All of the payload is in one fiftieth of the rows, one after the other.
    let (rows, length) = (25_000_i64, |row: i64| if (12_000..12_500).contains(&row) { 512 << 10 } else { 0 });
    let directory = tempfile::tempdir().unwrap();
    let runtime = Runtime::new(Some(2)).unwrap();
    runtime.block_on(async {
        let path = directory.path().join("db");
        let mut settings = settings(64);
        if is_cold {
            settings.warm_tier.max_memory_mb = 1;
        }
        let database =
            Database::builder(&path).world(runtime.world()).settings(settings).open().await.unwrap();
        let table = filled(&database, rows, 250, &length).await;
        check_home(&table, is_cold).await;
        let before = HELD.load(Ordering::Relaxed);
        MOST.store(before, Ordering::Relaxed);
        let mut stream = table.query().stream().await.unwrap();
        let mut found = Vec::new();
        while let Some(batch) = stream.try_next().await.unwrap() {
            let bytes = batch.column_by_name("payload").unwrap().as_binary::<i32>();
            let bytes: usize = bytes.iter().flatten().map(<[u8]>::len).sum();
            assert!(bytes <= 2 * MIB, "a batch has {bytes} bytes");
            found.extend(times(&batch, &length));
        }
        drop(stream);
        let most = MOST.load(Ordering::Relaxed).saturating_sub(before);
        found.sort_unstable();
        assert!(found.into_iter().eq(0..rows), "rows differ");
        assert!(most < 200 * MIB, "a scan of 250 MiB held {} MiB", most / MIB);
        database.close().await.unwrap();
    });
}

#[test]
fn a_row_that_no_sort_may_hold_is_refused_by_column_and_setting() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let length = |row: i64| if row == 7 { 3 * MIB } else { 300 << 10 };
    let machine = SimWorld::new(3);
    machine.block_on(async {
        let database = support::open_with(&machine, settings(2)).await.unwrap();
        let table = filled(&database, 30, 10, &length).await;
        let sort = |filter: bool| {
            let query = table.query().sort_by("number", Direction::Ascending);
            if filter { query.filter(col("number").not_eq(number(7))) } else { query }
        };
        let error = sort(false).collect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Exhausted);
        for part in ["query.memory_limit_mb", "column=payload", "row_bytes=31", "limit_bytes=2097152"] {
            assert!(error.to_string().contains(part), "{part}: {error}");
        }
        // Without a sort it comes, alone in its batch, and so do others in a sort.
        let all = table.query().collect().await.unwrap();
        assert_eq!(all.iter().map(|batch| times(batch, &length).len()).sum::<usize>(), 30);
        assert!(all.iter().all(|batch| batch.num_rows() == 1));
        let others = sort(true).collect().await.unwrap();
        assert_eq!(others.iter().map(|batch| times(batch, &length).len()).sum::<usize>(), 29);
        database.close().await.unwrap();
    });
}

#[test]
fn the_first_of_wide_rows_are_those_of_a_whole_sort_wherever_they_lie() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let length = |row: i64| (row as usize % 7) << 12;
    let machine = SimWorld::new(4);
    machine.block_on(async {
        let mut settings = support::small();
        settings.hot_tier.max_records = 300;
        settings.hot_tier.segment_rows = 90;
        settings.query.memory_limit_mb = 1;
        let database = support::open_with(&machine, settings).await.unwrap();
        let table = filled(&database, 900, 30, &length).await;
        // These stay in memory.
        table.ingest(batch(900..1_000, &length)).await.unwrap();
        let mut expected: Vec<i64> = (0..1_000).collect();
        expected.sort_by_key(|row| -number(*row));
        for limit in [1, 10, 60, 400, 2_000] {
            let query = table.query().sort_by("number", Direction::Descending).limit(limit);
            let found = query.collect().await.unwrap();
            let found: Vec<i64> = found.iter().flat_map(|batch| times(batch, &length)).collect();
            assert_eq!(found, expected[..expected.len().min(limit as usize)], "limit {limit}");
        }
        database.close().await.unwrap();
    });
}

#[test]
fn long_text_that_repeats_is_cut_by_what_it_comes_to() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let machine = SimWorld::new(5);
    machine.block_on(async {
        let database = support::open_with(&machine, settings(8)).await.unwrap();
        let rows = 2_000_i64;
        let time: ArrayRef = Arc::new(TimestampMillisecondArray::from_iter_values(0..rows));
        let texts: Vec<String> = (0..4).map(|kind| format!("{kind}").repeat(20 << 10)).collect();
        let text: ArrayRef =
            Arc::new(StringArray::from_iter_values((0..rows).map(|row| &texts[row as usize % 4])));
        let all =
            RecordBatch::try_from_iter_with_nullable([("time", time, false), ("text", text, true)]).unwrap();
        let table = database.create_table(TableSpec::new(TABLE, all.schema(), "time")).await.unwrap();
        table.ingest(all.clone()).await.unwrap();
        for flush in [false, true] {
            if flush {
                database.flush().await.unwrap();
                database.settle().await.unwrap();
            }
            for order in ["time", "text"] {
                let found = table.query().sort_by(order, Direction::Ascending).collect().await.unwrap();
                assert_eq!(found.iter().map(RecordBatch::num_rows).sum::<usize>(), 2_000);
                assert!(found.iter().all(|batch| batch.num_rows() <= 13), "12 texts of 20 KiB have room");
            }
        }
        database.close().await.unwrap();
    });
}
