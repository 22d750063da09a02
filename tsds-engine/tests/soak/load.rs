//! The load: what each worker does over and over.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use tsds_engine::TableSpec;
use tsds_engine::blocking::{Database, Table};
use tsds_engine::config::Settings;
use tsds_engine::query::{Aggregation, Direction, col};
use tsds_engine::traits::ErrorKind;

const ROWS: u64 = 2_000;
/// What a batch takes at the least, so that an hour fills no disk.
const PAUSE: Duration = Duration::from_millis(50);
/// Half an hour of data time for each batch: chunks of a day close and move on.
const MILLIS_PER_ROW: u64 = 900;
/// What is sorted, of all there is.
const RECENT_ROWS: u64 = 1_000_000;

/// A database, and what is known of its rows.
#[derive(Debug)]
pub(crate) struct Load {
    database: Database,
    table: Table,
    /// Batches that were begun, and rows that were acknowledged.
    batches: AtomicU64,
    acknowledged: AtomicU64,
    pub(crate) queries: AtomicU64,
    /// Batches that had to be written once more.
    pub(crate) refused: AtomicU64,
    stopped: AtomicBool,
}

/// Stops all workers when it is dropped, as by a panic.
#[derive(Debug)]
pub(crate) struct Stop<'a>(pub(crate) &'a Load);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stopped.store(true, Ordering::Relaxed);
    }
}

fn settings(number: u64) -> Settings {
    let mut settings = Settings::default();
    settings.hot_tier.max_records = if number.is_multiple_of(2) { 40_000 } else { 60_000 };
    settings.hot_tier.segment_rows = 20_000;
    settings.hot_tier.segment_age_seconds = 5;
    settings.warm_tier.max_memory_mb = 2;
    settings.wal.file_mb = 4;
    settings.query.memory_limit_mb = if number.is_multiple_of(3) { 8 } else { 16 };
    settings
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("time", DataType::Timestamp(TimeUnit::Millisecond, None), false),
        Field::new("host", DataType::Utf8, false),
        Field::new("number", DataType::Int64, false),
        Field::new("value", DataType::Float64, true),
    ]))
}

fn batch(number: u64) -> RecordBatch {
    let numbers = number * ROWS..(number + 1) * ROWS;
    let mixed = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMillisecondArray::from_iter_values(
            numbers.clone().map(|n| (n * MILLIS_PER_ROW) as i64),
        )),
        Arc::new(StringArray::from_iter_values(numbers.clone().map(|n| format!("host-{}", mixed(n) % 20)))),
        Arc::new(Int64Array::from_iter_values(numbers.clone().map(|n| n as i64))),
        Arc::new(Float64Array::from_iter(
            numbers.map(|n| (n % 11 > 0).then(|| (mixed(n) % 10_000) as f64 / 10.0)),
        )),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

impl Load {
    pub(crate) const WORKERS: [fn(&Self); 7] =
        [Self::write, Self::write, Self::count, Self::ask, Self::give_up, Self::stall, Self::change_settings];

    pub(crate) fn new(directory: &Path) -> Self {
        let database =
            Database::open_with(tsds_engine::Database::builder(directory).settings(settings(0))).unwrap();
        let spec = TableSpec::new("load", schema(), "time").series(["host"]).chunk_interval("1d");
        let table = database.create_table(spec).unwrap();
        Self {
            database,
            table,
            batches: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            queries: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    pub(crate) fn rows(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// Where the newest rows begin.
    fn recent(&self) -> i64 {
        self.rows().saturating_sub(RECENT_ROWS) as i64
    }

    fn write(&self) {
        let number = self.batches.fetch_add(1, Ordering::SeqCst);
        // Readers may hold all memory there is for new rows for longer than a writer waits: what is refused then is refused whole.
        while let Err(error) = self.table.ingest(batch(number)) {
            assert_eq!(error.kind(), ErrorKind::Exhausted, "{error}");
            self.refused.fetch_add(1, Ordering::Relaxed);
            if self.is_stopped() {
                return;
            }
        }
        self.acknowledged.fetch_add(ROWS, Ordering::SeqCst);
        thread::sleep(PAUSE);
    }

    fn counted(&self) -> u64 {
        let rows = self.table.rows(|query| query.aggregate(Aggregation::new().count())).unwrap();
        rows.map(|batch| batch.unwrap().column(0).as_primitive::<UInt64Type>().value(0)).sum()
    }

    /// No row that was acknowledged is missing.
    fn count(&self) {
        let before = self.rows();
        let counted = self.counted();
        let begun = self.batches.load(Ordering::SeqCst) * ROWS;
        assert!((before..=begun).contains(&counted), "{counted} rows, {before} acknowledged, {begun} begun");
        self.queries.fetch_add(1, Ordering::Relaxed);
        thread::sleep(PAUSE * 4);
    }

    /// Filters, sorts and groups that take a while.
    fn ask(&self) {
        let number = self.queries.fetch_add(1, Ordering::Relaxed);
        let host = format!("host-{}", number % 20);
        let rows = match number % 4 {
            0 => self
                .table
                .rows(|query| query.filter(col("host").eq(host.as_str()).and(col("value").gt(900.0)))),
            1 => self.table.rows(|query| query.sort_by("value", Direction::Descending).limit(100)),
            2 => {
                self.table.rows(|query| query.aggregate(Aggregation::new().by(["host"]).count().avg("value")))
            }
            // A sort that spills once there are rows enough, of so many that an hour's last is as long as others.
            _ => self.table.rows(|query| {
                let recent = query.filter(col("number").gt_eq(self.recent()));
                recent.project(["value", "number"]).sort_by("value", Direction::Ascending)
            }),
        };
        for batch in rows.unwrap() {
            batch.unwrap();
        }
        thread::sleep(PAUSE);
    }

    /// A reader that wants no more after the first batch.
    fn give_up(&self) {
        let recent = col("number").gt_eq(self.recent());
        let mut rows =
            self.table.rows(|query| query.filter(recent).sort_by("number", Direction::Descending)).unwrap();
        rows.next().transpose().unwrap();
        self.queries.fetch_add(1, Ordering::Relaxed);
        thread::sleep(PAUSE * 10);
    }

    /// A reader that stalls with its answer half read, and then gets the rest of what it asked for.
    fn stall(&self) {
        let before = self.rows();
        let mut rows = self.table.rows(|query| query.project(["number"])).unwrap();
        let mut seen = rows.next().map_or(0, |batch| batch.unwrap().num_rows()) as u64;
        for _ in 0..20 {
            if !self.is_stopped() {
                thread::sleep(Duration::from_millis(500));
            }
        }
        seen += rows.map(|batch| batch.unwrap().num_rows() as u64).sum::<u64>();
        assert!(seen >= before, "{seen} rows of {before}");
        self.queries.fetch_add(1, Ordering::Relaxed);
    }

    fn change_settings(&self) {
        let number = self.queries.load(Ordering::Relaxed);
        self.database.inner().reload(settings(number)).unwrap();
        thread::sleep(Duration::from_millis(700));
    }

    /// Every row is there once, in all tiers.
    pub(crate) fn check_and_close(&self) {
        let rows = self.rows();
        let mut seen = vec![false; rows as usize];
        for batch in self.table.rows(|query| query.project(["number"])).unwrap() {
            for number in batch.unwrap().column(0).as_primitive::<arrow_array::types::Int64Type>().values() {
                assert!(!std::mem::replace(&mut seen[*number as usize], true), "row {number} is there twice");
            }
        }
        assert!(seen.into_iter().all(|is_there| is_there), "a row is missing");
        let stats = self.database.stats().unwrap();
        assert!(stats.tiers.warm.rows > 0 && stats.tiers.cold.rows > 0, "{stats:?}");
        self.database.close().unwrap();
    }
}
