//! What is read of a file, and that leaving the rest out does not show.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::Arc;

use arrow_array::builder::StringDictionaryBuilder;
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, TimestampMicrosecondArray};
use arrow_schema::{DataType, TimeUnit};
use arrow_select::filter::filter_record_batch;
use common::test_store::TestStore;
use common::*;
use futures::TryStreamExt;
use object_store::memory::InMemory;
use proptest::prelude::*;
use tsds_cold_parquet::{ParquetSettings, ParquetTier, RemoteStore};
use tsds_compute::{Aggregator, CompiledPredicate, SegmentPosition};
use tsds_traits::{
    Aggregate, AggregatePlan, AggregateRequest, ChunkRange, ColumnId, Comparison, Function, Predicate,
    ReadMeter, ScanRequest, SchemaVersion, SegmentHandle, TableId, TableSchema, Tier, Value, World,
};

type Server = TestStore<InMemory>;

fn tier_on(server: &Server, world: &World) -> Arc<ParquetTier> {
    let store = Arc::new(RemoteStore::new(server.clone(), "test://bucket", world.clone()));
    ParquetTier::new(store, ParquetSettings::default(), context(world)).unwrap()
}

fn equal(column: ColumnId, value: Value) -> Predicate {
    Predicate::Compare { column, comparison: Comparison::Equal, value }
}

fn filtered(schema: &Arc<TableSchema>, handles: Vec<SegmentHandle>, predicate: &Predicate) -> ScanRequest {
    ScanRequest { predicate: Some(predicate.clone()), ..everything(schema, handles) }
}

async fn rows_that(tier: &Arc<ParquetTier>, request: ScanRequest) -> Vec<String> {
    let found = scan(tier, request).await.unwrap();
    rows_of(&found.into_iter().map(|batch| batch.rows).collect::<Vec<_>>())
}

fn metered(request: ScanRequest) -> ScanRequest {
    ScanRequest { meter: ReadMeter::counting(), ..request }
}

#[test]
fn a_series_that_no_file_has_is_found_out_from_their_ends_and_then_from_memory() {
    const FILES: u64 = 1_000;
    let (machine, world) = sim(1);
    let server = TestStore::new(InMemory::new());
    machine.block_on(async {
        let tier = tier_on(&server, &world);
        let mut handles = Vec::new();
        for id in 1..=FILES {
            let source = MemorySource::sample(id, 30);
            handles.push(handle(&source, &put(&tier, &source).await.unwrap()));
        }
        server.state.take_requests();
        server.state.take_bytes_read();
        // Between two hosts that every file has: statistics cannot rule it out.
        let absent = equal(HOST, Value::Text("host-001-absent".into()));
        let asked = metered(filtered(&schema(), handles.clone(), &absent));
        let meter = asked.meter.clone();
        assert!(rows_that(&tier, asked).await.is_empty());
        let counts = meter.counts();
        assert_eq!((counts.segments_opened, counts.blocks_read, counts.blocks_skipped), (0, 0, FILES));
        let requests = server.state.take_requests();
        assert_eq!(requests.len() as u64, FILES, "one for each file");
        assert!(requests.iter().all(|request| request.starts_with("get ")), "{:?}", requests.first());
        assert!(rows_that(&tier, filtered(&schema(), handles.clone(), &absent)).await.is_empty());
        assert_eq!(server.state.take_requests(), [""; 0], "all is known by now");
        let present = equal(HOST, Value::Text("host-001".into()));
        assert_eq!(rows_that(&tier, filtered(&schema(), handles, &present)).await.len() as u64, FILES * 10);
    });
}

/// time, host, and six numbers that do not compress.
fn wide(hosts: usize, per_host: usize) -> Arc<MemorySource> {
    let names = ["a", "b", "c", "d", "e", "f"];
    let mut columns = vec![
        column(TIME, "time", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false),
        column(HOST, "host", text_type(), true),
    ];
    let numbers = names.iter().zip(3..);
    columns.extend(numbers.map(|(name, id)| column(ColumnId(id), name, DataType::Float64, true)));
    let schema = TableSchema::new(TableId(7), SchemaVersion(1), columns, TIME, &[HOST]).unwrap();
    let rows = hosts * per_host;
    let times = (0..rows).map(|row| MARCH_2013 * 1_000_000 + (row % per_host) as i64);
    let mut host = StringDictionaryBuilder::<Int32Type>::new();
    (0..rows).for_each(|row| host.append_value(format!("host-{:05}", row / per_host)));
    let mut arrays: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")),
        Arc::new(host.finish()),
    ];
    for salt in 0..names.len() as u64 {
        let bits = (0..rows as u64).map(|row| (row * 6 + salt + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        arrays.push(Arc::new(Float64Array::from_iter_values(bits.map(|bits| (bits >> 11) as f64))));
    }
    let schema = Arc::new(schema);
    let batch = RecordBatch::try_new(Arc::clone(schema.arrow()), arrays).unwrap();
    MemorySource::new(1, &schema, ChunkRange { start: MARCH_2013, end: MARCH_2013 + DAY }, vec![batch])
}

#[test]
fn one_series_of_a_thousand_reads_less_than_a_quarter_of_eight_columns() {
    let (machine, world) = sim(1);
    let server = TestStore::new(InMemory::new());
    machine.block_on(async {
        let writer = tier_on(&server, &world);
        let source = wide(1_000, 200);
        let record = put(&writer, &source).await.unwrap();
        let one = equal(HOST, Value::Text("host-00500".into()));
        let handles = vec![handle(&source, &record)];
        server.state.take_bytes_read();
        let tier = tier_on(&server, &world);
        let asked = metered(filtered(&source.schema, handles.clone(), &one));
        let meter = asked.meter.clone();
        assert_eq!(rows_that(&tier, asked).await.len(), 200);
        let read = server.state.take_bytes_read();
        let counts = meter.counts();
        assert_eq!(counts.segments_opened, 1);
        assert!(
            counts.bytes_read * 4 < record.bytes && counts.bytes_read > 0,
            "{counts:?} of {}",
            record.bytes
        );
        assert!(read * 4 < record.bytes, "{read} of {} bytes", record.bytes);
        println!("a scan of one series read {read} of {} bytes", record.bytes);

        let tier = tier_on(&server, &world);
        let absent = equal(HOST, Value::Text("host-00500-absent".into()));
        assert!(rows_that(&tier, filtered(&source.schema, handles.clone(), &absent)).await.is_empty());
        let read = server.state.take_bytes_read();
        assert!(read * 20 < record.bytes, "{read} of {} bytes", record.bytes);

        let tier = tier_on(&server, &world);
        let few = ScanRequest { limit: Some(5), ..everything(&source.schema, handles) };
        assert_eq!(rows_that(&tier, few).await.len(), 5);
        let read = server.state.take_bytes_read();
        assert!(read * 4 < record.bytes, "{read} of {} bytes for five rows", record.bytes);
    });
}

/// Rows enough for several pages, whose hosts, numbers and texts are each sorted otherwise.
fn many_pages() -> Arc<MemorySource> {
    let rows = 70_000;
    let mut columns = batch(rows, 7).columns().to_vec();
    let load = (0..rows).map(|row| match row {
        30_000..35_000 => None,
        row if row % 9_973 == 0 => Some(f64::NAN),
        row if row % 7 == 0 => Some(-0.0),
        row => Some((row / 1_000) as f64 - 20.0),
    });
    columns[2] = Arc::new(load.collect::<Float64Array>());
    let batch = RecordBatch::try_new(Arc::clone(schema().arrow()), columns).unwrap();
    MemorySource::new(1, &schema(), ChunkRange { start: MARCH_2013, end: MARCH_2013 + DAY }, vec![batch])
}

fn comparison() -> impl Strategy<Value = Comparison> {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    prop::sample::select(vec![Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual])
}

fn leaf() -> impl Strategy<Value = Predicate> {
    let compare = |column: ColumnId, value: BoxedStrategy<Value>| {
        (comparison(), value).prop_map(move |(comparison, value)| Predicate::Compare {
            column,
            comparison,
            value,
        })
    };
    let host = (0u32..9).prop_map(|host| Value::Text(format!("host-{host:03}"))).boxed();
    let loads = prop::sample::select(vec![-25.0, -0.0, 0.0, 3.5, 10.0, 49.0, f64::NAN]);
    let time = (0i64..12_000).prop_map(|step| Value::Int(MARCH_2013 * 1_000_000 + step * 250_000)).boxed();
    let cores = (0u64..100).prop_map(Value::UInt).boxed();
    let hosts =
        prop::collection::vec((0u32..9).prop_map(|host| Value::Text(format!("host-{host:03}"))), 0..3);
    prop_oneof![
        compare(HOST, host),
        compare(LOAD, loads.prop_map(Value::F64).boxed()),
        compare(TIME, time),
        compare(CORES, cores),
        (hosts, any::<bool>()).prop_map(|(values, has_null)| Predicate::In {
            column: HOST,
            values,
            has_null
        }),
        Just(Predicate::IsNull(LOAD)),
        Just(Predicate::IsNan(LOAD)),
    ]
}

fn predicate() -> impl Strategy<Value = Predicate> {
    leaf().prop_recursive(2, 6, 3, |inner| {
        let several = || prop::collection::vec(inner.clone(), 1..3);
        prop_oneof![
            several().prop_map(Predicate::And),
            several().prop_map(Predicate::Or),
            inner.clone().prop_map(|inner| Predicate::Not(Box::new(inner))),
        ]
    })
}

fn plan() -> AggregatePlan {
    let aggregates = [(Function::Count, None), (Function::Sum, Some(LOAD)), (Function::Last, Some(NOTE))];
    let aggregates = aggregates.map(|(function, column)| Aggregate { function, column });
    AggregatePlan { group_by: vec![HOST], bucket: None, aggregates: aggregates.into() }
}

fn finished(aggregator: Aggregator) -> Vec<String> {
    rows_of(&aggregator.finish(&["host", "count", "sum", "last"].map(String::from)).unwrap())
}

#[test]
fn pages_that_are_left_out_have_no_row_that_matches() {
    let (machine, world) = sim(1);
    let server = TestStore::new(InMemory::new());
    let source = many_pages();
    let record = machine.block_on(async { put(&tier_on(&server, &world), &source).await.unwrap() });
    let tier = tier_on(&server, &world);
    let (schema, all) = (schema(), source.rows());
    let ids: Vec<_> = schema.columns().iter().map(|column| column.id).collect();
    let check = |predicate: Predicate| {
        let compiled = CompiledPredicate::new(&predicate, &schema).unwrap();
        let mask = BooleanArray::new(compiled.evaluate(&ids, &all).unwrap(), None);
        let expected = filter_record_batch(&all, &mask).unwrap();
        machine.block_on(async {
            let handles = vec![handle(&source, &record)];
            let found = rows_that(&tier, filtered(&schema, handles.clone(), &predicate)).await;
            prop_assert_eq!(found, rows_of(std::slice::from_ref(&expected)), "{:?}", predicate);
            let mut request = AggregateRequest::new(Arc::clone(&schema), handles, plan());
            request.predicate = Some(predicate.clone());
            let states: Vec<_> = Arc::clone(&tier).aggregate(request).try_collect().await.unwrap();
            let mut merged = Aggregator::new(Arc::clone(&schema), plan()).unwrap();
            states.iter().for_each(|states| merged.merge_states(states).unwrap());
            let mut model = Aggregator::new(Arc::clone(&schema), plan()).unwrap();
            let position = SegmentPosition { sequence: source.meta.interval.upto.0, first_row: 0 };
            model.update(&ids, &all, position, Some(mask.values())).unwrap();
            prop_assert_eq!(finished(merged), finished(model), "{:?}", predicate);
            Ok(())
        })
    };
    let config = ProptestConfig { cases: 30, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(predicate in predicate())| check(predicate)?);
}
