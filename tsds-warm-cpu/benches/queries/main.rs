//! Queries over 10 million pinned rows: trades of 100 symbols of very different frequency, and 1000 series of 10,000 points.
//!
//! Everything is asked twice: of rows that are held as arrays, and of rows that are held in blocks of `tsds.gorilla`.
//!
//! `cargo bench -p tsds-warm-cpu`, or with parts of names behind `--` to run only some. Each line gives the median of several
//! runs (9, or as `BENCH_RUNS` says), on one core (one worker at a time) and on all.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stdout, clippy::disallowed_methods, clippy::disallowed_types)]

mod tables;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use tsds_codec_gorilla::GorillaCodec;
use tsds_io::Runtime;
use tsds_segment::{PlainCodec, ZstdCodec};
use tsds_traits::{
    AggregateRequest, Codec, ColumnId, Comparison, Function, Predicate, ScanRequest, SortKey, StoredSegment,
    Tier, Value,
};
use tsds_warm_cpu::CpuTier;

use tables::{Files, Held, MINUTE, NAME, PRICE, ROWS, SIDE, TIME, Table, VOLUME, metrics, trades};

/// What is asked of the trades.
const TRADES: &[&str] = &[
    "filter: volume = 500, count",
    "filter: volume > 500, count",
    "filter: volume > 500, price",
    "scan: time and price of everything",
    "scan: one symbol, one hour, all columns",
    "scan: top 1000 by price of one symbol",
    "scan: 100 latest of each segment",
    "scan: one symbol in time order",
    "scan: everything in time order",
    "aggregate: 1-minute buckets per symbol",
    "aggregate: last price per symbol",
    "aggregate: 3 symbols and price > x",
    "pin: 5 segments from plain files",
    "pin: 5 segments from zstd files",
    "pin: 5 segments from gorilla files",
    "not pinned: volume = 500, count, plain files",
    "not pinned: volume = 500, count, zstd files",
    "not pinned: volume = 500, count, gorilla files",
    "not pinned: one symbol, one hour, all columns, zstd files",
];

/// What is asked of the points.
const METRICS: &[&str] = &[
    "scan: all points of 100 of 1000 series",
    "aggregate: 1-minute buckets per series",
    "aggregate: last value per series",
];

fn compare(column: ColumnId, comparison: Comparison, value: Value) -> Predicate {
    Predicate::Compare { column, comparison, value }
}

fn named(names: &[&str]) -> Predicate {
    let values = names.iter().map(|name| Value::Text((*name).into())).collect();
    Predicate::In { column: NAME, values, has_null: false }
}

/// What one run gave and took.
struct Measured {
    rows: usize,
    took: Duration,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        write!(f, "{:9.2} ms {:8.1} M rows/s", seconds * 1e3, ROWS as f64 / seconds / 1e6)
    }
}

/// The median of some runs.
fn median(count: usize, mut run: impl FnMut() -> usize) -> Measured {
    let mut runs: Vec<Measured> = (0..count)
        .map(|_| {
            let start = Instant::now();
            let rows = run();
            Measured { rows, took: start.elapsed() }
        })
        .collect();
    runs.sort_by_key(|run| run.took);
    runs.swap_remove(count / 2)
}

struct Report {
    runtime: Runtime,
    only: Vec<String>,
    runs: usize,
}

impl Report {
    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part))
    }

    /// Whether a table is needed at all: making one takes longer than asking it.
    fn wants_of(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.wants(name))
    }

    fn scan(&self, name: &str, tiers: &[Arc<CpuTier>; 2], request: &ScanRequest) {
        self.line(name, tiers, |tier| {
            let batches: Vec<_> =
                self.runtime.block_on(tier.clone().scan(request.clone()).try_collect()).unwrap();
            batches.iter().map(|batch| batch.rows.num_rows()).sum()
        });
    }

    fn aggregate(&self, name: &str, tiers: &[Arc<CpuTier>; 2], request: &AggregateRequest) {
        self.line(name, tiers, |tier| {
            let stream = tier.clone().aggregate(request.clone());
            let states: Vec<_> = self.runtime.block_on(stream.try_collect()).unwrap();
            states.iter().map(|batch| batch.num_rows()).sum()
        });
    }

    fn line(&self, name: &str, tiers: &[Arc<CpuTier>; 2], run: impl Fn(&Arc<CpuTier>) -> usize) {
        if self.wants(name) {
            let [one, all] = tiers;
            let (one, all) = (median(self.runs, || run(one)), median(self.runs, || run(all)));
            println!("{name:55} one core {one}   all {all}   {} rows out", all.rows);
        }
    }

    fn trades(&self, held: Held) {
        let table = Table::new(&self.runtime, trades(), held);
        let all = [TIME, NAME, PRICE, VOLUME, SIDE];
        let hour = |from: i64| {
            let bound = |comparison, hour: i64| compare(TIME, comparison, Value::Int(hour * 60 * MINUTE));
            [bound(Comparison::GreaterOrEqual, from), bound(Comparison::Less, from + 1)]
        };

        let nothing = Some(compare(VOLUME, Comparison::Equal, Value::Int(500)));
        self.scan(TRADES[0], &table.tiers, &ScanRequest { predicate: nothing, ..table.scan(&[]) });
        let half = Some(compare(VOLUME, Comparison::Greater, Value::Int(500)));
        self.scan(TRADES[1], &table.tiers, &ScanRequest { predicate: half.clone(), ..table.scan(&[]) });
        self.scan(TRADES[2], &table.tiers, &ScanRequest { predicate: half, ..table.scan(&[PRICE]) });
        self.scan(TRADES[3], &table.tiers, &table.scan(&[TIME, PRICE]));

        let [from, upto] = hour(10);
        let predicate = Some(Predicate::And(vec![named(&["SYM000"]), from, upto]));
        self.scan(TRADES[4], &table.tiers, &ScanRequest { predicate, ..table.scan(&all) });
        let order = |column, descending| vec![SortKey { column, descending, nulls_first: false }];
        let top = ScanRequest {
            predicate: Some(named(&["SYM000"])),
            order: order(PRICE, true),
            limit: Some(1_000),
            ..table.scan(&all)
        };
        self.scan(TRADES[5], &table.tiers, &top);
        let latest = ScanRequest { order: order(TIME, true), limit: Some(100), ..table.scan(&all) };
        self.scan(TRADES[6], &table.tiers, &latest);
        let in_order = ScanRequest {
            predicate: Some(named(&["SYM000"])),
            order: order(TIME, false),
            ..table.scan(&[TIME, PRICE])
        };
        self.scan(TRADES[7], &table.tiers, &in_order);
        let sorted = ScanRequest { order: order(TIME, false), ..table.scan(&[TIME, NAME, PRICE]) };
        self.scan(TRADES[8], &table.tiers, &sorted);

        let minute = [
            (Function::Count, PRICE),
            (Function::Sum, PRICE),
            (Function::Min, PRICE),
            (Function::Max, PRICE),
        ];
        self.aggregate(TRADES[9], &table.tiers, &table.aggregate(&minute, true));
        let last = [(Function::Last, PRICE)];
        self.aggregate(TRADES[10], &table.tiers, &table.aggregate(&last, false));
        let expensive = AggregateRequest {
            predicate: Some(Predicate::And(vec![
                named(&["SYM001", "SYM005", "SYM040"]),
                compare(PRICE, Comparison::Greater, Value::F64(25.0)),
            ])),
            ..table.aggregate(&[(Function::Count, PRICE), (Function::Sum, PRICE)], false)
        };
        self.aggregate(TRADES[11], &table.tiers, &expensive);
        if held == Held::Plain {
            self.files(&table);
        }
    }

    fn files(&self, table: &Table) {
        let codecs: [Arc<dyn Codec>; 3] =
            [Arc::new(PlainCodec::new()), Arc::new(ZstdCodec::new()), Arc::new(GorillaCodec::new())];
        for (number, codec) in codecs.into_iter().enumerate() {
            let wanted = [TRADES[12 + number], TRADES[15 + number], TRADES[18]];
            if !self.wants_of(&wanted) {
                continue;
            }
            let files = Files::new(&self.runtime, table, codec);
            self.line(TRADES[12 + number], &files.tiers, |tier| {
                self.runtime.block_on(async {
                    let some = &table.segments[..5];
                    for segment in some {
                        let source = files.store.open(&segment.meta, &table.schema).await.unwrap().unwrap();
                        tier.put(Arc::new(source)).await.unwrap();
                    }
                    let rows = tier.usage().rows as usize;
                    let named =
                        some.iter().map(|s| StoredSegment { id: s.meta.id, record: s.record.clone() });
                    tier.remove(&named.collect::<Vec<_>>()).await.unwrap();
                    rows
                })
            });
            let predicate = Some(compare(VOLUME, Comparison::Equal, Value::Int(500)));
            self.scan(TRADES[15 + number], &files.tiers, &ScanRequest { predicate, ..table.scan(&[]) });
            if number == 1 {
                let hour = |comparison, hour: i64| compare(TIME, comparison, Value::Int(hour * 60 * MINUTE));
                let (from, upto) = (hour(Comparison::GreaterOrEqual, 10), hour(Comparison::Less, 11));
                let predicate = Some(Predicate::And(vec![named(&["SYM000"]), from, upto]));
                let all = [TIME, NAME, PRICE, VOLUME, SIDE];
                self.scan(TRADES[18], &files.tiers, &ScanRequest { predicate, ..table.scan(&all) });
            }
        }
    }

    fn metrics(&self, held: Held) {
        let table = Table::new(&self.runtime, metrics(), held);
        let names: Vec<String> = (0..100).map(|series| format!("host-{:04}", series * 10)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let some = ScanRequest { predicate: Some(named(&names)), ..table.scan(&[TIME, NAME, PRICE]) };
        self.scan(METRICS[0], &table.tiers, &some);
        let minute = [
            (Function::Count, PRICE),
            (Function::Sum, PRICE),
            (Function::Min, PRICE),
            (Function::Max, PRICE),
        ];
        self.aggregate(METRICS[1], &table.tiers, &table.aggregate(&minute, true));
        let last = [(Function::Last, PRICE)];
        self.aggregate(METRICS[2], &table.tiers, &table.aggregate(&last, false));
    }
}

fn main() {
    let only = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let runs = std::env::var("BENCH_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(9).max(1);
    let report = Report { runtime: Runtime::new(None).unwrap(), only, runs };
    for held in [Held::Plain, Held::Gorilla] {
        if report.wants_of(TRADES) {
            report.trades(held);
        }
        if report.wants_of(METRICS) {
            report.metrics(held);
        }
    }
}
