//! Scans against a model in memory: projection, predicates, order, limits, many segments.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_select::filter::filter_record_batch;
use arrow_select::take::take_record_batch;
use common::*;
use futures::StreamExt;
use proptest::prelude::*;
use tsds_cold_parquet::{ParquetSettings, ParquetTier};
use tsds_compute::{CompiledPredicate, sort_indices};
use tsds_traits::{
    ColumnId, Comparison, ErrorKind, Predicate, ScanRequest, SegmentHandle, SortKey, Tier, Value,
};

/// What the scan must give: the rows of each segment.
fn model(sources: &[Arc<MemorySource>], request: &ScanRequest) -> Vec<(usize, Vec<String>)> {
    let schema = &request.schema;
    let all: Vec<ColumnId> = schema.columns().iter().map(|column| column.id).collect();
    let positions: Vec<_> = request.projection.iter().map(|id| schema.index_of(*id).unwrap()).collect();
    let mut left = request.limit.unwrap_or(u64::MAX) as usize;
    let mut expected = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let mut rows: RecordBatch = source.rows();
        if let Some(predicate) = &request.predicate {
            let mask = CompiledPredicate::new(predicate, schema).unwrap().evaluate(&all, &rows).unwrap();
            rows = filter_record_batch(&rows, &arrow_array::BooleanArray::new(mask, None)).unwrap();
        }
        if !request.order.is_empty() {
            let limit = request.limit.map(|limit| limit as usize);
            let order = sort_indices(&all, &rows, &request.order, limit).unwrap();
            rows = take_record_batch(&rows, &order).unwrap();
        } else {
            rows = rows.slice(0, rows.num_rows().min(left));
            left -= rows.num_rows();
        }
        let rows = rows.project(&positions).unwrap();
        if rows.num_rows() > 0 {
            expected.push((index, rows_of(&[rows])));
        }
    }
    expected
}

fn found(request: &ScanRequest, batches: Vec<tsds_traits::SegmentBatch>) -> Vec<(usize, Vec<String>)> {
    let mut found: Vec<(usize, Vec<String>)> = Vec::new();
    let schema = request.schema.project(&request.projection).unwrap();
    for batch in batches {
        assert!(batch.rows.num_rows() > 0 && batch.rows.num_rows() <= request.batch_rows);
        assert_eq!(batch.rows.schema(), schema);
        let rows = rows_of(&[batch.rows]);
        match found.last_mut() {
            Some((segment, all)) if *segment == batch.segment => all.extend(rows),
            _ => found.push((batch.segment, rows)),
        }
    }
    found
}

struct Setup {
    machine: tsds_io::SimWorld,
    tier: Arc<ParquetTier>,
    sources: Vec<Arc<MemorySource>>,
    handles: Vec<SegmentHandle>,
}

fn setup(rows: &[usize]) -> Setup {
    let (machine, world) = sim(1);
    let tier = tier_with(&world, ParquetSettings { max_concurrent_files: 2, ..settings() });
    let sources: Vec<_> = (0u64..).zip(rows).map(|(id, rows)| MemorySource::sample(id, *rows)).collect();
    let handles = machine.block_on(async {
        let mut handles = Vec::new();
        for source in &sources {
            handles.push(handle(source, &put(&tier, source).await.unwrap()));
        }
        handles
    });
    Setup { machine, tier, sources, handles }
}

impl Setup {
    fn request(&self) -> ScanRequest {
        everything(&schema(), self.handles.clone())
    }

    fn check(&self, request: ScanRequest) {
        let batches = self.machine.block_on(async { scan(&self.tier, request.clone()).await.unwrap() });
        assert_eq!(found(&request, batches), model(&self.sources, &request), "{request:?}");
    }
}

fn load_over(value: f64) -> Predicate {
    Predicate::Compare { column: LOAD, comparison: Comparison::Greater, value: Value::F64(value) }
}

fn host_is(host: &str) -> Predicate {
    Predicate::Compare { column: HOST, comparison: Comparison::Equal, value: Value::Text(host.into()) }
}

fn key(column: ColumnId, descending: bool, nulls_first: bool) -> SortKey {
    SortKey { column, descending, nulls_first }
}

#[test]
fn segments_come_in_request_order_and_rows_in_storage_order() {
    let setup = setup(&[3_000, 10, 2_048]);
    setup.check(setup.request());
}

#[test]
fn a_projection_reads_its_columns_in_its_order() {
    let setup = setup(&[1_500]);
    setup.check(ScanRequest { projection: vec![NOTE, TIME], ..setup.request() });
    setup.check(ScanRequest { projection: vec![], batch_rows: 100, ..setup.request() });
}

#[test]
fn a_predicate_may_read_columns_that_are_not_projected() {
    let setup = setup(&[3_000, 500]);
    let predicate = Some(Predicate::And(vec![load_over(20.0), host_is("host-001")]));
    setup.check(ScanRequest { projection: vec![TIME], predicate: predicate.clone(), ..setup.request() });
    setup.check(ScanRequest { projection: vec![], predicate: predicate.clone(), ..setup.request() });
    setup.check(ScanRequest { predicate, ..setup.request() });
}

#[test]
fn predicates_that_match_nothing_or_everything_are_right() {
    let setup = setup(&[3_000]);
    for predicate in [
        host_is("nobody"),
        load_over(1e9),
        Predicate::Constant(Some(true)),
        Predicate::Constant(None),
        Predicate::IsNan(LOAD),
        Predicate::IsNull(LOAD),
        Predicate::Not(Box::new(Predicate::IsNull(TIME))),
    ] {
        setup.check(ScanRequest { predicate: Some(predicate), ..setup.request() });
    }
}

#[test]
fn a_limit_counts_over_the_whole_request() {
    let setup = setup(&[1_500, 1_500, 1_500]);
    for limit in [0, 1, 1_024, 1_500, 1_501, 4_500, 9_999] {
        setup.check(ScanRequest { limit: Some(limit), ..setup.request() });
        let predicate = Some(load_over(0.0));
        setup.check(ScanRequest { limit: Some(limit), predicate, batch_rows: 64, ..setup.request() });
    }
}

#[test]
fn an_order_sorts_each_segment_and_a_limit_keeps_its_first_rows() {
    let setup = setup(&[3_000, 700]);
    for order in [
        vec![key(LOAD, false, true)],
        vec![key(LOAD, true, false)],
        vec![key(CORES, true, true), key(NOTE, false, false)],
        vec![key(TIME, true, false)],
    ] {
        for limit in [None, Some(0), Some(1), Some(50), Some(5_000)] {
            let projection = vec![HOST, CORES, TIME];
            setup.check(ScanRequest { order: order.clone(), limit, projection, ..setup.request() });
        }
        let predicate = Some(load_over(10.0));
        setup.check(ScanRequest { order, limit: Some(40), predicate, batch_rows: 7, ..setup.request() });
    }
}

#[test]
fn the_same_request_gives_the_same_rows() {
    let setup = setup(&[2_500]);
    let request = ScanRequest { order: vec![key(CORES, true, true)], ..setup.request() };
    let run = || setup.machine.block_on(async { scan(&setup.tier, request.clone()).await.unwrap() });
    assert_eq!(found(&request, run()), found(&request, run()));
}

#[test]
fn an_absent_segment_is_not_found_and_named_also_where_no_row_could_match() {
    let setup = setup(&[100, 100]);
    setup.machine.block_on(async {
        let listed = setup.tier.list().await.unwrap();
        setup.tier.remove(&listed[1..]).await.unwrap();
        for predicate in [None, Some(host_is("nobody")), Some(load_over(-100.0))] {
            for projection in [vec![], vec![TIME]] {
                let request = ScanRequest { projection, predicate: predicate.clone(), ..setup.request() };
                let items: Vec<_> = Arc::clone(&setup.tier).scan(request).collect().await;
                let error = items.last().unwrap().as_ref().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
                assert!(error.to_string().contains("0000000000000001-00000000"), "{error}");
                assert_eq!(items.iter().filter(|item| item.is_err()).count(), 1);
            }
        }
    });
}

#[test]
fn a_segment_that_was_never_put_is_not_found() {
    let setup = setup(&[100]);
    let stranger = MemorySource::sample(9, 10);
    let handle = SegmentHandle { meta: Arc::clone(&stranger.meta), record: bytes::Bytes::new() };
    let error = setup
        .machine
        .block_on(async { scan(&setup.tier, everything(&schema(), vec![handle])).await.unwrap_err() });
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn requests_that_make_no_sense_are_refused_first() {
    let setup = setup(&[100]);
    let unknown = ColumnId(99);
    for request in [
        ScanRequest { batch_rows: 0, ..setup.request() },
        ScanRequest { projection: vec![unknown], ..setup.request() },
        ScanRequest { order: vec![key(unknown, false, false)], ..setup.request() },
        ScanRequest { predicate: Some(Predicate::IsNull(unknown)), ..setup.request() },
    ] {
        let items = setup.machine.block_on(Arc::clone(&setup.tier).scan(request).collect::<Vec<_>>());
        assert_eq!(items.len(), 1);
        assert_eq!(items[0].as_ref().unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

#[test]
fn a_dropped_stream_leaves_later_requests_unaffected() {
    let setup = setup(&[3_000, 3_000, 3_000]);
    setup.machine.block_on(async {
        for polled in 0..3 {
            let mut stream = Arc::clone(&setup.tier).scan(setup.request());
            for _ in 0..polled {
                stream.next().await.unwrap().unwrap();
            }
        }
    });
    setup.check(setup.request());
}

#[test]
fn a_stream_does_no_io_before_its_first_poll() {
    let setup = setup(&[100]);
    let before = setup.machine.trace();
    let stream = Arc::clone(&setup.tier).scan(setup.request());
    assert_eq!(setup.machine.trace(), before);
    drop(stream);
}

#[test]
fn what_cannot_match_is_not_read() {
    let setup = setup(&[6_000]);
    let file = segment_files(&setup.machine).remove(0);
    // One byte in each 64 KiB of the middle of the file: only the first host's rows and the footer stay readable.
    let path = format!("{COLD}/{file}");
    let size = setup.machine.read_file(&path).unwrap().len() as u64;
    let request = |host: &str, projection: Vec<ColumnId>| ScanRequest {
        predicate: Some(host_is(host)),
        projection,
        ..setup.request()
    };
    assert!(size < 64 * 1024, "one range");
    setup.machine.corrupt(&path, size / 2, 1).unwrap();
    let read =
        |host: &str| setup.machine.block_on(async { scan(&setup.tier, request(host, vec![LOAD])).await });
    assert_eq!(read("host-001").unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(read("zz").unwrap().len(), 0, "ruled out by the record, so the damage is not met");
}

fn any_predicate() -> impl Strategy<Value = Predicate> {
    let comparison = prop_oneof![
        Just(Comparison::Equal),
        Just(Comparison::NotEqual),
        Just(Comparison::Less),
        Just(Comparison::LessOrEqual),
        Just(Comparison::Greater),
        Just(Comparison::GreaterOrEqual),
    ];
    let literal = prop_oneof![
        (-35i32..100).prop_map(|v| (LOAD, Value::F64(f64::from(v)))),
        prop_oneof![Just(f64::NAN), Just(0.0), Just(-0.0), Just(f64::INFINITY)]
            .prop_map(|v| (LOAD, Value::F64(v))),
        (0u64..100).prop_map(|v| (CORES, Value::UInt(v))),
        (0usize..4).prop_map(|v| (HOST, Value::Text(format!("host-{v:03}")))),
        (0usize..60).prop_map(|v| (NOTE, Value::Text(format!("note {v}")))),
        (0i64..300_000_000).prop_map(|v| (TIME, Value::Int(MARCH_2013 * 1_000_000 + v))),
    ];
    let leaf = prop_oneof![
        (comparison, literal).prop_map(|(comparison, (column, value))| Predicate::Compare {
            column,
            comparison,
            value
        }),
        prop_oneof![Just(LOAD), Just(NOTE), Just(HOST)].prop_map(Predicate::IsNull),
        Just(Predicate::IsNan(LOAD)),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Predicate::And),
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Predicate::Or),
            inner.prop_map(|p| Predicate::Not(Box::new(p))),
        ]
    })
}

#[test]
fn any_request_gives_the_rows_of_the_model() {
    let setup = setup(&[2_500, 300]);
    let columns = [TIME, HOST, LOAD, CORES, NOTE];
    let keys = (0usize..5, any::<bool>(), any::<bool>()).prop_map(move |(c, d, n)| key(columns[c], d, n));
    let request = (
        proptest::option::of(any_predicate()),
        proptest::collection::vec(keys, 0..3),
        proptest::option::of(0u64..3_000),
        1usize..1_500,
        proptest::sample::subsequence(columns.to_vec(), 0..=5).prop_shuffle(),
    );
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(48));
    runner
        .run(&request, |(predicate, order, limit, batch_rows, projection)| {
            setup.check(ScanRequest { predicate, order, limit, batch_rows, projection, ..setup.request() });
            Ok(())
        })
        .unwrap();
}
