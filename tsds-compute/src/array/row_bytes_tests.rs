use std::sync::Arc;

use arrow_array::builder::{Int64Builder, ListBuilder, MapBuilder, StringBuilder};
use arrow_array::{
    BinaryArray, BooleanArray, DictionaryArray, FixedSizeBinaryArray, FixedSizeListArray, Int32Array,
    Int64Array, StructArray,
};
use arrow_schema::Field;

use super::*;
use crate::stats::plain_bytes;

/// Text of these lengths.
fn texts(lengths: &[usize]) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(lengths.iter().map(|length| "x".repeat(*length))))
}

fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    RecordBatch::try_from_iter_with_nullable(
        names.into_iter().zip(columns).map(|(name, array)| (name, array, true)),
    )
    .unwrap()
}

/// One of every kind, 40 rows whose sizes differ.
fn everything() -> RecordBatch {
    let rows = 0..40_usize;
    let mut lists = ListBuilder::new(StringBuilder::new());
    let mut maps = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    for row in rows.clone() {
        (0..row % 7).for_each(|item| lists.values().append_value("y".repeat(item * row)));
        lists.append(row % 5 > 0);
        (0..row % 3).for_each(|item| {
            maps.keys().append_value(format!("{item}"));
            maps.values().append_value(1);
        });
        maps.append(true).unwrap();
    }
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..80));
    let pairs =
        FixedSizeListArray::new(Arc::new(Field::new("item", DataType::Int64, true)), 2, numbers, None);
    let bytes = BinaryArray::from_iter_values(rows.clone().map(|row| vec![0_u8; row * 3]));
    let fields = vec![(Arc::new(Field::new("bytes", DataType::Binary, true)), Arc::new(bytes) as ArrayRef)];
    let fixed = FixedSizeBinaryArray::try_from_iter(rows.clone().map(|_| [0_u8; 5])).unwrap();
    batch(vec![
        texts(&rows.clone().map(|row| row * row).collect::<Vec<_>>()),
        Arc::new(BooleanArray::from_iter(rows.clone().map(|row| (row % 3 > 0).then_some(true)))),
        Arc::new(lists.finish()),
        Arc::new(maps.finish()),
        Arc::new(pairs),
        Arc::new(StructArray::from(fields)),
        Arc::new(fixed),
        Arc::new(Int64Array::from_iter_values(0..40)),
    ])
}

#[test]
fn rows_take_what_they_hold_of_columns_of_any_kind() {
    let all = everything();
    for column in 0..all.num_columns() {
        let one = all.project(&[column]).unwrap();
        let sizes = RowBytes::of_batch(&one);
        for (start, len) in [(0, 40), (0, 1), (39, 1), (7, 20), (13, 0)] {
            let slice = one.slice(start, len);
            let (counted, plain) = (sizes.of(start..start + len), plain_bytes(&slice));
            // An offset more for each array, and bits that are rounded up or are those of a part without nulls.
            assert!(counted.abs_diff(plain) <= 16 + len as u64, "{column}: {counted} for {plain}");
            assert_eq!(RowBytes::of_batch(&slice).of(0..len).abs_diff(counted) / 16, 0, "{column}");
        }
    }
}

#[test]
fn a_row_of_a_dictionary_takes_its_text_wherever_that_is_shared() {
    let short =
        DictionaryArray::<Int32Type>::new(vec![Some(0), None, Some(1), Some(1)].into(), texts(&[10, 20]));
    assert_eq!(RowBytes::new(&[Arc::new(short)]).of(0..4), 4 * 24, "short text counts as the longest");
    let long = DictionaryArray::<UInt32Type>::new(vec![0, 1, 1, 0].into(), texts(&[1_000, 2_000]));
    let sizes = RowBytes::new(&[Arc::new(long.slice(1, 3))]);
    assert_eq!((sizes.of(0..2), sizes.of(2..3)), (2 * 2_004, 1_004));
    let many: Vec<usize> = (0..50).map(|length| length * 100).collect();
    let few = DictionaryArray::<Int32Type>::new(vec![49, 0].into(), texts(&many));
    assert_eq!(RowBytes::new(&[Arc::new(few)]).of(0..1), 4_904);
}

#[test]
fn a_batch_ends_before_what_has_no_room_and_holds_at_least_one_row() {
    let sizes = RowBytes::new(&[texts(&[6, 6, 6, 100, 6, 6])]);
    let end = |start, rows, bytes| sizes.end(start..6, BatchSize::new(rows, bytes));
    assert_eq!([end(0, 10, 20), end(0, 10, 29), end(0, 10, 30), end(0, 2, 30)], [2, 2, 3, 2]);
    assert_eq!([end(2, 10, 30), end(3, 10, 30), end(4, 10, 0), end(4, 10, 1_000)], [3, 4, 5, 6]);
    assert_eq!((end(6, 10, 10), end(0, 0, 1_000)), (6, 1));
    assert_eq!(sizes.largest(0..6), Some((0, 154)));
}

#[test]
fn cut_rows_are_all_rows_in_order() {
    let all = everything();
    for bytes in [0, 100, 3_000, 1 << 20] {
        let parts = BatchSize::new(16, bytes).cut(&all);
        let sizes = RowBytes::of_batch(&all);
        let mut row = 0;
        for part in &parts {
            assert_eq!(*part, all.slice(row, part.num_rows()));
            let taken = sizes.of(row..row + part.num_rows());
            assert!(part.num_rows() == 1 || (part.num_rows() <= 16 && taken <= bytes), "{taken} of {bytes}");
            row += part.num_rows();
        }
        assert_eq!(row, 40);
    }
}

#[test]
fn codes_that_name_nothing_under_nulls_are_counted_as_nothing() {
    let long = "x".repeat(100);
    let values: ArrayRef = Arc::new(StringArray::from(vec![long.as_str()]));
    let keys = Int32Array::new(vec![0, -1, i32::MAX].into(), Some(vec![true, false, false].into()));
    let array: ArrayRef = Arc::new(DictionaryArray::<Int32Type>::try_new(keys, values).unwrap());
    assert!(RowBytes::new(&[array]).of(0..3) >= 100);
}
