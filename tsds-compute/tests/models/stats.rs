//! Statistics and metadata against plain values.

use arrow_array::{Array, StringArray};
use proptest::prelude::*;
use tsds_compute::stats::MAX_TEXT_BOUND;
use tsds_compute::{
    SegmentDescriber, StatsBuilder, column_stats, describe_segment, plain_bytes, sort_for_segment,
};
use tsds_traits::{ChunkRange, ErrorKind, KeyDomain, SegmentId, Sequence, SequenceInterval, Value};

use crate::common::*;

const CHUNK: ChunkRange = ChunkRange { start: -60, end: 60 };

fn interval() -> SequenceInterval {
    SequenceInterval::new(Sequence(3), Sequence(9))
}

proptest! {
    #[test]
    fn statistics_are_those_of_the_values(rows in rows(&schema(), 0..50), layout in layout(), places in cuts()) {
        let schema = schema();
        let whole = batch(&schema, &rows, &layout);
        for (index, column) in schema.columns().iter().enumerate() {
            let stats = column_stats(column.id, whole.column(index)).unwrap();
            let values: Vec<&Value> = rows.iter().filter_map(|row| row[index].as_ref()).collect();
            prop_assert_eq!(stats.null_count as usize, rows.len() - values.len());
            prop_assert_eq!(stats.has_nan, values.iter().any(|value| value.is_nan()));
            let numbers = || values.iter().filter(|value| !value.is_nan());
            prop_assert_eq!(stats.min.as_ref(), numbers().min().copied());
            prop_assert_eq!(stats.max.as_ref(), numbers().max().copied());
            prop_assert!(stats.exact);
            let mut builder = StatsBuilder::new(column.id);
            for piece in cut(&rows, &places) {
                builder.push(batch(&schema, &piece, &layout).column(index)).unwrap();
            }
            prop_assert_eq!(builder.finish(), stats);
        }
    }

    #[test]
    fn metadata_is_the_same_however_the_rows_are_cut(rows in rows(&schema(), 1..40), places in cuts()) {
        let schema = schema();
        let sorted = sort_for_segment(&schema, &[batch(&schema, &rows, &PLAIN)]).unwrap();
        let id = SegmentId::new(7);
        let meta = describe_segment(&schema, id, CHUNK, KeyDomain(2), interval(), &sorted).unwrap();
        meta.validate().unwrap();
        prop_assert_eq!((meta.rows, meta.series), (rows.len() as u64, sorted.run_starts.len() as u64));
        let time = schema.time_index();
        let times = rows.iter().map(|row| row[time].clone());
        prop_assert_eq!(Some(Value::Int(meta.time_range.0)), times.clone().min().flatten());
        prop_assert_eq!(Some(Value::Int(meta.time_range.1)), times.max().flatten());
        let mut describer = SegmentDescriber::new(&schema);
        let numbers: Vec<usize> = (0..rows.len()).collect();
        for piece in cut(&numbers, &places).into_iter().filter(|piece| !piece.is_empty()) {
            describer.push(&sorted.batch.slice(piece[0], piece.len())).unwrap();
        }
        let again = describer.finish(id, CHUNK, KeyDomain(2), interval()).unwrap();
        prop_assert_eq!(&again.columns, &meta.columns);
        prop_assert_eq!((again.rows, again.series, again.time_range), (meta.rows, meta.series, meta.time_range));
    }
}

#[test]
fn long_text_is_bounded_by_short_text() {
    let long = format!("{}é{}", "x".repeat(MAX_TEXT_BOUND - 1), "tail");
    let stats = column_stats(NOTE, &StringArray::from(vec![long.as_str(), "y"])).unwrap();
    assert_eq!(stats.min, Some(Value::Text("x".repeat(MAX_TEXT_BOUND - 1))));
    assert_eq!((stats.max, stats.exact), (Some(Value::Text("y".into())), false));
    let stats = column_stats(NOTE, &StringArray::from(vec![long.as_str()])).unwrap();
    let Some(Value::Text(max)) = stats.max else { panic!("no bound") };
    assert!(max.as_str() > long.as_str() && max.len() <= MAX_TEXT_BOUND);
    // Nothing of 64 bytes is larger than this.
    let largest = "\u{10ffff}".repeat(17);
    let stats = column_stats(NOTE, &StringArray::from(vec![largest.as_str()])).unwrap();
    assert_eq!(stats.max, Some(Value::Text(largest)));
}

#[test]
fn plain_bytes_count_what_a_slice_shows() {
    let schema = schema();
    let rows: Vec<Row> = (0..100)
        .map(|n| {
            schema
                .columns()
                .iter()
                .map(|column| match column.id {
                    TIME => Some(Value::Int(n)),
                    TOTAL => Some(Value::UInt(1)),
                    HOST | MESSAGE => Some(Value::Text("four".into())),
                    _ => Some(match column.data_type {
                        arrow_schema::DataType::Boolean => Value::Bool(true),
                        arrow_schema::DataType::Float64 => Value::F64(1.0),
                        arrow_schema::DataType::Float32 => Value::F32(1.0),
                        arrow_schema::DataType::UInt8 => Value::UInt(1),
                        arrow_schema::DataType::Dictionary(_, _) => Value::Text("note".into()),
                        _ => Value::Int(1),
                    }),
                })
                .collect()
        })
        .collect();
    let sorted = sort_for_segment(&schema, &[batch(&schema, &rows, &PLAIN)]).unwrap();
    // load, time, count, total: 8 each; heat 4; zone 2; level 1; alive a bit; host and message text; note a code, and its
    // dictionary.
    let fixed = |rows: u64| rows * (4 * 8 + 4 + 2 + 1) + rows.div_ceil(8);
    let text = |rows: u64| 4 * (rows + 1) + 4 * rows;
    let expected = |rows: u64| fixed(rows) + 2 * text(rows) + 4 * rows + text(1);
    assert_eq!(plain_bytes(&sorted.batch), expected(100));
    assert_eq!(plain_bytes(&sorted.batch.slice(10, 30)), expected(30));
}

#[test]
fn rows_outside_the_chunk_are_refused() {
    let schema = schema();
    let mut describer = SegmentDescriber::new(&schema);
    let empty = describer.push(&sort_for_segment(&schema, &[]).unwrap().batch);
    assert!(empty.is_ok());
    let error = describer.finish(SegmentId::new(1), CHUNK, KeyDomain(0), interval()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let row: Row = schema
        .columns()
        .iter()
        .map(|column| match column.id {
            TIME => Some(Value::Int(60_000)),
            TOTAL => Some(Value::UInt(0)),
            _ => None,
        })
        .collect();
    let sorted = sort_for_segment(&schema, &[batch(&schema, &[row], &PLAIN)]).unwrap();
    assert_eq!(sorted.batch.column(0).null_count(), 1);
    let error =
        describe_segment(&schema, SegmentId::new(1), CHUNK, KeyDomain(0), interval(), &sorted).unwrap_err();
    assert!(error.to_string().contains("chunk=[-60s, 60s)"), "{error}");
}
