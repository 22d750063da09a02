//! Segments of several blocks and groups, held in every way, give the model's answers.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fmt::Debug;
use std::sync::Arc;

use futures::TryStreamExt;
use proptest::prelude::*;
use proptest::sample::select;
use tsds_conformance::data::queries;
use tsds_conformance::data::schemas;
use tsds_conformance::data::segments::{self, Row, Segment, rows_of};
use tsds_conformance::{CaseResult, Failure, for_all, model};
use tsds_traits::{
    AggregatePlan, AggregateRequest, Predicate, ScanRequest, SegmentHandle, SegmentMeta, SortKey,
    TableSchema, Tier,
};

use support::{Bench, handle, stored, with_small_groups};

/// How segments are held.
#[derive(Clone, Copy, Debug)]
enum Held {
    PinnedFile(&'static str),
    PinnedRows,
    Unpinned(&'static str),
}

const HELD: [Held; 8] = [
    Held::PinnedFile("plain"),
    Held::PinnedFile("zstd"),
    Held::PinnedFile("constant"),
    Held::PinnedFile("gorilla"),
    Held::PinnedRows,
    Held::Unpinned("plain"),
    Held::Unpinned("constant"),
    Held::Unpinned("gorilla"),
];

impl Held {
    /// A machine whose tier holds the segments so.
    fn bench(self, segments: &[Segment]) -> Bench {
        let codec = match self {
            Self::PinnedFile(codec) | Self::Unpinned(codec) => codec,
            Self::PinnedRows => "plain",
        };
        let bench = Bench::new(1, codec);
        for segment in segments {
            match self {
                Self::PinnedFile(_) => {
                    bench.write(segment);
                    bench.pin(segment);
                    bench.machine.block_on(bench.store.remove(segment.meta.id)).unwrap();
                }
                Self::PinnedRows => {
                    let source = Arc::new(segment.source().unwrap());
                    stored(bench.machine.block_on(bench.tier.put(source)).unwrap());
                }
                Self::Unpinned(_) => {
                    bench.write(segment);
                }
            }
        }
        bench
    }
}

/// Segments of a few long series and some short ones, and so of many blocks.
fn long_segments() -> impl Strategy<Value = (Arc<TableSchema>, Vec<Segment>)> {
    schemas::any_schema().prop_flat_map(|schema| {
        let rows = segments::rows(&schema, 0, (1usize..1_800).boxed());
        let segments = proptest::collection::vec((rows, select(vec![200u64, 700, 100_000])), 1..3);
        (Just(schema), segments).prop_map(|(schema, all)| {
            let segment = |(number, (rows, group_rows)): (usize, (Vec<Row>, u64))| {
                let segment = Segment::new(&schema, number as u64, 0, with_few_series(&schema, rows));
                with_small_groups(segment, group_rows)
            };
            let segments = all.into_iter().enumerate().map(segment).collect();
            (Arc::clone(&schema), segments)
        })
    })
}

fn with_few_series(schema: &TableSchema, mut rows: Vec<Row>) -> Vec<Row> {
    let models: Vec<Row> = rows.iter().take(4).cloned().collect();
    for (number, row) in rows.iter_mut().enumerate().skip(20) {
        for index in schema.series_indices() {
            row[*index] = models[number % models.len()][*index].clone();
        }
    }
    rows
}

/// What is asked of a scan.
#[derive(Clone, Debug)]
struct Query {
    predicate: Option<Predicate>,
    order: Vec<SortKey>,
    limit: Option<u64>,
    projection: Vec<tsds_traits::ColumnId>,
    batch_rows: usize,
}

fn queries(schema: &Arc<TableSchema>) -> impl Strategy<Value = Query> + use<> {
    let predicate = proptest::option::of(queries::predicates(schema));
    let storage: Vec<SortKey> = schema
        .sort_columns()
        .into_iter()
        .map(|column| SortKey { column, descending: false, nulls_first: true })
        .collect();
    let order = prop_oneof![2 => Just(Vec::new()), 3 => queries::orders(schema), 1 => Just(storage)];
    let limit = queries::limits(600);
    let projection = queries::projections(schema);
    (predicate, order, limit, projection, select(vec![1usize, 100, 65_536])).prop_map(
        |(predicate, order, limit, projection, batch_rows)| Query {
            predicate,
            order,
            limit,
            projection,
            batch_rows,
        },
    )
}

fn scan(bench: &Bench, request: &ScanRequest) -> CaseResult<Vec<(usize, Row)>> {
    let stream = Arc::clone(&bench.tier).scan(request.clone());
    let batches: Vec<_> = bench.machine.block_on(stream.try_collect())?;
    let schema = request.schema.project(&request.projection)?;
    let mut rows = Vec::new();
    for batch in batches {
        let size = batch.rows.num_rows();
        if size == 0 || size > request.batch_rows || batch.rows.schema() != schema {
            return Err(Failure::new(format!("a batch has {size} rows of {}", batch.rows.schema())));
        }
        rows.extend(rows_of(&batch.rows)?.into_iter().map(|row| (batch.segment, row)));
    }
    Ok(rows)
}

fn same<T: PartialEq + Debug>(what: Held, actual: &[T], expected: &[T]) -> CaseResult {
    if actual == expected {
        return Ok(());
    }
    let place = actual.iter().zip(expected).take_while(|(a, b)| a == b).count();
    Err(Failure::new(format!(
        "{what:?}: {} instead of {} items; at {place} {:?} instead of {:?}",
        actual.len(),
        expected.len(),
        actual.get(place),
        expected.get(place)
    )))
}

fn handles(segments: &[Segment]) -> Vec<SegmentHandle> {
    segments.iter().map(handle).collect()
}

#[test]
fn every_scan_gives_the_models_rows_however_segments_are_held() {
    let inputs = long_segments().prop_flat_map(|(schema, segments)| {
        let queries = proptest::collection::vec(queries(&schema), 6);
        (Just(schema), Just(segments), queries)
    });
    for_all(11, 14, &inputs, |(schema, segments, queries)| {
        let rows: Vec<&[Row]> = segments.iter().map(|segment| &*segment.rows).collect();
        let benches = HELD.map(|held| (held, held.bench(&segments)));
        for query in queries {
            let request = ScanRequest {
                predicate: query.predicate,
                order: query.order,
                limit: query.limit,
                batch_rows: query.batch_rows,
                ..ScanRequest::new(Arc::clone(&schema), handles(&segments), query.projection)
            };
            let expected = model::scan(&rows, &request);
            for (held, bench) in &benches {
                same(*held, &scan(bench, &request)?, &expected)
                    .map_err(|f| f.during(format!("{request:?}")))?;
            }
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn every_aggregate_gives_the_models_states_however_segments_are_held() {
    let inputs = long_segments().prop_flat_map(|(schema, segments)| {
        let query = (queries::plans(&schema), proptest::option::of(queries::predicates(&schema)));
        (Just(schema), Just(segments), proptest::collection::vec(query, 4))
    });
    for_all(12, 12, &inputs, |(schema, segments, queries)| {
        let benches = HELD.map(|held| (held, held.bench(&segments)));
        for (plan, predicate) in queries {
            ensure_aggregate(&schema, &segments, &benches, &plan, predicate)?;
        }
        Ok(())
    })
    .unwrap();
}

fn ensure_aggregate(
    schema: &Arc<TableSchema>,
    segments: &[Segment],
    benches: &[(Held, Bench)],
    plan: &AggregatePlan,
    predicate: Option<Predicate>,
) -> CaseResult {
    let rows: Vec<(&SegmentMeta, &[Row])> = segments.iter().map(|s| (&*s.meta, &s.rows[..])).collect();
    let expected: Vec<_> = model::aggregate(schema, &rows, predicate.as_ref(), plan).into_iter().collect();
    let request = AggregateRequest {
        predicate,
        ..AggregateRequest::new(Arc::clone(schema), handles(segments), plan.clone())
    };
    for (held, bench) in benches {
        let stream = Arc::clone(&bench.tier).aggregate(request.clone());
        let states: Vec<_> = bench.machine.block_on(stream.try_collect())?;
        let actual: Vec<_> = model::merge_states(schema, plan, &states)?.into_iter().collect();
        same(*held, &actual, &expected).map_err(|failure| failure.during(format!("{plan:?}")))?;
    }
    Ok(())
}
