//! Blocks as version 1 wrote them, one of each storage and kind of number: they stay readable for ever.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array,
    TimestampSecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow_buffer::Buffer;
use example_pco::PcoCodec;
use tsds_traits::{Codec, EncodeHints};

/// `name: hexadecimal`, a line for each of [`blocks`].
const GOLDEN: &str = include_str!("golden/v1.txt");

fn blocks() -> Vec<(&'static str, ArrayRef)> {
    let numbers = || 0..300_i64;
    macro_rules! column {
        ($array:ty, $value:expr) => {
            Arc::new(numbers().map($value).collect::<$array>()) as ArrayRef
        };
    }
    vec![
        ("empty", Arc::new(Int64Array::from(Vec::<i64>::new()))),
        ("all_null", Arc::new(Int32Array::from(vec![None; 11]))),
        ("stored", Arc::new(UInt16Array::from(vec![Some(1), None, Some(0xbeef)]))),
        ("int8", column!(Int8Array, |n| Some((n % 5) as i8 - 2))),
        ("int16", column!(Int16Array, |n| Some((n * 3) as i16))),
        ("int32", column!(Int32Array, |n| (n % 10 != 0).then_some((n * n) as i32))),
        ("int64", column!(Int64Array, |n| Some(n * 1_000_000_007))),
        ("uint8", column!(UInt8Array, |n| Some((n / 16) as u8))),
        ("uint16", column!(UInt16Array, |n| Some((n % 2) as u16))),
        ("uint32", column!(UInt32Array, |n| Some(u32::MAX - n as u32))),
        ("uint64", column!(UInt64Array, |n| Some(u64::MAX / 2 + n as u64))),
        ("float32", column!(Float32Array, |n| Some(n as f32 * 0.5))),
        ("float64", column!(Float64Array, |n| (n % 9 != 4).then_some((n % 100) as f64 * 0.1))),
        (
            "nan_payloads",
            Arc::new(Float64Array::from(vec![f64::from_bits(0xfff0_0000_0000_0001), -0.0, f64::NAN])),
        ),
        ("timestamp", column!(TimestampSecondArray, |n| Some(1_700_000_000 + n * 60))),
    ]
}

fn golden(name: &str) -> Vec<u8> {
    let line = GOLDEN.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let hex = line.unwrap_or_else(|| panic!("golden/v1.txt has no {name}"));
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn version_1_is_still_read() {
    for (name, array) in blocks() {
        let bytes = Buffer::from(golden(name));
        let decoded = PcoCodec::new().decode(1, &bytes, array.len(), array.data_type()).unwrap();
        assert_eq!(&decoded, &array, "{name}");
    }
}

/// A new pco may find shorter bytes for the same values. That is no new version as long as the test above holds.
#[test]
fn the_same_bytes_are_written() {
    let mut written = String::new();
    for (name, array) in blocks() {
        let mut bytes = Vec::new();
        PcoCodec::new().encode(&array, &EncodeHints::default(), &mut bytes).unwrap();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(written, "{name}: {hex}").unwrap();
    }
    assert!(written == GOLDEN, "now written:\n{written}");
}
