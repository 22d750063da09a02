//! The cold tier on real files: `cargo bench -p tsds-cold-parquet`. Items are rows.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::{Arc, OnceLock};

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow_schema::{DataType, TimeUnit};
use async_trait::async_trait;
use divan::Bencher;
use divan::counter::ItemsCount;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tsds_cold_parquet::{ParquetSettings, ParquetTier, VfsObjectStore};
use tsds_compute::{Aggregator, SegmentDescriber};
use tsds_io::Runtime;
use tsds_traits::{
    Aggregate, AggregatePlan, AggregateRequest, BlockLayout, BuildContext, ChunkRange, CodecSet, Column,
    ColumnId, Comparison, DatabaseId, EncodedColumn, Function, KeyDomain, Predicate, Put, Result,
    ScanRequest, SchemaVersion, SegmentHandle, SegmentId, SegmentMeta, SegmentSource, Sequence,
    SequenceInterval, SortKey, StoredSegment, TableId, TableSchema, Tier, TimeBucket, Value,
};

fn main() {
    divan::main();
}

const TIME: ColumnId = ColumnId(1);
const SYMBOL: ColumnId = ColumnId(2);
const PRICE: ColumnId = ColumnId(3);
const SIZE: ColumnId = ColumnId(4);
const SYMBOLS: usize = 500;

/// Eight columns of trades and quotes.
fn schema() -> Arc<TableSchema> {
    let column =
        |id, name: &str, data_type| Column { id, name: name.into(), data_type, nullable: id != TIME };
    let text = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let mut columns = vec![
        column(TIME, "time", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        column(SYMBOL, "symbol", text.clone()),
        column(PRICE, "price", DataType::Float64),
        column(SIZE, "size", DataType::Int64),
        column(ColumnId(5), "bid", DataType::Float64),
        column(ColumnId(6), "ask", DataType::Float64),
        column(ColumnId(7), "venue", text),
        column(ColumnId(8), "signal", DataType::Float64),
    ];
    columns[0].nullable = false;
    Arc::new(TableSchema::new(TableId(1), SchemaVersion(1), columns, TIME, &[SYMBOL]).unwrap())
}

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }
}

#[derive(Debug)]
struct Trades {
    meta: Arc<SegmentMeta>,
    schema: Arc<TableSchema>,
    batches: Vec<RecordBatch>,
}

/// A day of trades, sorted by symbol and time, in batches of 65,536 rows.
fn trades(id: u64, rows: usize) -> Arc<Trades> {
    let per_symbol = rows.div_ceil(SYMBOLS);
    let step = 86_400_000_000 / per_symbol as i64;
    let mut numbers = Numbers(id + 0x9e37_79b9);
    let symbols: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..SYMBOLS).map(|symbol| format!("SYM{symbol:05}"))));
    let venues: ArrayRef = Arc::new(StringArray::from(vec!["XNAS", "XNYS", "BATS", "ARCX"]));
    let (mut tick, mut signal) = (10_000i64, 0.0f64);
    let schema = schema();
    let mut batches = Vec::new();
    let mut describer = SegmentDescriber::new(&schema);
    for start in (0..rows).step_by(65_536) {
        let range = start..(start + 65_536).min(rows);
        let mut times = Vec::new();
        let (mut codes, mut venue_codes) = (Vec::new(), Vec::new());
        let (mut prices, mut sizes, mut bids, mut asks, mut signals) =
            (vec![], vec![], vec![], vec![], vec![]);
        for row in range {
            let base = (row % per_symbol) as i64 * step;
            times.push(base + (numbers.next() % step.unsigned_abs()) as i64);
            codes.push((row / per_symbol) as i32);
            venue_codes.push((numbers.next() % 4) as i32);
            tick += (numbers.next() % 7) as i64 - 3;
            signal += numbers.next() as f64 / (1u64 << 53) as f64 - 0.5;
            prices.push(tick as f64 / 100.0);
            bids.push((tick - 1) as f64 / 100.0);
            asks.push((tick + 1) as f64 / 100.0);
            sizes.push((numbers.next() % 50) as i64 * 100);
            signals.push(signal);
        }
        let coded = |codes: Vec<i32>, values: &ArrayRef| -> ArrayRef {
            Arc::new(DictionaryArray::<Int32Type>::new(Int32Array::from(codes), Arc::clone(values)))
        };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC")),
            coded(codes, &symbols),
            Arc::new(Float64Array::from(prices)),
            Arc::new(Int64Array::from(sizes)),
            Arc::new(Float64Array::from(bids)),
            Arc::new(Float64Array::from(asks)),
            coded(venue_codes, &venues),
            Arc::new(Float64Array::from(signals)),
        ];
        let batch = RecordBatch::try_new(Arc::clone(schema.arrow()), columns).unwrap();
        describer.push(&batch).unwrap();
        batches.push(batch);
    }
    let interval = SequenceInterval::new(Sequence(id), Sequence(id + 1));
    let chunk = ChunkRange { start: 0, end: 86_400 };
    let meta = Arc::new(describer.finish(SegmentId::new(id), chunk, KeyDomain(0), interval).unwrap());
    Arc::new(Trades { meta, schema, batches })
}

#[async_trait]
impl SegmentSource for Trades {
    fn meta(&self) -> &Arc<SegmentMeta> {
        &self.meta
    }

    fn schema(&self) -> &Arc<TableSchema> {
        &self.schema
    }

    fn batches(&self) -> BoxStream<'static, Result<RecordBatch>> {
        stream::iter(self.batches.clone()).map(Ok).boxed()
    }

    fn layout(&self, _: ColumnId) -> Result<Option<Vec<BlockLayout>>> {
        Ok(None)
    }

    async fn blocks(&self, _: ColumnId, _: std::ops::Range<u64>) -> Result<Option<EncodedColumn>> {
        Ok(None)
    }
}

/// A tier in a temporary directory.
struct Setup {
    runtime: Runtime,
    tier: Arc<ParquetTier>,
    handles: Vec<SegmentHandle>,
    rows: usize,
    _directory: tempfile::TempDir,
}

fn empty() -> Setup {
    let directory = tempfile::tempdir().unwrap();
    let runtime = Runtime::new(Some(2)).unwrap();
    let world = runtime.world();
    let store = Arc::new(VfsObjectStore::new(world.clone(), directory.path().join("cold")));
    let codecs = Arc::new(CodecSet::default());
    let context = BuildContext::new(world, DatabaseId([1; 16]), directory.path().join("cold"), codecs);
    let tier = ParquetTier::new(store, ParquetSettings::default(), context).unwrap();
    Setup { runtime, tier, handles: Vec::new(), rows: 0, _directory: directory }
}

impl Setup {
    fn put(&self, source: &Arc<Trades>) -> SegmentHandle {
        let put = self.runtime.block_on(self.tier.put(Arc::clone(source) as Arc<dyn SegmentSource>));
        let Put::Stored(stored) = put.unwrap() else { panic!("declined") };
        SegmentHandle { meta: Arc::clone(&source.meta), record: stored.record }
    }
}

/// Ten million rows in two files.
fn ten_million() -> &'static Setup {
    static SETUP: OnceLock<Setup> = OnceLock::new();
    SETUP.get_or_init(|| {
        let mut setup = empty();
        for id in [1, 2] {
            let source = trades(id, 5_000_000);
            setup.handles.push(setup.put(&source));
            setup.rows += 5_000_000;
        }
        let bytes = setup.tier.usage().bytes;
        let file_rows = setup.rows as f64;
        // Divan owns the standard output; the size belongs beside the times.
        std::io::Write::write_all(
            &mut std::io::stderr(),
            format!("10M rows of 8 columns: {bytes} bytes, {:.2} per row\n", bytes as f64 / file_rows)
                .as_bytes(),
        )
        .unwrap();
        setup
    })
}

/// Encode, hash, write, sync, publish, read back from the disk and verify.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn put_one_million_rows(bencher: Bencher<'_, '_>) {
    let setup = empty();
    let source = trades(9, 1_000_000);
    bencher.counter(ItemsCount::new(1_000_000usize)).bench_local(|| {
        let handle = setup.put(&source);
        let stored = StoredSegment { id: handle.meta.id, record: handle.record };
        setup.runtime.block_on(setup.tier.remove(&[stored])).unwrap();
    });
}

fn states(setup: &Setup, plan: &AggregatePlan) -> Vec<RecordBatch> {
    let (segments, plan) = (setup.handles.clone(), plan.clone());
    let request = AggregateRequest::new(schema(), segments, plan);
    setup.runtime.block_on(Arc::clone(&setup.tier).aggregate(request).try_collect()).unwrap()
}

/// As the engine does it: states of all files become one result.
fn merged(setup: &Setup, plan: &AggregatePlan) -> usize {
    let mut merged = Aggregator::new(schema(), plan.clone()).unwrap();
    states(setup, plan).iter().for_each(|batch| merged.merge_states(batch).unwrap());
    merged.groups()
}

fn minutes_per_symbol() -> AggregatePlan {
    let aggregate = |function| Aggregate { function, column: Some(PRICE) };
    AggregatePlan {
        group_by: vec![SYMBOL],
        bucket: Some(TimeBucket::Units { width: 60_000_000, origin: 0 }),
        aggregates: vec![aggregate(Function::Avg), aggregate(Function::Max)],
    }
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn aggregate_minutes_per_symbol(bencher: Bencher<'_, '_>) {
    let setup = ten_million();
    let plan = minutes_per_symbol();
    bencher.counter(ItemsCount::new(setup.rows)).bench_local(|| states(setup, &plan));
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn aggregate_minutes_per_symbol_merged(bencher: Bencher<'_, '_>) {
    let setup = ten_million();
    let plan = minutes_per_symbol();
    bencher.counter(ItemsCount::new(setup.rows)).bench_local(|| merged(setup, &plan));
}

/// Hours in place of minutes: few groups, so that decoding and folding are what is measured.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn aggregate_hours_per_symbol(bencher: Bencher<'_, '_>) {
    let setup = ten_million();
    let bucket = Some(TimeBucket::Units { width: 3_600_000_000, origin: 0 });
    let plan = AggregatePlan { bucket, ..minutes_per_symbol() };
    bencher.counter(ItemsCount::new(setup.rows)).bench_local(|| merged(setup, &plan));
}

fn run_scan(setup: &Setup, request: ScanRequest) -> usize {
    let stream = Arc::clone(&setup.tier).scan(request);
    let rows = stream.try_fold(0, |rows, batch| async move { Ok(rows + batch.rows.num_rows()) });
    setup.runtime.block_on(rows).unwrap()
}

fn request(setup: &Setup, projection: Vec<ColumnId>) -> ScanRequest {
    ScanRequest::new(schema(), setup.handles.clone(), projection)
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn scan_three_columns(bencher: Bencher<'_, '_>) {
    let setup = ten_million();
    bencher
        .counter(ItemsCount::new(setup.rows))
        .bench_local(|| run_scan(setup, request(setup, vec![TIME, SYMBOL, PRICE])));
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn scan_one_symbol(bencher: Bencher<'_, '_>) {
    let setup = ten_million();
    let value = Value::Text("SYM00250".into());
    let predicate = Some(Predicate::Compare { column: SYMBOL, comparison: Comparison::Equal, value });
    bencher.counter(ItemsCount::new(setup.rows)).bench_local(|| {
        run_scan(setup, ScanRequest { predicate: predicate.clone(), ..request(setup, vec![TIME, PRICE]) })
    });
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn scan_rare_matches(bencher: Bencher<'_, '_>) {
    let setup = ten_million();
    let rare = Predicate::Compare { column: SIZE, comparison: Comparison::Greater, value: Value::Int(4_850) };
    bencher.counter(ItemsCount::new(setup.rows)).bench_local(|| {
        run_scan(setup, ScanRequest { predicate: Some(rare.clone()), ..request(setup, vec![TIME, PRICE]) })
    });
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn scan_latest_hundred(bencher: Bencher<'_, '_>) {
    let setup = ten_million();
    let order = vec![SortKey { column: TIME, descending: true, nulls_first: false }];
    bencher.counter(ItemsCount::new(setup.rows)).bench_local(|| {
        let projection = vec![TIME, SYMBOL, PRICE];
        run_scan(setup, ScanRequest { order: order.clone(), limit: Some(100), ..request(setup, projection) })
    });
}
