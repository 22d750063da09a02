//! What a whole database does: time buckets over ten million rows in the warm and the cold tier, and opening with ten thousand
//! segments. What durable ingest takes beside a bare file, `peers` measures.
//!
//! `cargo bench -p tsds-engine --bench database`, or with `buckets` or `open` behind `--` to run only some. The directory is
//! `TSDS_BENCH_DIR`, or the system's temporary one.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "measures the real file system, with a real clock"
)]

use std::path::Path;
use std::time::Instant;

use arrow_array::RecordBatch;
use tsds_engine::Database;
use tsds_engine::config::Settings;
use tsds_engine::query::{Aggregation, col};
use tsds_io::Runtime;

#[path = "trades/mod.rs"]
mod trades;

use trades::{Bench, NANOS_PER_ROW, Symbols, create, median, trades};

const BATCH: usize = 10_000;
const HOUR: i64 = 3_600_000_000_000;

fn main() {
    let bench = Bench::start("database");
    if bench.runs("buckets") {
        bench.runtime.block_on(buckets(&bench.runtime, &bench.directory));
    }
    if bench.runs("open") {
        bench.runtime.block_on(open(&bench.runtime, &bench.directory));
    }
}

/// A batch, from that row on.
fn rows(first: usize) -> RecordBatch {
    trades(first, BATCH, NANOS_PER_ROW, Symbols::Even)
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
            table.ingest(rows(first)).await.unwrap();
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
    table.ingest(trades(0, SEGMENTS, HOUR, Symbols::Even)).await.unwrap();
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
