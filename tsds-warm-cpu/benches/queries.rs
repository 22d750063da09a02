//! Queries over 10 million pinned rows: trades of 100 symbols of very different frequency, and 1000 series of 10,000 points.
//!
//! `cargo bench -p tsds-warm-cpu`, or with parts of names behind `--` to run only some. Each line gives the median of several
//! runs (9, or as `BENCH_RUNS` says), on one core (one worker at a time) and on all.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stdout, clippy::disallowed_methods, clippy::disallowed_types)]

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow_schema::{DataType, TimeUnit};
use futures::TryStreamExt;
use futures::future::BoxFuture;
use tsds_compute::{describe_segment, sort_for_segment};
use tsds_io::Runtime;
use tsds_segment::{MemorySource, PlainCodec};
use tsds_traits::{
    Aggregate, AggregatePlan, AggregateRequest, BuildContext, ChunkRange, CodecSet, Column, ColumnId,
    Comparison, DatabaseId, Executor, Function, KeyDomain, Predicate, ScanRequest, SchemaVersion,
    SegmentHandle, SegmentId, Sequence, SequenceInterval, SortKey, TableId, TableSchema, Tier, TimeBucket,
    Value, World,
};
use tsds_warm_cpu::{CpuSettings, CpuTier};

const ROWS: usize = 10_000_000;
const SEGMENT_ROWS: usize = 262_144;
const DAY: i64 = 86_400;
const MINUTE: i64 = 60_000_000_000;

const TIME: ColumnId = ColumnId(1);
const NAME: ColumnId = ColumnId(2);
const PRICE: ColumnId = ColumnId(3);
const VOLUME: ColumnId = ColumnId(4);
const SIDE: ColumnId = ColumnId(5);

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
];

/// What is asked of the points.
const METRICS: &[&str] = &[
    "scan: all points of 100 of 1000 series",
    "aggregate: 1-minute buckets per series",
    "aggregate: last value per series",
];

/// Gives the tier one worker.
#[derive(Debug)]
struct OneCore(Arc<dyn Executor>);

impl Executor for OneCore {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.0.spawn(task);
    }

    fn spawn_blocking(&self, job: Box<dyn FnOnce() + Send + 'static>) {
        self.0.spawn_blocking(job);
    }

    fn parallelism(&self) -> usize {
        1
    }
}

/// A table whose segments are pinned in a tier with one worker and in one with all.
struct Table {
    schema: Arc<TableSchema>,
    segments: Vec<SegmentHandle>,
    tiers: [Arc<CpuTier>; 2],
}

impl Table {
    fn new(runtime: &Runtime, batches: impl Iterator<Item = Vec<ArrayRef>>) -> Self {
        let column = |id, name: &str, data_type| Column { id, name: name.into(), data_type, nullable: false };
        let text = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let columns = vec![
            column(TIME, "time", DataType::Timestamp(TimeUnit::Nanosecond, None)),
            column(NAME, "name", DataType::Utf8),
            column(PRICE, "price", DataType::Float64),
            column(VOLUME, "volume", DataType::Int64),
            column(SIDE, "side", text()),
        ];
        let schema =
            Arc::new(TableSchema::new(TableId(1), SchemaVersion(1), columns, TIME, &[NAME]).unwrap());
        let tiers = [world(runtime, true), world(runtime, false)].map(tier);
        let mut segments = Vec::new();
        for (number, arrays) in batches.enumerate() {
            let typed = arrays.iter().zip(schema.columns());
            let typed = typed.map(|(array, column)| tsds_compute::conform(array, &column.data_type).unwrap());
            let batch = RecordBatch::try_new(schema.arrow().clone(), typed.collect()).unwrap();
            let sorted = sort_for_segment(&schema, &[batch]).unwrap();
            let interval = SequenceInterval::new(Sequence(number as u64), Sequence(number as u64 + 1));
            let (id, chunk) = (SegmentId::new(number as u64 + 1), ChunkRange { start: 0, end: 2 * DAY });
            let meta =
                Arc::new(describe_segment(&schema, id, chunk, KeyDomain(0), interval, &sorted).unwrap());
            let source =
                Arc::new(MemorySource::new(meta.clone(), schema.clone(), vec![sorted.batch]).unwrap());
            for tier in &tiers {
                runtime.block_on(tier.put(source.clone())).unwrap();
            }
            segments.push(SegmentHandle { meta, record: bytes::Bytes::new() });
        }
        Self { schema, segments, tiers }
    }

    fn scan(&self, projection: &[ColumnId]) -> ScanRequest {
        ScanRequest::new(self.schema.clone(), self.segments.clone(), projection.to_vec())
    }

    fn aggregate(&self, functions: &[(Function, ColumnId)], bucket: bool) -> AggregateRequest {
        let aggregates = functions
            .iter()
            .map(|(function, column)| Aggregate { function: *function, column: Some(*column) });
        let bucket = bucket.then_some(TimeBucket::Units { width: MINUTE, origin: 0 });
        let plan = AggregatePlan { group_by: vec![NAME], bucket, aggregates: aggregates.collect() };
        AggregateRequest {
            schema: self.schema.clone(),
            segments: self.segments.clone(),
            predicate: None,
            plan,
        }
    }
}

fn world(runtime: &Runtime, one_core: bool) -> World {
    let world = runtime.world();
    match one_core {
        true => World { executor: Arc::new(OneCore(world.executor.clone())), ..world },
        false => world,
    }
}

fn tier(world: World) -> Arc<CpuTier> {
    let codecs = Arc::new(CodecSet::default().with(Arc::new(PlainCodec::new())).unwrap());
    let context = BuildContext::new(world, DatabaseId([0; 16]), "/nowhere".into(), codecs);
    CpuTier::new(CpuSettings::default(), context).unwrap()
}

/// Numbers as good as random (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A day of trades in order of arrival.
fn trades() -> impl Iterator<Item = Vec<ArrayRef>> {
    let mut numbers = Numbers(1);
    let names: Vec<String> = (0..100).map(|symbol| format!("SYM{symbol:03}")).collect();
    (0..ROWS).step_by(SEGMENT_ROWS).map(move |start| {
        let rows = SEGMENT_ROWS.min(ROWS - start);
        let step = DAY * 1_000_000_000 / ROWS as i64;
        let symbols: Vec<usize> = (0..rows).map(|_| (numbers.unit().powi(3) * 100.0) as usize).collect();
        let times = (start..start + rows).map(|row| row as i64 * step);
        let price =
            |symbol: &usize, n: &mut Numbers| ((*symbol as f64 + 1.0) * 10.0 + n.unit() * 10.0) * 100.0;
        let prices: Vec<f64> = symbols.iter().map(|s| price(s, &mut numbers).round() / 100.0).collect();
        let volumes: Vec<i64> = (0..rows).map(|_| 1 + (numbers.next() % 1_000) as i64).collect();
        let sides: Vec<&str> = (0..rows).map(|_| ["buy", "sell"][(numbers.next() % 2) as usize]).collect();
        columns(times, symbols.iter().map(|symbol| names[*symbol].as_str()), prices, volumes, sides)
    })
}

/// 1000 series, a point each every 10 s, in order of arrival.
fn metrics() -> impl Iterator<Item = Vec<ArrayRef>> {
    let mut numbers = Numbers(2);
    let names: Vec<String> = (0..1_000).map(|series| format!("host-{series:04}")).collect();
    (0..ROWS).step_by(SEGMENT_ROWS).map(move |start| {
        let rows = SEGMENT_ROWS.min(ROWS - start);
        let times = (start..start + rows).map(|row| row as i64 / 1_000 * 10_000_000_000);
        let series = (start..start + rows).map(|row| names[row % 1_000].as_str());
        let prices = (0..rows).map(|_| numbers.unit() * 100.0).collect();
        let volumes = (0..rows).map(|_| (numbers.next() % 100) as i64).collect();
        columns(times, series, prices, volumes, vec!["none"; rows])
    })
}

fn columns<'a>(
    times: impl Iterator<Item = i64>,
    names: impl Iterator<Item = &'a str>,
    prices: Vec<f64>,
    volumes: Vec<i64>,
    sides: Vec<&str>,
) -> Vec<ArrayRef> {
    vec![
        Arc::new(TimestampNanosecondArray::from_iter_values(times)),
        Arc::new(StringArray::from_iter_values(names)),
        Arc::new(Float64Array::from(prices)),
        Arc::new(Int64Array::from(volumes)),
        Arc::new(StringArray::from(sides)),
    ]
}

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

    fn scan(&self, name: &str, table: &Table, request: &ScanRequest) {
        self.line(name, table, |tier| {
            let batches: Vec<_> =
                self.runtime.block_on(tier.clone().scan(request.clone()).try_collect()).unwrap();
            batches.iter().map(|batch| batch.rows.num_rows()).sum()
        });
    }

    fn aggregate(&self, name: &str, table: &Table, request: &AggregateRequest) {
        self.line(name, table, |tier| {
            let stream = tier.clone().aggregate(request.clone());
            let states: Vec<_> = self.runtime.block_on(stream.try_collect()).unwrap();
            states.iter().map(|batch| batch.num_rows()).sum()
        });
    }

    fn line(&self, name: &str, table: &Table, run: impl Fn(&Arc<CpuTier>) -> usize) {
        if self.wants(name) {
            let [one, all] = &table.tiers;
            let (one, all) = (median(self.runs, || run(one)), median(self.runs, || run(all)));
            println!("{name:55} one core {one}   all {all}   {} rows out", all.rows);
        }
    }

    fn trades(&self) {
        let table = Table::new(&self.runtime, trades());
        let all = [TIME, NAME, PRICE, VOLUME, SIDE];
        let hour = |from: i64| {
            let bound = |comparison, hour: i64| compare(TIME, comparison, Value::Int(hour * 60 * MINUTE));
            [bound(Comparison::GreaterOrEqual, from), bound(Comparison::Less, from + 1)]
        };

        let nothing = Some(compare(VOLUME, Comparison::Equal, Value::Int(500)));
        self.scan(TRADES[0], &table, &ScanRequest { predicate: nothing, ..table.scan(&[]) });
        let half = Some(compare(VOLUME, Comparison::Greater, Value::Int(500)));
        self.scan(TRADES[1], &table, &ScanRequest { predicate: half.clone(), ..table.scan(&[]) });
        self.scan(TRADES[2], &table, &ScanRequest { predicate: half, ..table.scan(&[PRICE]) });
        self.scan(TRADES[3], &table, &table.scan(&[TIME, PRICE]));

        let [from, upto] = hour(10);
        let predicate = Some(Predicate::And(vec![named(&["SYM000"]), from, upto]));
        self.scan(TRADES[4], &table, &ScanRequest { predicate, ..table.scan(&all) });
        let order = |column, descending| vec![SortKey { column, descending, nulls_first: false }];
        let top = ScanRequest {
            predicate: Some(named(&["SYM000"])),
            order: order(PRICE, true),
            limit: Some(1_000),
            ..table.scan(&all)
        };
        self.scan(TRADES[5], &table, &top);
        let latest = ScanRequest { order: order(TIME, true), limit: Some(100), ..table.scan(&all) };
        self.scan(TRADES[6], &table, &latest);
        let in_order = ScanRequest {
            predicate: Some(named(&["SYM000"])),
            order: order(TIME, false),
            ..table.scan(&[TIME, PRICE])
        };
        self.scan(TRADES[7], &table, &in_order);
        let sorted = ScanRequest { order: order(TIME, false), ..table.scan(&[TIME, NAME, PRICE]) };
        self.scan(TRADES[8], &table, &sorted);

        let minute = [
            (Function::Count, PRICE),
            (Function::Sum, PRICE),
            (Function::Min, PRICE),
            (Function::Max, PRICE),
        ];
        self.aggregate(TRADES[9], &table, &table.aggregate(&minute, true));
        let last = [(Function::Last, PRICE)];
        self.aggregate(TRADES[10], &table, &table.aggregate(&last, false));
        let expensive = AggregateRequest {
            predicate: Some(Predicate::And(vec![
                named(&["SYM001", "SYM005", "SYM040"]),
                compare(PRICE, Comparison::Greater, Value::F64(25.0)),
            ])),
            ..table.aggregate(&[(Function::Count, PRICE), (Function::Sum, PRICE)], false)
        };
        self.aggregate(TRADES[11], &table, &expensive);
    }

    fn metrics(&self) {
        let table = Table::new(&self.runtime, metrics());
        let names: Vec<String> = (0..100).map(|series| format!("host-{:04}", series * 10)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let some = ScanRequest { predicate: Some(named(&names)), ..table.scan(&[TIME, NAME, PRICE]) };
        self.scan(METRICS[0], &table, &some);
        let minute = [
            (Function::Count, PRICE),
            (Function::Sum, PRICE),
            (Function::Min, PRICE),
            (Function::Max, PRICE),
        ];
        self.aggregate(METRICS[1], &table, &table.aggregate(&minute, true));
        let last = [(Function::Last, PRICE)];
        self.aggregate(METRICS[2], &table, &table.aggregate(&last, false));
    }
}

fn main() {
    let only = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let runs = std::env::var("BENCH_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(9).max(1);
    let report = Report { runtime: Runtime::new(None).unwrap(), only, runs };
    if report.wants_of(TRADES) {
        report.trades();
    }
    if report.wants_of(METRICS) {
        report.metrics();
    }
}
