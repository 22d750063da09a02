//! The same trades, questions and machine, in one run: a database in its warm and in its cold tier, a bare file of Arrow, and what Python
//! users have instead, as far as it is installed: pyarrow, Polars and DuckDB (`peers.py`).
//!
//! `cargo bench -p tsds-engine --bench peers` prints tables for a page; `ingest` or `queries` behind `--` leaves out the rest. `TSDS_PYTHON` is the
//! interpreter, `python3` unless set; the directory is `TSDS_BENCH_DIR`, or the system's temporary one. All answers are compared by their
//! number of rows and a sum.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "measures the real file system, with a real clock"
)]

mod ingest;
mod python;
mod questions;
mod report;
#[path = "../trades/mod.rs"]
mod trades;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tsds_engine::config::Settings;
use tsds_engine::{Database, Table, TableSpec};
use tsds_io::Runtime;

use report::Report;

/// Rows of a batch.
const BATCH: usize = 10_000;

fn main() {
    tsds_io::share_freed_memory();
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let run = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let base = std::env::var_os("TSDS_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = base.join(format!("tsds-peers-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let runtime = Runtime::new(None).unwrap();
    if run("ingest") {
        let mut report =
            Report::new("durable ingest, batches of 10,000 rows, each synced before the next", "rows/s");
        ingest::measure(&runtime, &directory, &mut report);
        report.print();
    }
    if run("queries") {
        let mut report = Report::new("questions to ten million trades", "ms");
        runtime.block_on(questions::measure(&runtime, &directory, &mut report));
        report.print();
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

async fn create(runtime: &Runtime, path: &Path, settings: Settings) -> (Database, Table) {
    let database = Database::builder(path).world(runtime.world()).settings(settings).open().await.unwrap();
    let spec =
        TableSpec::new("trades", trades::schema(), "timestamp").series(["symbol"]).chunk_interval("1d");
    let table = database.create_table(spec).await.unwrap();
    (database, table)
}

fn median(runs: &mut [Duration]) -> Duration {
    runs.sort_unstable();
    runs[runs.len() / 2]
}
