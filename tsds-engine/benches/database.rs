//! What a whole database does: durable ingest beside a bare Arrow IPC file, time buckets over ten million rows in the warm and
//! the cold tier, and opening with ten thousand segments.
//!
//! `cargo bench -p tsds-engine`, or with `ingest`, `buckets` or `open` behind `--` to run only some. The directory is
//! `TSDS_BENCH_DIR`, or the system's temporary one.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "measures the real file system, with a real clock"
)]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampNanosecondArray,
};
use arrow_ipc::writer::FileWriter;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use tsds_engine::config::Settings;
use tsds_engine::query::{Aggregation, col};
use tsds_engine::{Database, Table, TableSpec};
use tsds_io::Runtime;

const BATCH: usize = 10_000;
const SYMBOLS: usize = 100;
/// Ten million rows a day.
const NANOS_PER_ROW: i64 = 8_640_000;
const HOUR: i64 = 3_600_000_000_000;

fn main() {
    tsds_io::share_freed_memory();
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let run = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let base = std::env::var_os("TSDS_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = base.join(format!("tsds-engine-bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let runtime = Runtime::new(None).unwrap();
    if run("ingest") {
        ingest(&runtime, &directory);
    }
    if run("buckets") {
        runtime.block_on(buckets(&runtime, &directory));
    }
    if run("open") {
        runtime.block_on(open(&runtime, &directory));
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

/// Batches of 10,000 rows, each durable before the next is written: a table against a bare file, in alternating rounds.
/// The table's rows stay in memory: what is measured is the way to the acknowledgement, not migration.
fn ingest(runtime: &Runtime, directory: &Path) {
    const BATCHES: usize = 60;
    const ROUNDS: usize = 9;
    let mut settings = Settings::default();
    settings.hot_tier.max_records = 10_000_000;
    settings.hot_tier.max_memory_mb = 2_048;
    let (database, table) = runtime.block_on(create(runtime, &directory.join("ingest"), settings, "1d"));
    let (mut bare, mut durable, mut sent) = (Vec::new(), Vec::new(), 0);
    for round in 0..ROUNDS {
        let batches: Vec<RecordBatch> = (0..BATCHES).map(|n| trades(sent + n * BATCH, BATCH)).collect();
        sent += BATCHES * BATCH;
        bare.push(bare_file(&directory.join(format!("bare-{round}.arrow")), &batches));
        let begin = Instant::now();
        runtime.block_on(async {
            for batch in batches {
                table.ingest(batch).await.unwrap();
            }
        });
        durable.push(begin.elapsed());
    }
    assert_eq!(database.tier_counts().hot, sent as u64);
    runtime.block_on(database.close()).unwrap();
    let rate = |took: Duration| (BATCHES * BATCH) as f64 / took.as_secs_f64() / 1e6;
    let (bare, durable) = (median(&mut bare), median(&mut durable));
    println!("durable ingest of {BATCH} rows a batch, medians of {ROUNDS} rounds");
    println!("  bare Arrow IPC file, synced  {:8.2} M rows/s", rate(bare));
    println!(
        "  database                     {:8.2} M rows/s   {:.2} x bare",
        rate(durable),
        bare.as_secs_f64() / durable.as_secs_f64()
    );
}

fn bare_file(path: &Path, batches: &[RecordBatch]) -> Duration {
    let begin = Instant::now();
    let schema = batches[0].schema();
    let mut writer = FileWriter::try_new_buffered(File::create(path).unwrap(), &schema).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
        writer.flush().unwrap();
        writer.get_ref().get_ref().sync_data().unwrap();
    }
    writer.finish().unwrap();
    let took = begin.elapsed();
    std::fs::remove_file(path).unwrap();
    took
}

/// One-minute buckets per symbol and others over ten million rows, all of them warm in each codec, then all of them cold.
async fn buckets(runtime: &Runtime, directory: &Path) {
    const ROWS: usize = 10_000_000;
    for (tier, codec) in [("warm", "tsds.plain"), ("warm", "tsds.gorilla"), ("cold", "tsds.gorilla")] {
        let mut settings = Settings::default();
        settings.warm_tier.file_codec = codec.into();
        settings.warm_tier.max_memory_mb = if tier == "warm" { 4_096 } else { 1 };
        let (database, table) =
            create(runtime, &directory.join(format!("{tier}-{codec}")), settings, "1d").await;
        for first in (0..ROWS).step_by(BATCH) {
            table.ingest(trades(first, BATCH)).await.unwrap();
        }
        database.flush().await.unwrap();
        database.settle().await.unwrap();
        let counts = database.tier_counts();
        println!("{ROWS} rows, hot {}, warm {}, cold {}, {codec}", counts.hot, counts.warm, counts.cold);
        let stats = database.stats().await.unwrap();
        let per_row = |bytes: u64| bytes as f64 / ROWS as f64;
        println!(
            "  bytes a row: warm files {:.2}, cold files {:.2}, resident {:.2}",
            per_row(stats.tiers.warm.bytes),
            per_row(stats.tiers.cold.bytes),
            per_row(stats.resident.bytes)
        );
        let per_minute = || {
            Aggregation::new().every("1m".parse().unwrap()).by(["symbol"]).count().sum("volume").min("price")
        };
        let narrow = Aggregation::new().every("1m".parse().unwrap()).by(["symbol"]).count().sum("volume");
        time("1-minute buckets per symbol: count, sum, min", || table.query().aggregate(per_minute())).await;
        time("1-minute buckets per symbol: count, sum", || table.query().aggregate(narrow.clone())).await;
        let busy = || table.query().filter(col("volume").gt(990_i64)).aggregate(Aggregation::new().count());
        time("count where volume > 990", busy).await;
        let hour = || {
            let time = col("timestamp").in_range("2024-01-01T05:00:00", "2024-01-01T06:00:00");
            table.query().filter(time.and(col("symbol").eq("SYM042")))
        };
        time("one symbol, one hour, all columns", hour).await;
        database.close().await.unwrap();
    }
}

/// Opening a database of 10,000 segments: 10,000 chunks of one segment each.
async fn open(runtime: &Runtime, directory: &Path) {
    const SEGMENTS: usize = 10_000;
    let path = directory.join("open");
    let (database, table) = create(runtime, &path, Settings::default(), "1h").await;
    table.ingest(spaced(SEGMENTS, HOUR)).await.unwrap();
    database.flush().await.unwrap();
    let segments = database.stats().await.unwrap().tiers.warm.segments;
    database.close().await.unwrap();
    drop((database, table));
    let mut opened = Vec::new();
    for _ in 0..5 {
        let begin = Instant::now();
        let database = Database::builder(&path).world(runtime.world()).open().await.unwrap();
        opened.push(begin.elapsed());
        database.close().await.unwrap();
    }
    println!("open with {segments} segments: {:.3} s", median(&mut opened).as_secs_f64());
}

async fn create(runtime: &Runtime, path: &Path, settings: Settings, chunk: &str) -> (Database, Table) {
    let database = Database::builder(path).world(runtime.world()).settings(settings).open().await.unwrap();
    let spec = TableSpec::new("trades", schema(), "timestamp").series(["symbol"]).chunk_interval(chunk);
    let table = database.create_table(spec).await.unwrap();
    (database, table)
}

/// The median of some runs, after one that is not counted.
async fn time(name: &str, query: impl Fn() -> tsds_engine::query::Query) {
    let (mut runs, mut rows) = (Vec::new(), 0);
    for run in 0..8 {
        let begin = Instant::now();
        let batches = query().collect().await.unwrap();
        if run > 0 {
            runs.push(begin.elapsed());
        }
        rows = batches.iter().map(RecordBatch::num_rows).sum::<usize>();
    }
    println!("  {:9.2} ms  {rows:8} rows  {name}", median(&mut runs).as_secs_f64() * 1e3);
}

fn median(runs: &mut [Duration]) -> Duration {
    runs.sort_unstable();
    runs[runs.len() / 2]
}

fn schema() -> SchemaRef {
    let text = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    Arc::new(Schema::new(vec![
        Field::new("timestamp", DataType::Timestamp(TimeUnit::Nanosecond, None), false),
        Field::new("symbol", text, false),
        Field::new("price", DataType::Float64, false),
        Field::new("volume", DataType::Int64, false),
    ]))
}

fn trades(first: usize, rows: usize) -> RecordBatch {
    rows_from(first, rows, NANOS_PER_ROW)
}

fn spaced(rows: usize, nanos: i64) -> RecordBatch {
    rows_from(0, rows, nanos)
}

/// Rows in the order of time, of a symbol that the row's number scatters.
fn rows_from(first: usize, rows: usize, nanos: i64) -> RecordBatch {
    /// 2024-01-01T00:00:00Z.
    const BEGIN: i64 = 1_704_067_200 * 1_000_000_000;
    let numbers = first..first + rows;
    let scatter = |number: usize| (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let time = numbers.clone().map(|number| BEGIN + number as i64 * nanos);
    let keys: Int32Array =
        numbers.clone().map(|number| Some((scatter(number) % SYMBOLS as u64) as i32)).collect();
    let names: StringArray = (0..SYMBOLS).map(|symbol| Some(format!("SYM{symbol:03}"))).collect();
    let price = numbers.clone().map(|number| 20.0 + (scatter(number) % 5_000) as f64 / 100.0);
    let volume = numbers.map(|number| (scatter(number) % 1_000) as i64);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampNanosecondArray::from_iter_values(time)),
        Arc::new(DictionaryArray::<Int32Type>::new(keys, Arc::new(names))),
        Arc::new(Float64Array::from_iter_values(price)),
        Arc::new(Int64Array::from_iter_values(volume)),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}
