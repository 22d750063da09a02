//! The tables of the benchmark.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow_schema::{DataType, TimeUnit};
use futures::TryStreamExt;
use futures::future::BoxFuture;
use tsds_codec_gorilla::GorillaCodec;
use tsds_compute::{describe_segment, sort_for_segment};
use tsds_io::Runtime;
use tsds_segment::{MemorySource, PlainCodec, SegmentStore, ZstdCodec};
use tsds_traits::{
    Aggregate, AggregatePlan, AggregateRequest, BuildContext, ChunkRange, Codec, CodecSet, Column, ColumnId,
    DatabaseId, Executor, Function, KeyDomain, ScanRequest, SchemaVersion, SegmentHandle, SegmentId,
    SegmentSource, Sequence, SequenceInterval, TableId, TableSchema, Tier, TimeBucket, World,
};
use tsds_warm_cpu::{CpuSettings, CpuTier};

pub(crate) const ROWS: usize = 10_000_000;
pub(crate) const SEGMENT_ROWS: usize = 262_144;
pub(crate) const DATABASE: DatabaseId = DatabaseId([0; 16]);
pub(crate) const DAY: i64 = 86_400;
pub(crate) const MINUTE: i64 = 60_000_000_000;

pub(crate) const TIME: ColumnId = ColumnId(1);
pub(crate) const NAME: ColumnId = ColumnId(2);
pub(crate) const PRICE: ColumnId = ColumnId(3);
pub(crate) const VOLUME: ColumnId = ColumnId(4);
pub(crate) const SIDE: ColumnId = ColumnId(5);

/// Gives the tier one worker.
#[derive(Debug)]
pub(crate) struct OneCore(Arc<dyn Executor>);

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

/// How segments are pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// As arrays.
    Plain,
    /// In blocks of `tsds.gorilla`.
    Gorilla,
}

/// A table whose segments are pinned in a tier with one worker and in one with all.
pub(crate) struct Table {
    pub(crate) schema: Arc<TableSchema>,
    pub(crate) segments: Vec<SegmentHandle>,
    pub(crate) sources: Vec<MemorySource>,
    pub(crate) tiers: [Arc<CpuTier>; 2],
}

/// Files of a table, and tiers over them in which nothing is pinned.
pub(crate) struct Files {
    pub(crate) store: SegmentStore,
    pub(crate) tiers: [Arc<CpuTier>; 2],
    _directory: tempfile::TempDir,
}

impl Table {
    pub(crate) fn new(runtime: &Runtime, batches: impl Iterator<Item = Vec<ArrayRef>>, held: Held) -> Self {
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
        let tiers = tiers(runtime, None);
        let directory = tempfile::tempdir().unwrap();
        let gorilla = Arc::new(GorillaCodec::new());
        let store = SegmentStore::new(runtime.world(), directory.path().into(), DATABASE, codecs(), gorilla);
        let (mut segments, mut sources) = (Vec::new(), Vec::new());
        for (number, arrays) in batches.enumerate() {
            let typed = arrays.iter().zip(schema.columns());
            let typed = typed.map(|(array, column)| tsds_compute::conform(array, &column.data_type).unwrap());
            let batch = RecordBatch::try_new(schema.arrow().clone(), typed.collect()).unwrap();
            let sorted = sort_for_segment(&schema, &[batch]).unwrap();
            let interval = SequenceInterval::new(Sequence(number as u64), Sequence(number as u64 + 1));
            let (id, chunk) = (SegmentId::new(number as u64 + 1), ChunkRange { start: 0, end: 2 * DAY });
            let meta =
                Arc::new(describe_segment(&schema, id, chunk, KeyDomain(0), interval, &sorted).unwrap());
            let rows = vec![sorted.batch];
            let source = MemorySource::new(meta.clone(), schema.clone(), rows.clone()).unwrap();
            let put: Arc<dyn SegmentSource> = match held {
                Held::Plain => Arc::new(source.clone()),
                Held::Gorilla => {
                    let write = store.write(&meta, &schema, rows, sorted.run_starts.into());
                    runtime.block_on(write).unwrap();
                    Arc::new(runtime.block_on(store.open(&meta, &schema)).unwrap().unwrap())
                }
            };
            for tier in &tiers {
                runtime.block_on(tier.put(Arc::clone(&put))).unwrap();
            }
            sources.push(source);
            segments.push(SegmentHandle { meta, record: bytes::Bytes::new() });
        }
        println!("{held:?}: {:.2} bytes a row pinned", tiers[0].usage().bytes as f64 / ROWS as f64);
        Self { schema, segments, sources, tiers }
    }

    pub(crate) fn scan(&self, projection: &[ColumnId]) -> ScanRequest {
        ScanRequest::new(self.schema.clone(), self.segments.clone(), projection.to_vec())
    }

    pub(crate) fn aggregate(&self, functions: &[(Function, ColumnId)], bucket: bool) -> AggregateRequest {
        let aggregates = functions
            .iter()
            .map(|(function, column)| Aggregate { function: *function, column: Some(*column) });
        let bucket = bucket.then_some(TimeBucket::Units { width: MINUTE, origin: 0 });
        let plan = AggregatePlan { group_by: vec![NAME], bucket, aggregates: aggregates.collect() };
        AggregateRequest::new(self.schema.clone(), self.segments.clone(), plan)
    }
}

pub(crate) fn world(runtime: &Runtime, one_core: bool) -> World {
    let world = runtime.world();
    match one_core {
        true => World { executor: Arc::new(OneCore(world.executor.clone())), ..world },
        false => world,
    }
}

pub(crate) fn tiers(runtime: &Runtime, files: Option<&SegmentStore>) -> [Arc<CpuTier>; 2] {
    [world(runtime, true), world(runtime, false)].map(|world| {
        let context = BuildContext::new(world, DATABASE, "/nowhere".into(), codecs());
        let context = match files {
            Some(files) => context.with_segment_files(Arc::new(files.clone())),
            None => context,
        };
        CpuTier::new(CpuSettings::default(), context).unwrap()
    })
}

pub(crate) fn codecs() -> Arc<CodecSet> {
    let built: [Arc<dyn Codec>; 3] =
        [Arc::new(PlainCodec::new()), Arc::new(ZstdCodec::new()), Arc::new(GorillaCodec::new())];
    Arc::new(built.into_iter().try_fold(CodecSet::default(), CodecSet::with).unwrap())
}

impl Files {
    pub(crate) fn new(runtime: &Runtime, table: &Table, codec: Arc<dyn Codec>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = SegmentStore::new(runtime.world(), directory.path().into(), DATABASE, codecs(), codec);
        let write = async {
            for source in &table.sources {
                let batches: Vec<_> = source.batches().try_collect().await.unwrap();
                let sorted = sort_for_segment(&table.schema, &batches).unwrap();
                let (meta, schema) = (source.meta(), source.schema());
                store.write(meta, schema, vec![sorted.batch], sorted.run_starts.into()).await.unwrap();
            }
        };
        runtime.block_on(write);
        Self { tiers: tiers(runtime, Some(&store)), store, _directory: directory }
    }
}

/// Numbers as good as random (SplitMix64).
pub(crate) struct Numbers(u64);

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
pub(crate) fn trades() -> impl Iterator<Item = Vec<ArrayRef>> {
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
pub(crate) fn metrics() -> impl Iterator<Item = Vec<ArrayRef>> {
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

pub(crate) fn columns<'a>(
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
