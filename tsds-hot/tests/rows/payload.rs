use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{Array, DictionaryArray, RecordBatch};
use bytes::Bytes;
use proptest::prelude::*;
use tsds_hot::{decode_rows, encode_rows};
use tsds_traits::{Column, ColumnId, ErrorKind, SchemaVersion, TableId, TableSchema};

use crate::support::*;

fn encoded(batch: &RecordBatch) -> Bytes {
    encode_rows(batch).unwrap().concat().into()
}

/// The bytes at an address that is a multiple of 8, as replay gives them, or one beside.
fn placed(bytes: &[u8], misplaced: usize) -> Bytes {
    let mut room = vec![0u8; bytes.len() + 16];
    let at = room.as_ptr().align_offset(8) + misplaced;
    room[at..at + bytes.len()].copy_from_slice(bytes);
    Bytes::from(room).slice(at..at + bytes.len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_batch_and_every_slice_of_it_reads_back(
        all in proptest::collection::vec(any_row(), 1..40),
        from in 0usize..40,
        len in 0usize..40,
        misplaced in 0usize..8,
    ) {
        let from = from.min(all.len());
        let len = len.min(all.len() - from);
        let payload = placed(&encoded(&batch(&all).slice(from, len)), misplaced);
        let decoded = decode_rows(&schema(), &payload, len as u32).unwrap();
        prop_assert_eq!(rows(&decoded), &all[from..from + len]);
        prop_assert_eq!(decoded.schema(), schema().arrow().clone());
    }

    #[test]
    fn damaged_bytes_never_panic(
        all in proptest::collection::vec(any_row(), 1..20),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..4),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut payload = encoded(&batch(&all)).to_vec();
        for (place, bit) in flips {
            let place = place.index(payload.len());
            payload[place] ^= 1 << bit;
        }
        if let Some(cut) = cut {
            payload.truncate(cut.index(payload.len()));
        }
        match decode_rows(&schema(), &placed(&payload, 0), all.len() as u32) {
            Ok(decoded) => prop_assert_eq!(decoded.num_rows(), all.len()),
            Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Corrupt),
        }
    }
}

#[test]
fn arbitrary_bytes_are_corrupt() {
    for bytes in
        [&b""[..], b"x", &[0; 64], &[255; 64], b"ARROW1\0\0", &[255, 255, 255, 255, 255, 255, 255, 127]]
    {
        let error = decode_rows(&schema(), &Bytes::copy_from_slice(bytes), 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{bytes:?}");
    }
}

#[test]
fn another_number_of_rows_or_trailing_bytes_are_corrupt() {
    let payload = encoded(&batch(&[row(1), row(2)]));
    assert_eq!(decode_rows(&schema(), &payload, 3).unwrap_err().kind(), ErrorKind::Corrupt);
    let twice = Bytes::from([payload.clone(), payload].concat());
    assert_eq!(decode_rows(&schema(), &twice, 2).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn rows_of_another_schema_are_corrupt_and_not_misread() {
    let only_time = vec![schema().time_column().clone()];
    let other = TableSchema::new(TableId(1), SchemaVersion(2), only_time, ColumnId(1), &[]).unwrap();
    let more = Column { id: ColumnId(9), name: "more".into(), ..schema().columns()[3].clone() };
    let columns = [schema().columns(), &[more]].concat();
    let wider = TableSchema::new(TableId(1), SchemaVersion(3), columns, ColumnId(1), &[]).unwrap();
    let payload = encoded(&batch(&[row(1)]));
    for schema in [wider, other] {
        match decode_rows(&schema, &payload, 1) {
            // Arrow lets a batch have more buffers than columns; the columns that are there are then right.
            Ok(decoded) => assert_eq!(decoded.column(0), batch(&[row(1)]).column(0)),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt),
        }
    }
}

#[test]
fn a_small_slice_of_a_batch_with_a_large_dictionary_takes_few_bytes() {
    let all: Vec<Row> =
        (0..10_000).map(|n| Row { host: Some(format!("a rather long host name {n}")), ..row(n) }).collect();
    let slice = batch(&all).slice(5_000, 3);
    let payload = encoded(&slice);
    assert!(payload.len() < 4_000, "{} bytes", payload.len());
    assert_eq!(rows(&decode_rows(&schema(), &payload, 3).unwrap()), &all[5_000..5_003]);
}

#[test]
fn decoding_shares_the_memory_of_an_aligned_payload() {
    let all: Vec<Row> = (0..1_000).map(row).collect();
    let payload = placed(&encoded(&batch(&all)), 0);
    let decoded = decode_rows(&schema(), &payload, 1_000).unwrap();
    let values = decoded.column(4).to_data().buffers()[0].as_ptr() as usize;
    let range = payload.as_ptr() as usize..payload.as_ptr() as usize + payload.len();
    assert!(range.contains(&values));
}

#[test]
fn encoding_shares_the_memory_of_the_batch() {
    let all: Vec<Row> = (0..1_000).map(row).collect();
    let batch = batch(&all);
    let slices = encode_rows(&batch).unwrap();
    let values = batch.column(4).to_data().buffers()[0].as_ptr();
    assert!(slices.iter().any(|slice| slice.as_ptr() == values));
}

#[test]
fn two_dictionary_columns_keep_their_own_values() {
    let all = [Row { host: Some("h".into()), rack: Some("k".into()), ..row(1) }];
    let decoded = decode_rows(&schema(), &encoded(&batch(&all)), 1).unwrap();
    assert_eq!(rows(&decoded), all);
    let hosts = decoded.column(1).as_any().downcast_ref::<DictionaryArray<Int32Type>>().unwrap();
    assert_eq!(hosts.values().len(), 1);
    assert!(!Arc::ptr_eq(hosts.values(), decoded.column(2)));
}

/// A payload of format version 1 in hexadecimal, as it was written when the format was frozen.
const FROZEN: &str = include_str!("golden/payload-v1.hex");

/// Two dictionary columns, text, numbers, bits, and nulls in every column that may have them.
fn frozen_rows() -> Vec<Row> {
    let text = |text: &str| Some(text.to_owned());
    let row = Row {
        time: -1,
        host: text("häuser"),
        rack: text(""),
        load: Some(0x7ff8_0000_0000_beef),
        count: i64::MIN,
        up: Some(true),
        note: text("a note\0"),
    };
    vec![
        row.clone(),
        Row { time: 0, host: None, rack: text("r"), load: None, count: 0, up: None, note: None },
        Row {
            time: 1,
            host: text("b"),
            rack: None,
            load: Some((-0.0f64).to_bits()),
            up: Some(false),
            ..row.clone()
        },
        Row { time: i64::MAX, rack: text("r"), count: i64::MAX, note: text(""), ..row },
    ]
}

#[test]
fn the_frozen_payload_reads_back() {
    let digits: Vec<u8> = FROZEN.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let payload: Vec<u8> = digits.chunks(2).map(byte).collect();
    for misplaced in [0, 1] {
        let decoded = decode_rows(&schema(), &placed(&payload, misplaced), 4).unwrap();
        assert_eq!(rows(&decoded), frozen_rows());
    }
}

#[test]
#[ignore = "writes the frozen payload: only for a new format version"]
fn freeze() {
    let payload = encoded(&batch(&frozen_rows()));
    let lines =
        payload.chunks(32).map(|line| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    let text = lines.map(|line| line + "\n").collect::<String>();
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rows/golden/payload-v1.hex");
    let runtime = tsds_io::Runtime::new(Some(1)).unwrap();
    runtime.world().replace_file(target.as_ref(), text.as_bytes()).unwrap();
}
