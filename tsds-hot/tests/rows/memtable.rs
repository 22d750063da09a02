use std::sync::Arc;

use arrow_array::RecordBatch;
use proptest::prelude::*;
use tsds_hot::{Memtable, decode_rows, encode_rows};
use tsds_traits::{ErrorKind, Sequence, SequenceInterval};

use crate::support::*;

fn all_rows(batches: &[RecordBatch]) -> Vec<Row> {
    batches.iter().flat_map(rows).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_snapshot_holds_exactly_what_came_before_it_in_order(
        writes in proptest::collection::vec((proptest::collection::vec(any_row(), 0..12), 1u64..4), 1..30),
    ) {
        let memtable = Memtable::new(schema(), Sequence(10));
        let (mut sequence, mut expected, mut snapshots) = (10, Vec::new(), Vec::new());
        for (write, gap) in writes {
            sequence += gap;
            memtable.append(Sequence(sequence), batch(&write)).unwrap();
            expected.extend(write);
            snapshots.push((memtable.snapshot(), expected.len(), sequence));
        }
        // Earlier snapshots still show what they showed.
        for (snapshot, len, upto) in snapshots {
            let then = &expected[..len];
            prop_assert_eq!(all_rows(&snapshot.batches), then);
            prop_assert_eq!(snapshot.rows, len as u64);
            prop_assert_eq!(snapshot.interval, SequenceInterval::new(Sequence(10), Sequence(upto)));
            let times = || then.iter().map(|row| row.time);
            prop_assert_eq!(snapshot.time_range, times().min().zip(times().max()));
        }
    }
}

#[test]
fn many_single_rows_end_up_in_few_batches() {
    let memtable = Memtable::new(schema(), Sequence::ZERO);
    let one = batch(&[row(1)]);
    for sequence in 1..=20_000 {
        memtable.append(Sequence(sequence), one.clone()).unwrap();
    }
    let snapshot = memtable.snapshot();
    assert_eq!(snapshot.rows, 20_000);
    assert!(snapshot.batches.len() <= 20, "{} batches", snapshot.batches.len());
}

#[test]
fn batches_that_are_large_already_are_not_copied() {
    let memtable = Memtable::new(schema(), Sequence::ZERO);
    let large = batch(&(0..20_000).map(row).collect::<Vec<_>>());
    memtable.append(Sequence(1), large.clone()).unwrap();
    memtable.append(Sequence(2), large.clone()).unwrap();
    let snapshot = memtable.snapshot();
    assert_eq!(snapshot.batches.len(), 2);
    let values = |batch: &RecordBatch| batch.column(4).to_data().buffers()[0].as_ptr();
    assert_eq!(values(&snapshot.batches[1]), values(&large));
}

#[test]
fn a_small_slice_does_not_hold_the_large_batch_behind_it() {
    let large = batch(&(0..50_000).map(row).collect::<Vec<_>>());
    let memtable = Memtable::new(schema(), Sequence::ZERO);
    memtable.append(Sequence(1), large.slice(7, 10)).unwrap();
    assert!(memtable.bytes() < 64 << 10, "{} bytes", memtable.bytes());
    assert_eq!(all_rows(&memtable.snapshot().batches), (7..17).map(row).collect::<Vec<_>>());
}

#[test]
fn rows_from_replay_count_their_payload_once() {
    let all = batch(&(0..20_000).map(row).collect::<Vec<_>>());
    let payload = bytes::Bytes::from(encode_rows(&all).unwrap().concat());
    let memtable = Memtable::new(schema(), Sequence::ZERO);
    memtable.append(Sequence(1), decode_rows(&schema(), &payload, 20_000).unwrap()).unwrap();
    let held = memtable.bytes() as usize;
    assert!((payload.len()..payload.len() * 2).contains(&held), "{held} bytes for {}", payload.len());
}

#[test]
fn a_frozen_memtable_takes_nothing_more() {
    let memtable = Memtable::new(schema(), Sequence::ZERO);
    memtable.append(Sequence(1), batch(&[row(1)])).unwrap();
    let frozen = memtable.freeze();
    assert_eq!(memtable.append(Sequence(2), batch(&[row(2)])).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!((frozen.rows, memtable.rows()), (1, 1));
    assert!(memtable.is_frozen());
}

#[test]
fn a_sequence_that_is_not_above_the_last_is_refused() {
    let memtable = Memtable::new(schema(), Sequence(5));
    for wrong in [4, 5] {
        let error = memtable.append(Sequence(wrong), batch(&[row(1)])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
    }
    assert_eq!(memtable.rows(), 0);
}

#[test]
fn rows_without_the_schemas_columns_are_refused() {
    let memtable = Memtable::new(schema(), Sequence::ZERO);
    let narrow = batch(&[row(1)]).project(&[0, 1]).unwrap();
    assert_eq!(memtable.append(Sequence(1), narrow).unwrap_err().kind(), ErrorKind::Internal);
}

#[test]
fn readers_see_whole_appends_while_a_writer_appends() {
    let memtable = Arc::new(Memtable::new(schema(), Sequence::ZERO));
    let three = batch(&[row(1), row(2), row(3)]);
    std::thread::scope(|scope| {
        let reader = memtable.clone();
        scope.spawn(move || {
            let mut last = 0;
            while last < 3_000 {
                let snapshot = reader.snapshot();
                assert_eq!(snapshot.rows % 3, 0);
                assert_eq!(snapshot.rows, snapshot.interval.upto.0 * 3);
                assert_eq!(
                    snapshot.batches.iter().map(RecordBatch::num_rows).sum::<usize>() as u64,
                    snapshot.rows
                );
                assert!(snapshot.rows >= last);
                last = snapshot.rows;
            }
        });
        for sequence in 1..=1_000 {
            memtable.append(Sequence(sequence), three.clone()).unwrap();
        }
    });
}
