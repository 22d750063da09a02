//! Merging against a stable sort of everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering as Atomic};

use arrow_array::RecordBatch;
use futures::stream::{self, StreamExt, TryStreamExt};
use proptest::prelude::*;
use tsds_compute::{BatchSize, MergeInput, RowBytes, conform_batch, merge};
use tsds_traits::{Error, ErrorKind, Result, SortKey, TableSchema, Value};

use crate::common::*;
use crate::naive::*;

/// The rows of one input, sorted, as batches in the schema's types.
fn input(
    schema: &TableSchema,
    rows: &[Row],
    keys: &[SortKey],
    places: &[prop::sample::Index],
) -> Vec<RecordBatch> {
    let mut rows = rows.to_vec();
    rows.sort_by(|a, b| compare_rows(schema, keys, a, b));
    let pieces = cut(&rows, places);
    pieces.iter().map(|rows| conform_batch(&batch(schema, rows, &PLAIN), schema.arrow()).unwrap()).collect()
}

fn bound_of(schema: &TableSchema, batches: &[RecordBatch], keys: &[SortKey]) -> Option<Vec<Option<Value>>> {
    let first = batches.iter().find(|batch| batch.num_rows() > 0)?;
    let row = rows_of(first).swap_remove(0);
    Some(keys.iter().map(|key| row[schema.index_of(key.column).unwrap()].clone()).collect())
}

proptest! {
    #[test]
    fn merged_rows_are_those_of_a_stable_sort(
        pieces in prop::collection::vec((rows(&schema(), 0..25), cuts(), any::<bool>(), 0usize..3), 0..6),
        keys in sort_keys(&schema(), 0..4), limit in prop::option::of(0u64..60), batch_rows in 1usize..20,
        bytes in prop_oneof![Just(u64::MAX), 0u64..2_000]) {
        let schema = schema();
        let mut inputs = Vec::new();
        let mut all: Vec<Row> = Vec::new();
        for (rows, places, bounded, bound_keys) in pieces {
            let batches = input(&schema, &rows, &keys, &places);
            all.extend(batches.iter().flat_map(rows_of));
            let known = &keys[..bound_keys.min(keys.len())];
            inputs.push(MergeInput {
                lower_bound: if bounded { bound_of(&schema, &batches, known) } else { None },
                open: Box::new(move || stream::iter(batches.into_iter().map(Ok)).boxed()),
            });
        }
        all.sort_by(|a, b| compare_rows(&schema, &keys, a, b));
        all.truncate(limit.map_or(usize::MAX, |limit| limit as usize));
        let merged = merge(inputs, schema.arrow().clone(), ids(&schema), keys, limit, BatchSize::new(batch_rows, bytes));
        let merged: Vec<RecordBatch> = block_on(merged.try_collect()).unwrap();
        prop_assert!(merged.iter().all(|batch| (1..=batch_rows).contains(&batch.num_rows())));
        // Dictionaries share short text only, which counts alike in every batch.
        let taken = |batch: &RecordBatch| RowBytes::of_batch(batch).of(0..batch.num_rows());
        prop_assert!(merged.iter().all(|batch| batch.num_rows() == 1 || taken(batch) <= bytes.saturating_add(64)));
        prop_assert!(merged.iter().all(|batch| batch.schema() == *schema.arrow()));
        prop_assert_eq!(merged.iter().flat_map(rows_of).collect::<Vec<_>>(), all);
    }
}

fn roomy(rows: usize) -> BatchSize {
    BatchSize::new(rows, u64::MAX)
}

fn by_time() -> Vec<SortKey> {
    vec![SortKey { column: TIME, descending: false, nulls_first: true }]
}

fn times(schema: &TableSchema, times: std::ops::Range<i64>) -> RecordBatch {
    let row = |time| -> Row {
        schema
            .columns()
            .iter()
            .map(|column| match column.id {
                TIME => Some(Value::Int(time)),
                TOTAL => Some(Value::UInt(time as u64)),
                _ => None,
            })
            .collect()
    };
    let rows: Vec<Row> = times.map(row).collect();
    conform_batch(&batch(schema, &rows, &PLAIN), schema.arrow()).unwrap()
}

#[test]
fn an_input_is_opened_only_when_the_merge_reaches_its_bound() {
    let schema = schema();
    let opened = Arc::new(AtomicUsize::new(0));
    let inputs = (0..10).map(|n| {
        let (opened, batch) = (opened.clone(), times(&schema, n * 100..n * 100 + 100));
        MergeInput {
            lower_bound: Some(vec![Some(Value::Int(n * 100))]),
            open: Box::new(move || {
                opened.fetch_add(1, Atomic::Relaxed);
                stream::iter([Ok(batch)]).boxed()
            }),
        }
    });
    let mut merged =
        merge(inputs.collect(), schema.arrow().clone(), ids(&schema), by_time(), None, roomy(50));
    for (batches, expected) in [(1, 1), (1, 1), (1, 2)] {
        for _ in 0..batches {
            block_on(merged.next()).unwrap().unwrap();
        }
        assert_eq!(opened.load(Atomic::Relaxed), expected);
    }
    let rest: Vec<RecordBatch> = block_on(merged.try_collect()).unwrap();
    assert_eq!(rest.iter().map(RecordBatch::num_rows).sum::<usize>(), 850);
    assert_eq!(opened.load(Atomic::Relaxed), 10);
}

#[test]
fn the_limit_stops_reading() {
    let schema = schema();
    let read = Arc::new(AtomicUsize::new(0));
    let counted = |first: i64| {
        let (read, schema) = (read.clone(), schema.clone());
        let batches = (0..1_000).map(move |n| {
            read.fetch_add(1, Atomic::Relaxed);
            Ok(times(&schema, first + n * 10..first + n * 10 + 10))
        });
        MergeInput::of_stream(stream::iter(batches).boxed())
    };
    let inputs = vec![counted(0), counted(5)];
    let merged = merge(inputs, schema.arrow().clone(), ids(&schema), by_time(), Some(30), roomy(30));
    let rows: Vec<RecordBatch> = block_on(merged.try_collect()).unwrap();
    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 30);
    assert!(read.load(Atomic::Relaxed) <= 5, "{}", read.load(Atomic::Relaxed));
}

#[test]
fn an_error_of_an_input_ends_the_merge() {
    let schema = schema();
    let broken: Vec<Result<RecordBatch>> = vec![Ok(times(&schema, 0..3)), Err(Error::corrupt("bad block"))];
    let inputs = vec![
        MergeInput::of_stream(stream::iter(broken).boxed()),
        MergeInput::of_stream(stream::iter([Ok(times(&schema, 0..9))]).boxed()),
    ];
    let merged = merge(inputs, schema.arrow().clone(), ids(&schema), by_time(), None, roomy(2));
    let results: Vec<Result<RecordBatch>> = block_on(merged.collect());
    assert_eq!(results.last().unwrap().as_ref().unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1);
}
