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

use report::Report;
use trades::Bench;

/// Rows of a batch.
const BATCH: usize = 10_000;

fn main() {
    let bench = Bench::start("peers");
    if bench.runs("ingest") {
        let mut report =
            Report::new("durable ingest, batches of 10,000 rows, each synced before the next", "rows/s");
        ingest::measure(&bench.runtime, &bench.directory, &mut report);
        report.print();
    }
    if bench.runs("queries") {
        let mut report = Report::new("questions to ten million trades", "ms");
        bench.runtime.block_on(questions::measure(&bench.runtime, &bench.directory, &mut report));
        report.print();
    }
}
