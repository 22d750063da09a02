use std::sync::Arc;

use arrow_array::{Int64Array, StringArray};
use arrow_schema::{DataType, Field, Schema};

use super::*;

const IDS: [ColumnId; 3] = [ColumnId(1), ColumnId(2), ColumnId(3)];

fn by(column: u32, descending: bool) -> SortKey {
    SortKey { column: ColumnId(column), descending, nulls_first: false }
}

fn schema() -> SchemaRef {
    let field = |name, data_type| Field::new(name, data_type, true);
    Arc::new(Schema::new(vec![
        field("number", DataType::Int64),
        field("text", DataType::Utf8),
        field("id", DataType::Int64),
    ]))
}

/// 300 rows in batches of several lengths, with ties and nulls.
fn batches() -> Vec<RecordBatch> {
    let rows = 0..300_i64;
    let number: Int64Array = rows.clone().map(|row| (row % 11 > 0).then_some(row * 37 % 19)).collect();
    let text: StringArray =
        rows.clone().map(|row| (row % 7 > 0).then(|| "t".repeat((row * 53 % 90) as usize))).collect();
    let id = Int64Array::from_iter_values(rows);
    let all = RecordBatch::try_new(schema(), vec![Arc::new(number), Arc::new(text), Arc::new(id)]).unwrap();
    let cuts = [0, 0, 1, 50, 51, 180, 300];
    cuts.windows(2).map(|pair| all.slice(pair[0], pair[1] - pair[0])).collect()
}

fn joined(batches: &[RecordBatch]) -> RecordBatch {
    concat_batches(&schema(), batches).unwrap()
}

#[test]
fn however_rows_are_sorted_they_come_in_one_order() {
    for keys in
        [vec![by(1, false)], vec![by(2, true), by(1, false)], vec![by(1, true), by(2, true), by(1, true)]]
    {
        for limit in [None, Some(0), Some(1), Some(120), Some(1_000)] {
            let indices = sort_indices(&IDS, &joined(&batches()), &keys, limit).unwrap();
            let expected = take_record_batch(&joined(&batches()), &indices).unwrap();
            for (joined_bytes, key_bytes) in [(u64::MAX, u64::MAX), (0, u64::MAX), (0, 0)] {
                let sorted =
                    SortedBatches::joining(&schema(), &IDS, batches(), &keys, limit, joined_bytes, key_bytes);
                let sorted = sorted.unwrap();
                assert_eq!(sorted.rows(), expected.num_rows());
                let size = BatchSize::new(40, 600);
                let found = sorted.into_batches(size).unwrap();
                assert_eq!(joined(&found), expected);
                for batch in &found {
                    let bytes = RowBytes::of_batch(batch).of(0..batch.num_rows());
                    assert!((1..=40).contains(&batch.num_rows()) && (bytes <= 600 || batch.num_rows() == 1));
                }
            }
        }
    }
}

#[test]
fn rows_that_have_room_come_as_one_batch_and_others_alone() {
    let sorted = |bytes| {
        let sorted = SortedBatches::new(&schema(), &IDS, batches(), &[by(3, true)], None).unwrap();
        sorted.into_batches(BatchSize::new(1_000, bytes)).unwrap().len()
    };
    assert_eq!((sorted(u64::MAX), sorted(0)), (1, 300));
    let none = SortedBatches::new(&schema(), &IDS, Vec::new(), &[by(3, true)], None).unwrap();
    assert!(none.into_batches(BatchSize::new(1, 1)).unwrap().is_empty());
}
