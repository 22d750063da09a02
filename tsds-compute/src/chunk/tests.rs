use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, TimestampMillisecondArray, cast::AsArray, types::Int64Type};
use proptest::prelude::*;

use super::*;
use crate::calendar::{FIRST_SECOND, LAST_SECOND};

const DAY: i64 = SECONDS_PER_DAY;

fn intervals() -> impl Strategy<Value = ChunkInterval> {
    prop_oneof![
        (60i64..40_000_000).prop_map(ChunkInterval::Seconds),
        (1u32..200).prop_map(ChunkInterval::Months),
        (1u32..=1_000).prop_map(ChunkInterval::Years),
    ]
}

proptest! {
    #[test]
    fn chunks_tile_all_of_time(second in FIRST_SECOND..=LAST_SECOND, interval in intervals()) {
        let chunk = interval.range_of(second);
        prop_assert!(chunk.contains_second(second));
        prop_assert_eq!(interval.range_of(chunk.start), chunk);
        prop_assert_eq!(interval.range_of(chunk.end - 1), chunk);
        prop_assert_eq!(interval.range_of(chunk.end).start, chunk.end);
    }

    #[test]
    fn any_second_has_a_chunk(second in any::<i64>(), interval in intervals()) {
        let chunk = interval.range_of(second);
        prop_assert!(chunk.start < chunk.end);
    }

    #[test]
    fn intervals_read_back_from_their_text(interval in intervals()) {
        prop_assert_eq!(interval.to_string().parse::<ChunkInterval>().unwrap(), interval);
    }

    #[test]
    fn a_partition_keeps_every_row_in_order(times in prop::collection::vec(-200_000i64..200_000, 0..60)) {
        let interval = ChunkInterval::Seconds(60);
        let rows: ArrayRef = Arc::new(Int64Array::from_iter_values(0..times.len() as i64));
        let time: ArrayRef = Arc::new(TimestampMillisecondArray::from(times.clone()));
        let batch = RecordBatch::try_from_iter([("row", rows), ("time", time)]).unwrap();
        let parts = partition(&batch, 1, TimeUnit::Millisecond, interval).unwrap();
        prop_assert!(parts.is_sorted_by(|a, b| a.0 < b.0));
        let mut expected: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        for (row, time) in times.iter().enumerate() {
            expected.entry(time.div_euclid(60_000) * 60).or_default().push(row as i64);
        }
        let got = parts.iter().map(|(chunk, part)| {
            (chunk.start, part.column(0).as_primitive::<Int64Type>().values().to_vec())
        });
        prop_assert_eq!(got.collect::<BTreeMap<_, _>>(), expected);
    }
}

#[test]
fn months_and_years_follow_the_calendar() {
    let month = |second| ChunkInterval::Months(1).range_of(second);
    assert_eq!(month(-1), ChunkRange { start: -31 * DAY, end: 0 });
    assert_eq!(month(31 * DAY), ChunkRange { start: 31 * DAY, end: 59 * DAY });
    assert_eq!(ChunkInterval::Years(1).range_of(-1), ChunkRange { start: -365 * DAY, end: 0 });
    // Decades begin at years that end in zero.
    assert_eq!(ChunkInterval::Years(10).range_of(9 * 365 * DAY).start, 0);
    assert_eq!(ChunkInterval::Years(10).range_of(-1).start, -3_653 * DAY);
}

#[test]
fn texts_are_as_short_as_they_can_be() {
    let texts = ["90s", "15m", "1h", "1d", "7d", "1mo", "1y"];
    assert_eq!(texts.map(|text| text.parse::<ChunkInterval>().unwrap().to_string()), texts);
    assert_eq!("1w".parse::<ChunkInterval>().unwrap().to_string(), "7d");
    assert_eq!("24h".parse::<ChunkInterval>().unwrap().to_string(), "1d");
}

#[test]
fn texts_that_are_no_interval_are_refused() {
    for text in ["", "d", "1", "-1d", "1 d", "1D", "59s", "0mo", "1001y", "99999999999d", "1.5h", "é"] {
        assert!(text.parse::<ChunkInterval>().is_err(), "{text}");
    }
}

#[test]
fn a_batch_in_one_chunk_is_not_copied() {
    let time: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![5, 3, 59_999]));
    let batch = RecordBatch::try_from_iter([("time", Arc::clone(&time))]).unwrap();
    let parts = partition(&batch, 0, TimeUnit::Millisecond, ChunkInterval::Seconds(60)).unwrap();
    assert!(parts.len() == 1 && Arc::ptr_eq(parts[0].1.column(0), &time));
}

#[test]
fn a_batch_without_times_is_refused() {
    let nulls: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![Some(1), None]));
    let batch = RecordBatch::try_from_iter([("time", nulls)]).unwrap();
    assert!(partition(&batch, 0, TimeUnit::Millisecond, ChunkInterval::Seconds(60)).is_err());
    assert!(partition(&batch, 1, TimeUnit::Millisecond, ChunkInterval::Seconds(60)).is_err());
}
