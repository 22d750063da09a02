//! Whatever is encoded is decoded, by every kernel, and without lanes also by the decoders after the paper.

use proptest::prelude::*;

use super::*;

fn round_trip<V: Copy + Default + PartialEq + std::fmt::Debug>(api: &Api<V>, values: &[V]) {
    for lanes_log2 in layouts(values.len()) {
        let bytes = api.encoded(values, lanes_log2);
        for isa in Isa::available() {
            let decoded = api.decoded(&bytes, lanes_log2, values.len(), isa).unwrap();
            assert!(decoded == values, "{lanes_log2} {isa:?}");
        }
        let mut appended = vec![1, 2, 3];
        (api.encode)(values, lanes_log2, &mut appended);
        assert!(appended.starts_with(&[1, 2, 3]) && appended[3..] == bytes);
    }
    let bytes = api.encoded(values, 0);
    assert_eq!((api.encoded_len)(values), bytes.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn times_come_back(times in values::times()) {
        round_trip(&TIMES, &times);
        let naive = naive::serial(&TIMES.encoded(&times, 0), times.len(), 64, |time| naive::Times { time, delta: 0 });
        prop_assert!(naive.iter().map(|time| *time as i64).eq(times));
    }

    #[test]
    fn floats_come_back(floats in values::floats64()) {
        round_trip(&FLOATS64, &floats);
        let naive =
            naive::serial(&FLOATS64.encoded(&floats, 0), floats.len(), 64, |value| naive::Floats::new(64, value));
        prop_assert_eq!(naive, floats);
    }

    #[test]
    fn short_floats_come_back(floats in values::floats32()) {
        round_trip(&FLOATS32, &floats);
        let naive =
            naive::serial(&FLOATS32.encoded(&floats, 0), floats.len(), 32, |value| naive::Floats::new(32, value));
        prop_assert!(naive.into_iter().eq(floats.into_iter().map(u64::from)));
    }
}

#[test]
fn every_small_number_of_rows_comes_back() {
    for rows in 0..=300 {
        let times: Vec<i64> = (0..rows).map(|row| row * row * 37 % 1000).collect();
        round_trip(&TIMES, &times);
        round_trip(&FLOATS64, &times.iter().map(|&time| (time as f64 / 10.0).to_bits()).collect::<Vec<_>>());
        round_trip(&FLOATS32, &times.iter().map(|&time| (time as f32 / 10.0).to_bits()).collect::<Vec<_>>());
    }
}

/// Codes of the greatest length, of which each is longer than a window, in every lane and step.
#[test]
fn the_longest_codes_come_back() {
    let rows = 2100;
    let times: Vec<i64> = (0..rows).map(|row| if row % 2 == 0 { i64::MIN } else { i64::MAX }).collect();
    round_trip(&TIMES, &times);
    // The windows grow from one bit by turns at both ends, so that no change fits in the window before.
    let window = |row: u32| u64::MAX >> (31 - row % 32) << (row % 32) | 1 << 63 >> (row % 32);
    let mut value = 0;
    let floats: Vec<u64> = (0..rows)
        .map(|row| {
            value ^= window(row as u32);
            value
        })
        .collect();
    round_trip(&FLOATS64, &floats);
    round_trip(&FLOATS32, &floats.iter().map(|&value| value as u32).collect::<Vec<_>>());
}
