//! Orders against a stable sort of plain rows.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::Schema;
use proptest::prelude::*;
use tsds_compute::{RowOrder, SortedRows, sort_for_segment, sort_indices};
use tsds_traits::{ColumnId, ErrorKind, SortKey, TableSchema, Value};

use crate::common::*;
use crate::naive::*;

fn sorted(schema: &TableSchema, rows: &[Row], keys: &[SortKey]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..rows.len() as u32).collect();
    order.sort_by(|a, b| compare_rows(schema, keys, &rows[*a as usize], &rows[*b as usize]));
    order
}

fn check_segment(schema: &TableSchema, rows: &[Row], result: &SortedRows) {
    assert_eq!(result.batch.schema(), *schema.arrow());
    let order = sorted(schema, rows, &storage_keys(schema));
    let expected: Vec<Row> = order.iter().map(|row| rows[*row as usize].clone()).collect();
    assert_eq!(rows_of(&result.batch), expected);
    let series = &storage_keys(schema)[..schema.series_indices().len()];
    let differs = |row: &usize| {
        *row == 0 || compare_rows(schema, series, &expected[*row - 1], &expected[*row]) != Ordering::Equal
    };
    let starts: Vec<u32> = (0..rows.len()).filter(differs).map(|row| row as u32).collect();
    assert_eq!(result.run_starts, starts);
}

proptest! {
    #[test]
    fn indices_are_those_of_a_stable_sort(
        rows in rows(&schema(), 0..60), keys in sort_keys(&schema(), 0..4), layout in layout(),
        limit in prop::option::of(0usize..70)) {
        let schema = schema();
        let batch = batch(&schema, &rows, &layout);
        let indices = sort_indices(&ids(&schema), &batch, &keys, limit).unwrap();
        let mut expected = sorted(&schema, &rows, &keys);
        expected.truncate(limit.unwrap_or(usize::MAX));
        prop_assert_eq!(indices.values().to_vec(), expected);
    }

    #[test]
    fn segments_are_stably_sorted_by_series_and_time(
        pieces in prop::collection::vec((rows(&schema(), 0..20), layout()), 0..5)) {
        let schema = schema();
        let batches: Vec<RecordBatch> = pieces.iter().map(|(rows, layout)| batch(&schema, rows, layout)).collect();
        let rows: Vec<Row> = pieces.into_iter().flat_map(|(rows, _)| rows).collect();
        // Plain text outside series may not change its form between batches: tables have one form.
        let result = sort_for_segment(&schema, &batches).unwrap();
        check_segment(&schema, &rows, &result);
    }

    #[test]
    fn rows_compare_across_batches_as_values_do(
        a in (rows(&schema(), 1..6), layout()), b in (rows(&schema(), 1..6), layout()), keys in sort_keys(&schema(), 0..4)) {
        let schema = schema();
        let order = RowOrder::new(keys.clone());
        let prepare = |(rows, layout): &(Vec<Row>, Layout)| {
            order.prepare(&ids(&schema), &batch(&schema, rows, layout)).unwrap()
        };
        let (keyed_a, keyed_b) = (prepare(&a), prepare(&b));
        for (i, row_a) in a.0.iter().enumerate() {
            for (j, row_b) in b.0.iter().enumerate() {
                let expected = compare_rows(&schema, &keys, row_a, row_b);
                prop_assert_eq!(order.compare(&keyed_a, i, &keyed_b, j), expected);
                let bound: Vec<Option<Value>> =
                    keys.iter().map(|key| row_a[schema.index_of(key.column).unwrap()].clone()).collect();
                prop_assert_eq!(order.compare_bound(&bound, &keyed_b, j), expected);
            }
        }
    }
}

#[test]
fn many_series_with_late_rows_are_sorted() {
    let schema = schema();
    let row = |n: i64| -> Row {
        let mut row: Row = schema.columns().iter().map(|_| None).collect();
        let mut set = |id: ColumnId, value| row[schema.index_of(id).unwrap()] = value;
        set(TIME, Some(Value::Int((n * 7_919) % 1_000)));
        set(HOST, (n % 5 != 0).then(|| Value::Text(format!("host-{}", n % 50))));
        set(ZONE, (n % 3 != 0).then_some(Value::Int(n % 4)));
        set(TOTAL, Some(Value::UInt(n as u64)));
        row
    };
    let rows: Vec<Row> = (0..3_000).map(row).collect();
    let batches: Vec<RecordBatch> = rows.chunks(700).map(|rows| batch(&schema, rows, &PLAIN)).collect();
    check_segment(&schema, &rows, &sort_for_segment(&schema, &batches).unwrap());
}

#[test]
fn a_null_where_the_schema_has_none_is_refused() {
    let schema = schema();
    let mut rows = vec![vec![None; schema.columns().len()]; 2];
    rows.iter_mut().for_each(|row| row[schema.index_of(TIME).unwrap()] = Some(Value::Int(1)));
    let with_total = |rows: &[Row]| {
        let mut rows = rows.to_vec();
        rows.iter_mut().for_each(|row| row[schema.index_of(TOTAL).unwrap()] = Some(Value::UInt(1)));
        batch(&schema, &rows, &PLAIN)
    };
    let good = with_total(&rows);
    assert!(sort_for_segment(&schema, std::slice::from_ref(&good)).is_ok());
    let column = schema.index_of(TOTAL).unwrap();
    let mut columns = good.columns().to_vec();
    columns[column] = array(&schema.columns()[column].data_type, &[None, Some(Value::UInt(1))], &PLAIN);
    let loose: Vec<_> =
        good.schema().fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    let bad = RecordBatch::try_new(Arc::new(Schema::new(loose)), columns).unwrap();
    assert_eq!(sort_for_segment(&schema, &[bad]).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn batches_of_another_shape_are_refused() {
    let schema = schema();
    let batch = batch(&schema, &[], &PLAIN).project(&[0, 1]).unwrap();
    assert_eq!(sort_for_segment(&schema, &[batch]).unwrap_err().kind(), ErrorKind::InvalidInput);
}
