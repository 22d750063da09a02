//! Scans against their contract, segment by segment.

use std::sync::Arc;

use arrow_array::RecordBatch;
use proptest::prelude::*;
use tsds_compute::{RowBytes, SegmentScan, describe_segment, needed_columns, sort_for_segment};
use tsds_traits::{
    ChunkRange, ColumnId, Comparison, ErrorKind, KeyDomain, Predicate, ScanRequest, SegmentBatch,
    SegmentHandle, SegmentId, Sequence, SequenceInterval, SortKey, TableSchema, Value,
};

use crate::common::*;
use crate::naive::*;

/// The rows of a segment in storage order, and its metadata.
fn segment(schema: &TableSchema, number: u64, rows: &[Row]) -> (SegmentHandle, Vec<Row>) {
    let sorted = sort_for_segment(schema, &[batch(schema, rows, &PLAIN)]).unwrap();
    let chunk = ChunkRange { start: -3_600, end: 3_600 };
    let interval = SequenceInterval::new(Sequence(number), Sequence(number + 1));
    let meta =
        describe_segment(schema, SegmentId::new(number), chunk, KeyDomain(0), interval, &sorted).unwrap();
    (SegmentHandle { meta: Arc::new(meta), record: Default::default() }, rows_of(&sorted.batch))
}

fn naive(request: &ScanRequest, segments: &[Vec<Row>]) -> Vec<Vec<Row>> {
    let schema = &request.schema;
    let limit = request.limit.map_or(usize::MAX, |limit| limit as usize);
    let mut left = limit;
    let scan = |rows: &Vec<Row>| {
        let matches = |row: &&Row| {
            request.predicate.as_ref().is_none_or(|predicate| kleene(schema, predicate, row) == Some(true))
        };
        let mut rows: Vec<Row> = rows.iter().filter(matches).cloned().collect();
        rows.sort_by(|a, b| compare_rows(schema, &request.order, a, b));
        rows.truncate(if request.order.is_empty() { left } else { limit });
        left -= if request.order.is_empty() { rows.len() } else { 0 };
        let project = |row: Row| {
            request.projection.iter().map(|id| row[schema.index_of(*id).unwrap()].clone()).collect()
        };
        rows.into_iter().map(project).collect()
    };
    segments.iter().map(scan).collect()
}

proptest! {
    #[test]
    fn scans_keep_the_contract_of_requests(
        segments in prop::collection::vec((rows(&schema(), 1..40), cuts(), layout()), 0..4),
        projection in prop::collection::vec(prop::sample::select(ids(&schema())), 0..5),
        predicate in prop::option::of(predicate(&schema())), order in sort_keys(&schema(), 0..4),
        stored in any::<bool>(), limit in prop::option::of(0u64..50), batch_rows in 1usize..30, eager in any::<bool>(),
        bytes in prop_oneof![Just(u64::MAX), 0u64..2_000]) {
        let schema = schema();
        let built: Vec<(SegmentHandle, Vec<Row>)> =
            segments.iter().enumerate().map(|(n, (rows, _, _))| segment(&schema, n as u64, rows)).collect();
        let mut projection = projection;
        projection.dedup();
        let mut names = projection.clone();
        names.sort();
        names.dedup();
        prop_assume!(names.len() == projection.len());
        let handles = built.iter().map(|(handle, _)| handle.clone()).collect();
        let mut request = ScanRequest::new(schema.clone(), handles, projection);
        let stored_order = storage_keys(&schema);
        request.order = if stored { stored_order[..order.len().min(3)].to_vec() } else { order };
        (request.predicate, request.limit) = (predicate, limit);
        (request.batch_rows, request.batch_bytes) = (batch_rows, bytes);
        let all_rows: Vec<Vec<Row>> = built.into_iter().map(|(_, rows)| rows).collect();
        let expected = naive(&request, &all_rows);

        let mut scan = SegmentScan::new(&request).unwrap();
        let needed = needed_columns(&request);
        let mut batches: Vec<SegmentBatch> = Vec::new();
        for (rows, (_, places, layout)) in all_rows.iter().zip(&segments) {
            for piece in cut(rows, places) {
                if eager && !scan.needs_rows() {
                    break;
                }
                let whole = batch(&schema, &piece, layout);
                let positions: Vec<usize> = needed.iter().map(|id| schema.index_of(*id).unwrap()).collect();
                batches.extend(scan.push(&needed, &whole.project(&positions).unwrap()).unwrap());
            }
            batches.extend(scan.finish_segment().unwrap());
        }
        let output = request.schema.project(&request.projection).unwrap();
        let mut got = vec![Vec::new(); expected.len()];
        let mut last = 0;
        for SegmentBatch { segment, rows } in &batches {
            prop_assert!(*segment >= last && (1..=batch_rows).contains(&rows.num_rows()));
            let taken = RowBytes::of_batch(rows).of(0..rows.num_rows());
            prop_assert!(rows.num_rows() == 1 || taken <= bytes);
            prop_assert_eq!(&rows.schema(), &output);
            got[*segment].extend(rows_of(rows));
            last = *segment;
        }
        prop_assert_eq!(got, expected);
        if limit == Some(0) {
            prop_assert!(scan.is_done());
        }
    }
}

fn numbered(count: i64) -> Vec<Row> {
    let row = |n: i64| -> Row {
        schema()
            .columns()
            .iter()
            .map(|column| match column.id {
                TIME => Some(Value::Int(n)),
                TOTAL => Some(Value::UInt(n as u64)),
                LOAD => Some(Value::F64(((n * 7_919) % 1_000) as f64)),
                HOST => Some(Value::Text("a".into())),
                _ => None,
            })
            .collect()
    };
    (0..count).map(row).collect()
}

fn key(column: ColumnId, descending: bool) -> SortKey {
    SortKey { column, descending, nulls_first: false }
}

#[test]
fn a_limit_without_order_is_done_when_it_is_reached() {
    let schema = schema();
    let (handle, rows) = segment(&schema, 1, &numbered(100));
    let mut request = ScanRequest::new(schema.clone(), vec![handle.clone(), handle], vec![TOTAL]);
    request.limit = Some(30);
    let mut scan = SegmentScan::new(&request).unwrap();
    let batches = scan.push(&ids(&schema), &batch(&schema, &rows, &PLAIN)).unwrap();
    assert_eq!(batches.iter().map(|batch| batch.rows.num_rows()).sum::<usize>(), 30);
    assert!(scan.is_done() && !scan.needs_rows());
    assert!(scan.finish_segment().unwrap().is_empty());
    assert!(!scan.needs_rows());
}

#[test]
fn time_order_of_a_single_series_streams() {
    let schema = schema();
    let (handle, rows) = segment(&schema, 1, &numbered(100));
    let mut request = ScanRequest::new(schema.clone(), vec![handle], vec![TOTAL]);
    (request.order, request.limit) = (vec![key(TIME, false)], Some(10));
    let mut scan = SegmentScan::new(&request).unwrap();
    let batches = scan.push(&ids(&schema), &batch(&schema, &rows[..50], &PLAIN)).unwrap();
    assert_eq!(batches.iter().map(|batch| batch.rows.num_rows()).sum::<usize>(), 10);
    assert!(!scan.needs_rows() && !scan.is_done());
}

#[test]
fn the_first_rows_of_a_large_segment_are_found_without_keeping_it() {
    let schema = schema();
    let rows = numbered(40_000);
    let (handle, rows) = segment(&schema, 1, &rows);
    let mut request = ScanRequest::new(schema.clone(), vec![handle], vec![TOTAL]);
    (request.order, request.limit) = (vec![key(LOAD, true)], Some(25));
    let mut scan = SegmentScan::new(&request).unwrap();
    for piece in rows.chunks(1_000) {
        assert!(scan.push(&ids(&schema), &batch(&schema, piece, &PLAIN)).unwrap().is_empty());
    }
    let batches = scan.finish_segment().unwrap();
    let got: Vec<Row> = batches.iter().flat_map(|batch| rows_of(&batch.rows)).collect();
    assert_eq!(got, naive(&request, &[rows])[0]);
}

#[test]
fn small_matches_are_joined_and_full_batches_are_not_copied() {
    let schema = schema();
    let (handle, rows) = segment(&schema, 1, &numbered(1_000));
    let mut request = ScanRequest::new(schema.clone(), vec![handle], vec![TOTAL]);
    let value = Value::F64(10.0);
    request.predicate = Some(Predicate::Compare { column: LOAD, comparison: Comparison::Less, value });
    let mut scan = SegmentScan::new(&request).unwrap();
    let mut batches = Vec::new();
    for piece in rows.chunks(100) {
        batches.extend(scan.push(&ids(&schema), &batch(&schema, piece, &PLAIN)).unwrap());
    }
    assert!(batches.is_empty());
    assert_eq!(scan.finish_segment().unwrap().len(), 1);
    request.predicate = None;
    let mut scan = SegmentScan::new(&request).unwrap();
    let whole = batch(&schema, &rows, &PLAIN);
    request.batch_rows = 1_000;
    let batches = scan.push(&ids(&schema), &whole).unwrap();
    let finished = scan.finish_segment().unwrap();
    let first: &RecordBatch = &batches.iter().chain(&finished).next().unwrap().rows;
    let position = schema.index_of(TOTAL).unwrap();
    assert_eq!(
        first.column(0).to_data().buffers()[0].as_ptr(),
        whole.column(position).to_data().buffers()[0].as_ptr()
    );
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let schema = schema();
    let request = ScanRequest::new(schema.clone(), vec![], vec![TOTAL]);
    let refused = |change: &dyn Fn(&mut ScanRequest)| {
        let mut request = request.clone();
        change(&mut request);
        SegmentScan::new(&request).unwrap_err().kind() == ErrorKind::InvalidInput
    };
    assert!(refused(&|request| request.batch_rows = 0));
    assert!(refused(&|request| request.projection = vec![ColumnId(99)]));
    assert!(refused(&|request| request.order = vec![key(ColumnId(99), false)]));
    assert!(refused(&|request| request.predicate = Some(Predicate::IsNull(ColumnId(99)))));
}

#[test]
fn an_ordered_scan_without_columns_still_counts_rows() {
    let schema = schema();
    let (handle, rows) = segment(&schema, 1, &numbered(10));
    let mut request = ScanRequest::new(schema.clone(), vec![handle], vec![]);
    (request.order, request.limit, request.batch_rows) = (vec![key(LOAD, true)], Some(7), 4);
    let mut scan = SegmentScan::new(&request).unwrap();
    scan.push(&ids(&schema), &batch(&schema, &rows, &PLAIN)).unwrap();
    let rows: Vec<usize> = scan.finish_segment().unwrap().iter().map(|batch| batch.rows.num_rows()).collect();
    assert_eq!(rows, [4, 3]);
}
