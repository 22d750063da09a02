//! Segments on a tier: what the kernels of its requests take where columns stay encoded, and where segments are many and small.

use std::sync::Arc;
use std::time::Instant;

use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, TimestampNanosecondArray};
use async_trait::async_trait;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use tsds_codec_gorilla::{GorillaCodec, ModeChoice};
use tsds_traits::{
    Aggregate, AggregatePlan, AggregateRequest, BlockLayout, ColumnId, Comparison, EncodedColumn, Function,
    Predicate, Put, Result, ScanRequest, SegmentHandle, SegmentId, SegmentMeta, SegmentSource, SortKey,
    TableSchema, Tier, Value,
};

use super::super::tier::source::Blocks;
use super::super::{Bench, Numbers, Subject};
use super::recorder::{Recorder, Steps};
use super::report::{CLASSIC, FUSED, Measured, Report, SMALL};
use super::{Timer, median};
use crate::DeviceTier;
use crate::kernel::Kernel;

/// Rows of a large segment, and of its encoded blocks.
const SEGMENT_ROWS: usize = 1_000_000;
const BLOCK_ROWS: usize = 16_384;
/// Small segments hold no more rows than this together.
const SMALL_ROWS: usize = 990_000;
const SMALL_SEGMENTS: usize = 100;
/// How often a request over them is timed.
const REQUESTS: usize = 31;
/// The columns.
const TIME: ColumnId = ColumnId(1);
const PRICE: ColumnId = ColumnId(2);

/// Numbers of the second column go up and down between these.
const LEAST: i64 = 10_000;
const MOST: i64 = 30_000;
/// One row of so many has the highest.
const RARE: usize = 10_007;

/// A tier with segments on it.
pub(super) struct Resident<S: Subject> {
    tier: Arc<DeviceTier<Arc<Recorder<S::Device>>>>,
    recorder: Arc<Recorder<S::Device>>,
    segments: Vec<SegmentHandle>,
    schema: Arc<TableSchema>,
    /// How long it took to put them there, until the device had all of it, and how much they take.
    pub(super) put_seconds: f64,
    pub(super) bytes: u64,
    pub(super) rows: usize,
}

/// Asks for something, and says how much came.
type Request<'a, S> = &'a dyn Fn(&Resident<S>) -> usize;

/// The same rows again, as another segment.
#[derive(Debug)]
struct Copied {
    meta: Arc<SegmentMeta>,
    schema: Arc<TableSchema>,
    batch: RecordBatch,
    /// Of each column; `None` where nothing is encoded.
    encoded: Option<Arc<Vec<EncodedColumn>>>,
}

#[async_trait]
impl SegmentSource for Copied {
    fn meta(&self) -> &Arc<SegmentMeta> {
        &self.meta
    }

    fn schema(&self) -> &Arc<TableSchema> {
        &self.schema
    }

    fn batches(&self) -> BoxStream<'static, Result<RecordBatch>> {
        stream::iter([Ok(self.batch.clone())]).boxed()
    }

    fn layout(&self, column: ColumnId) -> Result<Option<Vec<BlockLayout>>> {
        let own = self.encoded.as_ref().map(|all| &all[self.schema.index_of(column).unwrap()]);
        Ok(own.map(|own| own.blocks.iter().map(|block| block.layout.clone()).collect()))
    }

    async fn blocks(&self, column: ColumnId, _: std::ops::Range<u64>) -> Result<Option<EncodedColumn>> {
        Ok(self.encoded.as_ref().map(|all| all[self.schema.index_of(column).unwrap()].clone()))
    }
}

/// Times, and numbers that walk, divided by `divisor`.
fn columns(rows: usize, divisor: f64) -> [(&'static str, ArrayRef); 2] {
    let times = TimestampNanosecondArray::from_iter_values((0..rows as i64).map(|row| row * 1_000_000_000));
    let (mut numbers, mut place) = (Numbers(7), (LEAST + MOST) / 2);
    let prices = Float64Array::from_iter_values((1..=rows).map(|row| {
        place = (place + numbers.below(41) as i64 - 20).clamp(LEAST, MOST);
        // Every segment has one of the few that a filter looks for.
        let is_one = row == rows || row % RARE == 0;
        if is_one { MOST as f64 / divisor } else { place as f64 / divisor }
    }));
    [("time", Arc::new(times)), ("price", Arc::new(prices))]
}

/// Of how many segments, of how many rows each, encoded by what.
pub(super) struct Shape {
    pub(super) segments: usize,
    pub(super) rows: usize,
    pub(super) codec: Option<GorillaCodec>,
    pub(super) divisor: f64,
}

impl Shape {
    /// Large segments of so many rows together.
    pub(super) fn large(rows: usize, codec: Option<GorillaCodec>, divisor: f64) -> Self {
        let of_each = rows.min(SEGMENT_ROWS);
        Self { segments: rows / of_each, rows: of_each, codec, divisor }
    }
}

impl<S: Subject> Resident<S> {
    pub(super) fn new(bench: &Bench<S>, shape: Shape) -> Self {
        let source = Blocks::new(1, &columns(shape.rows, shape.divisor), &[BLOCK_ROWS]);
        let (schema, batch) = (Arc::clone(&source.schema), source.batch.clone());
        let meta = SegmentMeta {
            plain_bytes: batch.columns().iter().map(|column| column.get_buffer_memory_size() as u64).sum(),
            ..(**source.meta()).clone()
        };
        let encoded = shape.codec.map(|codec| {
            let source = source.encoded_by(vec![codec]);
            let of = |column| bench.runtime.block_on(source.blocks(column, 0..shape.rows as u64));
            Arc::new([TIME, PRICE].map(|column| of(column).unwrap().unwrap()).to_vec())
        });
        // A quarter is for what requests compute.
        let limit = (256 << 20).max(shape.segments as u64 * meta.plain_bytes * 2);
        let recorder = Recorder::new(&bench.device);
        let tier = DeviceTier::new(bench.subject.name(), bench.world(), Arc::clone(&recorder), limit);
        let sources: Vec<Arc<dyn SegmentSource>> = (1..=shape.segments as u64)
            .map(|id| {
                let meta = Arc::new(SegmentMeta { id: SegmentId::new(id), ..meta.clone() });
                let (schema, batch, encoded) = (Arc::clone(&schema), batch.clone(), encoded.clone());
                Arc::new(Copied { meta, schema, batch, encoded }) as Arc<dyn SegmentSource>
            })
            .collect();
        let segments = sources
            .iter()
            .map(|source| SegmentHandle { meta: Arc::clone(source.meta()), record: bytes::Bytes::new() })
            .collect();
        let rows = shape.segments * shape.rows;
        let mut resident = Self { tier, recorder, segments, schema, put_seconds: 0.0, bytes: 0, rows };
        let start = Instant::now();
        for source in sources {
            let put = bench.runtime.block_on(resident.tier.put(source)).unwrap();
            assert!(matches!(put, Put::Stored(_)), "{put:?}");
        }
        // Its answer comes after what was written before.
        let last = resident.segments.last().cloned().into_iter().collect();
        let one = ScanRequest { limit: Some(1), ..resident.scan_of(last) };
        assert_eq!(resident.answer(bench, one), 1);
        resident.put_seconds = start.elapsed().as_secs_f64();
        resident.bytes = resident.tier.usage().bytes;
        resident
    }

    fn scan_of(&self, segments: Vec<SegmentHandle>) -> ScanRequest {
        ScanRequest::new(Arc::clone(&self.schema), segments, vec![TIME, PRICE])
    }

    /// The rows with the highest price, which few have, but nothing rules out.
    fn filter(&self, divisor: f64) -> ScanRequest {
        let value = Value::F64(MOST as f64 / divisor);
        let predicate = Predicate::Compare { column: PRICE, comparison: Comparison::GreaterOrEqual, value };
        ScanRequest { predicate: Some(predicate), ..self.scan_of(self.segments.clone()) }
    }

    /// Runs a scan, and counts what it returns.
    fn answer(&self, bench: &Bench<S>, request: ScanRequest) -> usize {
        let batches: Vec<_> =
            bench.runtime.block_on(Arc::clone(&self.tier).scan(request).try_collect()).unwrap();
        batches.iter().map(|batch| batch.rows.num_rows()).sum()
    }

    /// Sums prices.
    fn sum(&self, bench: &Bench<S>) -> usize {
        let aggregates = vec![Aggregate { function: Function::Sum, column: Some(PRICE) }];
        let plan = AggregatePlan { group_by: Vec::new(), bucket: None, aggregates };
        let request = AggregateRequest::new(Arc::clone(&self.schema), self.segments.clone(), plan);
        let states: Vec<_> =
            bench.runtime.block_on(Arc::clone(&self.tier).aggregate(request).try_collect()).unwrap();
        states.len()
    }

    /// What a kernel of a request takes, all its launches together.
    fn kernel(
        &self,
        timer: &Timer<'_, S>,
        kernel: Kernel,
        ask: impl FnOnce(&Self) -> usize,
    ) -> Option<Measured> {
        self.recorder.take();
        assert!(ask(self) > 0, "the request finds nothing");
        let steps = self.recorder.take_launches(kernel);
        let seconds = (!steps.is_empty()).then(|| timer.seconds(&steps))?;
        Some(Measured { seconds, rows: self.rows as u64, bytes: 8 * self.rows as u64 })
    }
}

/// What decodes as it goes, over so many rows: bytes are of the values, as if they had been there.
pub(super) fn encoded<S: Subject>(timer: &Timer<'_, S>, rows: usize, report: &mut Report) {
    let bench = timer.bench;
    let decimals = Resident::new(bench, Shape::large(rows, Some(GorillaCodec::new()), 100.0));
    report.found("decimals and times, encoded", decimals.bytes as f64 / decimals.rows as f64, "B/row");
    let filter = |on: &Resident<S>| on.answer(bench, on.filter(100.0));
    if let Some(found) = decimals.kernel(timer, Kernel::MaskEncoded, filter) {
        report.ran(FUSED, found);
        report.settle(FUSED, report.of_copy(found.bytes_per_s()));
    }
    let top = |on: &Resident<S>| {
        let order = vec![SortKey { column: PRICE, descending: true, nulls_first: false }];
        on.answer(bench, ScanRequest { order, limit: Some(10), ..on.scan_of(on.segments.clone()) })
    };
    if let Some(found) = decimals.kernel(timer, Kernel::Decode, top) {
        report.ran("decoding decimals", found);
    }
    drop(decimals);
    // Quarters of small numbers, as the paper's codes are made for.
    let classic = GorillaCodec::with_choice(ModeChoice::Classic { lanes_log2: 0 });
    let classic = Resident::new(bench, Shape::large(rows, Some(classic), 4.0));
    report.found("quarters and times in classic codes", classic.bytes as f64 / classic.rows as f64, "B/row");
    let filter = |on: &Resident<S>| on.answer(bench, on.filter(4.0));
    if let Some(found) = classic.kernel(timer, Kernel::DecodeClassic, filter) {
        report.ran(CLASSIC, found);
        report.settle(CLASSIC, found.rows_per_s() / 1e9);
    }
}

/// What requests over small segments take beside the kernels that they run, and over the same rows in one.
///
/// That a device has work, as the tier counts it, includes handing work over and hearing of its end: kernels are timed by running
/// the same works again, so often that this counts for nothing.
pub(super) fn small<S: Subject>(timer: &Timer<'_, S>, rows: usize, report: &mut Report) {
    let rows = rows.min(SMALL_ROWS) / SMALL_SEGMENTS * SMALL_SEGMENTS;
    let (mut worst, mut is_sound) = (0.0_f64, true);
    for segments in [SMALL_SEGMENTS, 1] {
        let codec = Some(GorillaCodec::new());
        let shape = Shape { segments, rows: rows / segments, codec, divisor: 100.0 };
        let resident = Resident::new(timer.bench, shape);
        let filter = |on: &Resident<S>| on.answer(timer.bench, on.filter(100.0));
        let sum = |on: &Resident<S>| on.sum(timer.bench);
        let requests: [(&str, Request<'_, S>); 2] = [("filter", &filter), ("sum", &sum)];
        for (name, ask) in requests {
            ask(&resident);
            resident.recorder.take();
            ask(&resident);
            let works = resident.recorder.take();
            let kernels: f64 = works
                .iter()
                .filter(|steps| !steps.is_empty())
                .map(|steps: &Steps<_>| timer.seconds(steps))
                .sum();
            let whole = median(REQUESTS, || assert!(ask(&resident) > 0)).as_secs_f64();
            resident.recorder.take();
            let beside = whole - kernels;
            let name = format!("{name}, {segments} segments of {}", rows / segments);
            report.found(&name, whole * 1e6, "us");
            report.found(&format!("  its kernels, in {} works", works.len()), kernels * 1e6, "us");
            report.found("  beside them", beside * 1e6, "us");
            if segments == SMALL_SEGMENTS {
                worst = worst.max(beside * 1e6);
                // Where kernels take longer by themselves, something else took turns with them.
                is_sound &= beside > 0.0;
            }
        }
    }
    if is_sound {
        report.settle(SMALL, worst);
    }
}
