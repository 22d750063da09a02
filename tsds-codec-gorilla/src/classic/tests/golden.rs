//! Codes worked out by hand.

use super::*;

fn golden<V: Copy + Default + PartialEq + std::fmt::Debug>(api: &Api<V>, values: &[V], bits: &[&str]) {
    let bits: String = bits.concat().chars().filter(|bit| *bit != ' ').collect();
    let byte = |bits: &[u8]| {
        let bits = String::from_utf8(bits.to_vec()).unwrap();
        u8::from_str_radix(&format!("{bits:0<8}"), 2).unwrap()
    };
    let bytes: Vec<u8> = bits.as_bytes().chunks(8).map(byte).collect();
    assert_eq!(hex(&api.encoded(values, 0)), hex(&bytes));
    for isa in Isa::available() {
        assert_eq!(api.decoded(&bytes, 0, values.len(), isa).unwrap(), values);
    }
}

#[test]
fn times_are_coded_by_the_delta_of_deltas() {
    let times = [1000, 1060, 1120, 1181, 1240, 1599, 2214, 6829];
    let codes = [
        // 1000 as it is.
        "00000000 00000000 00000000 00000000 00000000 00000000 00000011 11101000",
        // The delta is 60 after 0: 60 is in [-63, 64], and 60 + 63 = 123.
        "10 1111011",
        // 60 after 60.
        "0",
        // 61 after 60: 1 + 63 = 64.
        "10 1000000",
        // 59 after 61: -2 + 63 = 61.
        "10 0111101",
        // 359 after 59: 300 is in [-2047, 2048], and 300 + 2047 = 2347.
        "1110 100100101011",
        // 615 after 359: 256 is in [-255, 256], and 256 + 255 = 511.
        "110 111111111",
        // 4615 after 615: 4000 as it is.
        "1111 00000000 00000000 00000000 00000000 00000000 00000000 00001111 10100000",
    ];
    golden(&TIMES, &times, &codes);
    assert_eq!(hex(&TIMES.encoded(&times, 0)), "00000000000003e8bda813de92bdfff0000000000000fa00");
}

/// The values of figure 2 of the paper, and the last once more.
#[test]
fn floats_are_coded_by_the_bits_that_change() {
    let values = [15.5, 14.0625, 3.25, 8.625, 13.1, 13.1].map(f64::to_bits);
    let codes = [
        // 0x402f000000000000 as it is.
        "01000000 00101111 00000000 00000000 00000000 00000000 00000000 00000000",
        // 0x0003200000000000 changes: after 14 zeros 5 bits.
        "11 01110 000100 11001",
        // 0x0026200000000000 changes: after 10 zeros 9 bits, which do not fit in the 5 bits after 14.
        "11 01010 001000 100110001",
        // 0x002b400000000000 changes: after 10 zeros 8 bits, which do fit in the 9 after 10.
        "10 101011010",
        // 0x000b733333333333 changes: after 12 zeros 52 bits.
        "11 01100 110011 1011 01110011 00110011 00110011 00110011 00110011 00110011",
        // Nothing changes.
        "0",
    ];
    golden(&FLOATS64, &values, &codes);
    let bytes = "402f000000000000dc26751131ab5b33b7333333333330";
    assert_eq!(hex(&FLOATS64.encoded(&values, 0)), bytes);
}

#[test]
fn short_floats_have_shorter_counts() {
    let values = [15.5, 14.0625, 14.0625, 3.25].map(f32::to_bits);
    let codes = [
        // 0x41780000 as it is.
        "01000001 01111000 00000000 00000000",
        // 0x00190000 changes: after 11 zeros 5 bits.
        "11 01011 00100 11001",
        // Nothing changes.
        "0",
        // 0x01310000 changes: after 7 zeros 9 bits.
        "11 00111 01000 100110001",
    ];
    golden(&FLOATS32, &values, &codes);
}

/// 31 is the most that five bits can say.
#[test]
fn more_than_31_leading_zeros_are_written_as_meaningful() {
    let zeros = "0".repeat(64);
    golden(&FLOATS64, &[0, 1], &[&zeros, "11 11111 100000", &"0".repeat(32), "1"]);
}

#[test]
fn the_ends_of_buckets_are_in_them() {
    for (change, bits) in
        [(0, 1), (-63, 9), (64, 9), (-64, 12), (65, 12), (-255, 12), (256, 12), (-256, 16), (257, 16)]
            .into_iter()
            .chain([(-2047, 16), (2048, 16), (-2048, 68), (2049, 68), (i64::MIN, 68), (i64::MAX, 68)])
    {
        let bytes: usize = (64 + bits as usize).div_ceil(8);
        assert_eq!(encoded_len_times(&[0, change]), bytes, "{change}");
        assert_eq!(TIMES.encoded(&[0, change], 0).len(), bytes, "{change}");
    }
}
