//! Segments that are not pinned: what is read of their files, and what happens when they are gone or damaged.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::ops::Range;
use std::sync::{Arc, Mutex};

use arrow_array::RecordBatch;
use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use tsds_conformance::data::schemas;
use tsds_conformance::data::segments::{Row, Segment};
use tsds_io::SimWorld;
use tsds_segment::SegmentStore;
use tsds_traits::{
    BlockLayout, BuildContext, ColumnId, Comparison, EncodedColumn, ErrorKind, Predicate, ReadMeter, Result,
    ScanRequest, SegmentFiles, SegmentMeta, SegmentSource, SortKey, TableSchema, Tier, Value,
};
use tsds_warm_cpu::{CpuSettings, CpuTier};

use support::{handle, with_small_groups, write};

/// Which rows of which columns were read.
type Reads = Arc<Mutex<Vec<(ColumnId, Range<u64>)>>>;

/// Notes what is read.
#[derive(Clone, Debug)]
struct Watched {
    store: SegmentStore,
    reads: Reads,
    opened: Arc<Mutex<Vec<u64>>>,
}

#[derive(Debug)]
struct WatchedSource(Arc<dyn SegmentSource>, Watched);

#[async_trait]
impl SegmentFiles for Watched {
    async fn open(
        &self,
        meta: &Arc<SegmentMeta>,
        schema: &Arc<TableSchema>,
    ) -> Result<Option<Arc<dyn SegmentSource>>> {
        self.opened.lock().unwrap().push(meta.id.id);
        let source = SegmentFiles::open(&self.store, meta, schema).await?;
        Ok(source.map(|source| Arc::new(WatchedSource(source, self.clone())) as Arc<dyn SegmentSource>))
    }
}

#[async_trait]
impl SegmentSource for WatchedSource {
    fn meta(&self) -> &Arc<SegmentMeta> {
        self.0.meta()
    }

    fn schema(&self) -> &Arc<TableSchema> {
        self.0.schema()
    }

    fn batches(&self) -> BoxStream<'static, Result<RecordBatch>> {
        panic!("a segment with blocks is read by blocks")
    }

    fn layout(&self, column: ColumnId) -> Result<Option<Vec<BlockLayout>>> {
        self.0.layout(column)
    }

    async fn blocks(&self, column: ColumnId, rows: Range<u64>) -> Result<Option<EncodedColumn>> {
        self.1.reads.lock().unwrap().push((column, rows.clone()));
        self.0.blocks(column, rows).await
    }
}

struct Bench {
    machine: SimWorld,
    files: Watched,
    tier: Arc<CpuTier>,
}

impl Bench {
    fn new() -> Self {
        let machine = SimWorld::new(3);
        let store = support::store(machine.world(), "plain");
        let files = Watched { store, reads: Arc::default(), opened: Arc::default() };
        let context =
            BuildContext::new(machine.world(), support::DATABASE, "/db/warm".into(), support::codecs());
        let context = context.with_segment_files(Arc::new(files.clone()));
        let tier = CpuTier::new(CpuSettings::default(), context).unwrap();
        Self { machine, files, tier }
    }

    fn write(&self, segment: &Segment) {
        self.machine.block_on(write(&self.files.store, segment));
    }

    fn rows(&self, request: ScanRequest) -> usize {
        let stream = Arc::clone(&self.tier).scan(request);
        let batches: Vec<_> = self.machine.block_on(stream.try_collect()).unwrap();
        batches.iter().map(|batch| batch.rows.num_rows()).sum()
    }

    fn reads(&self) -> Vec<(ColumnId, Range<u64>)> {
        std::mem::take(&mut self.files.reads.lock().unwrap())
    }
}

/// Four hosts with 500 rows each, one a second: a block for each host. Values grow with time and host.
fn segment(number: u64) -> Segment {
    let row = |row: usize| -> Row {
        let (host, second) = (row / 500, row % 500);
        vec![
            Some(Value::Text(format!("host {host}"))),
            Some(Value::Int(second as i64 * 1_000_000)),
            Some(Value::F64((host * 1_000 + second) as f64)),
            Some(Value::Int(second as i64)),
        ]
    };
    Segment::new(&schemas::sensors().unwrap(), number, 0, (0..2_000).map(row).collect())
}

fn id(segment: &Segment, name: &str) -> ColumnId {
    segment.schema.column_named(name).unwrap().id
}

fn at_least(segment: &Segment, column: &str, value: Value) -> Predicate {
    Predicate::Compare { column: id(segment, column), comparison: Comparison::GreaterOrEqual, value }
}

fn request(segments: &[&Segment], projection: &[&str]) -> ScanRequest {
    let projection = projection.iter().map(|name| id(segments[0], name)).collect();
    ScanRequest::new(
        segments[0].schema.clone(),
        segments.iter().map(|segment| handle(segment)).collect(),
        projection,
    )
}

#[test]
fn only_columns_and_blocks_that_can_match_are_read() {
    let bench = Bench::new();
    let segment = segment(0);
    bench.write(&segment);
    let predicate = at_least(&segment, "value", Value::F64(3_490.0));
    let found = bench.rows(ScanRequest { predicate: Some(predicate), ..request(&[&segment], &["time"]) });
    assert_eq!(found, 10);
    assert_eq!(bench.reads(), [(id(&segment, "value"), 1_500..2_000), (id(&segment, "time"), 1_500..2_000)]);
}

#[test]
fn what_is_read_is_counted_for_whoever_asks() {
    let bench = Bench::new();
    let segment = segment(0);
    bench.write(&segment);
    let mut asked = request(&[&segment], &["time"]);
    asked.predicate = Some(at_least(&segment, "value", Value::F64(3_490.0)));
    asked.meter = ReadMeter::counting();
    let meter = asked.meter.clone();
    assert_eq!(bench.rows(asked), 10);
    let counts = meter.counts();
    // The last of four blocks of each of two columns.
    assert_eq!((counts.segments_opened, counts.blocks_read, counts.blocks_skipped), (1, 2, 6));
    assert_eq!(counts.requests, 2);
    assert!(counts.bytes_read > 0);
}

#[test]
fn blocks_that_match_as_a_whole_are_not_tested() {
    let bench = Bench::new();
    let segment = segment(0);
    bench.write(&segment);
    let predicate = at_least(&segment, "value", Value::F64(2_000.0));
    assert_eq!(
        bench.rows(ScanRequest { predicate: Some(predicate), ..request(&[&segment], &["time"]) }),
        1_000
    );
    assert_eq!(bench.reads(), [(id(&segment, "time"), 1_000..2_000)]);
}

#[test]
fn returned_columns_are_read_only_where_rows_match() {
    let bench = Bench::new();
    let segment = segment(0);
    bench.write(&segment);
    // Statistics prove nothing: every block has counts from 0 to 499, and host 2 alone has this value.
    let number = Predicate::In {
        column: id(&segment, "value"),
        values: vec![Value::F64(2_499.0), Value::F64(0.5), Value::F64(3_498.5)],
        has_null: false,
    };
    assert_eq!(bench.rows(ScanRequest { predicate: Some(number), ..request(&[&segment], &["time"]) }), 1);
    let reads = bench.reads();
    assert_eq!(reads.last(), Some(&(id(&segment, "time"), 1_000..1_500)), "{reads:?}");
}

#[test]
fn a_column_that_decides_and_is_returned_is_read_once() {
    let bench = Bench::new();
    let segment = segment(0);
    bench.write(&segment);
    let predicate = at_least(&segment, "count", Value::Int(400));
    assert_eq!(
        bench.rows(ScanRequest { predicate: Some(predicate), ..request(&[&segment], &["count"]) }),
        400
    );
    assert_eq!(bench.reads(), [(id(&segment, "count"), 0..2_000)]);
}

#[test]
fn counting_rows_reads_nothing() {
    let bench = Bench::new();
    let segment = segment(0);
    bench.write(&segment);
    assert_eq!(bench.rows(request(&[&segment], &[])), 2_000);
    assert!(bench.reads().is_empty());
}

#[test]
fn columns_that_are_only_returned_are_read_for_the_first_rows_of_an_order_alone() {
    let bench = Bench::new();
    let segment = segment(0);
    bench.write(&segment);
    let order = vec![SortKey { column: id(&segment, "value"), descending: true, nulls_first: false }];
    assert_eq!(bench.rows(ScanRequest { order, limit: Some(3), ..request(&[&segment], &["time"]) }), 3);
    let reads = bench.reads();
    assert_eq!(reads[0], (id(&segment, "value"), 0..2_000));
    assert_eq!(reads.iter().find(|(column, _)| *column == id(&segment, "time")).unwrap().1, 1_500..2_000);
}

#[test]
fn a_limit_that_is_reached_leaves_later_files_closed() {
    let bench = Bench::new();
    let segments: Vec<Segment> = (0..20).map(segment).collect();
    segments.iter().for_each(|segment| bench.write(segment));
    let all: Vec<&Segment> = segments.iter().collect();
    assert_eq!(bench.rows(ScanRequest { limit: Some(10), ..request(&all, &["time"]) }), 10);
    let opened = bench.files.opened.lock().unwrap().len();
    assert!(opened < 12, "{opened} files were opened for 10 rows of the first");
}

#[test]
fn a_dropped_stream_reads_no_further() {
    let bench = Bench::new();
    let segment = with_small_groups(segment(0), 500);
    bench.write(&segment);
    bench.machine.block_on(async {
        let mut stream = Arc::clone(&bench.tier).scan(request(&[&segment], &["value"]));
        assert!(bench.reads().is_empty(), "nothing is read before the first poll");
        stream.next().await.unwrap().unwrap();
        drop(stream);
        let before = bench.reads().len();
        assert!(before <= 4);
        bench.machine.world().clock.sleep(std::time::Duration::from_secs(1)).await;
        assert!(bench.reads().is_empty());
    });
    assert_eq!(bench.rows(request(&[&segment], &["value"])), 2_000);
}

#[test]
fn an_absent_segment_is_not_found_after_the_rows_before_it() {
    let bench = Bench::new();
    let (there, absent) = (segment(0), segment(1));
    bench.write(&there);
    let stream = Arc::clone(&bench.tier).scan(request(&[&there, &absent], &["value"]));
    let items: Vec<_> = bench.machine.block_on(stream.collect());
    let (last, before) = items.split_last().unwrap();
    let error = last.as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains(&absent.id().to_string()), "{error}");
    assert_eq!(before.iter().map(|batch| batch.as_ref().unwrap().rows.num_rows()).sum::<usize>(), 2_000);
}

#[test]
fn a_damaged_block_fails_the_stream_and_the_put_that_read_it_and_nothing_else() {
    let bench = Bench::new();
    let (whole, damaged) = (segment(0), segment(1));
    bench.write(&whole);
    bench.write(&damaged);
    let path = bench.files.store.path(damaged.id());
    let middle = bench.machine.read_file(&path).unwrap().len() as u64 / 2;
    bench.machine.corrupt(&path, middle, 0x40).unwrap();

    let everything = ["host", "time", "value", "count"];
    let stream = Arc::clone(&bench.tier).scan(request(&[&damaged], &everything));
    let error = bench.machine.block_on(stream.try_collect::<Vec<_>>()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    let put = async {
        let file = bench.files.store.open(&damaged.meta, &damaged.schema).await.unwrap().unwrap();
        bench.tier.put(Arc::new(file)).await
    };
    assert_eq!(bench.machine.block_on(put).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(bench.rows(request(&[&whole], &everything)), 2_000);
}

#[test]
fn a_pinned_segment_needs_no_file() {
    let bench = Bench::new();
    let segment = segment(0);
    bench.write(&segment);
    let put = async {
        let file = bench.files.store.open(&segment.meta, &segment.schema).await.unwrap().unwrap();
        bench.tier.put(Arc::new(file)).await.unwrap();
        bench.files.store.remove(segment.id()).await.unwrap();
    };
    bench.machine.block_on(put);
    assert_eq!(bench.rows(request(&[&segment], &["host", "value"])), 2_000);
    assert!(bench.files.opened.lock().unwrap().is_empty());
}
