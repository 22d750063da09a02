//! Whatever the bytes, decoding returns, and all kernels return the same.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// What all kernels decode.
fn agreed<V: Copy + Default + PartialEq + std::fmt::Debug>(
    api: &Api<V>,
    bytes: &[u8],
    lanes_log2: u32,
    rows: usize,
) -> Result<Vec<V>> {
    let expected = api.decoded(bytes, lanes_log2, rows, Isa::Portable);
    for isa in Isa::available() {
        let decoded = api.decoded(bytes, lanes_log2, rows, isa);
        assert!(decoded == expected, "{isa:?} with {lanes_log2}");
    }
    expected
}

fn damaged<V: Copy + Default + PartialEq + std::fmt::Debug>(
    api: &Api<V>,
    values: &[V],
    flips: &[(Index, u8)],
    cut: Index,
    more: &[u8],
) {
    for lanes_log2 in layouts(values.len()) {
        let bytes = api.encoded(values, lanes_log2);
        if bytes.is_empty() {
            continue;
        }
        let mut flipped = bytes.clone();
        for (at, by) in flips {
            flipped[at.index(bytes.len())] ^= by;
            let _ = agreed(api, &flipped, lanes_log2, values.len());
        }
        let _ = agreed(api, &flipped[..cut.index(bytes.len())], lanes_log2, values.len());
        assert!(agreed(api, &bytes[..cut.index(bytes.len())], lanes_log2, values.len()).is_err());
        assert!(agreed(api, &[&bytes, more].concat(), lanes_log2, values.len()).is_err());
    }
}

fn flips() -> impl Strategy<Value = Vec<(Index, u8)>> {
    vec((any::<Index>(), 1..=255u8), 1..6)
}

fn more() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 1..20), vec(Just(0), 1..20)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_times_are_refused_alike(
        times in values::times(), flips in flips(), cut in any::<Index>(), more in more()
    ) {
        damaged(&TIMES, &times, &flips, cut, &more);
    }

    #[test]
    fn damaged_floats_are_refused_alike(
        floats in values::floats64(), flips in flips(), cut in any::<Index>(), more in more()
    ) {
        damaged(&FLOATS64, &floats, &flips, cut, &more);
    }

    #[test]
    fn damaged_short_floats_are_refused_alike(
        floats in values::floats32(), flips in flips(), cut in any::<Index>(), more in more()
    ) {
        damaged(&FLOATS32, &floats, &flips, cut, &more);
    }

    #[test]
    fn any_bytes_are_decoded_alike(
        bytes in vec(any::<u8>(), 0..3000), lanes_log2 in 0..8u32, rows in 0..3000usize
    ) {
        let _ = agreed(&TIMES, &bytes, lanes_log2, rows);
        let _ = agreed(&FLOATS64, &bytes, lanes_log2, rows);
        let _ = agreed(&FLOATS32, &bytes, lanes_log2, rows);
    }
}

#[test]
fn a_bit_after_the_last_code_is_refused() {
    for lanes_log2 in layouts(700) {
        let values: Vec<i64> = (0..700).map(|row| row * row % 50).collect();
        let mut bytes = TIMES.encoded(&values, lanes_log2);
        let end = if lanes_log2 == 0 { bytes.len() - 1 } else { bytes.len() - 8 };
        assert_eq!(bytes[end] & 1, 0);
        bytes[end] |= 1;
        assert!(agreed(&TIMES, &bytes, lanes_log2, values.len()).is_err());
    }
}

#[test]
fn lanes_that_blocks_do_not_have_are_refused() {
    let values: Vec<i64> = (0..511).collect();
    let bytes = TIMES.encoded(&values, 0);
    for lanes_log2 in [1, 2, 3, 6, 63, 64, u32::MAX] {
        assert!(agreed(&TIMES, &bytes, lanes_log2, values.len()).is_err());
    }
}

#[test]
fn bytes_of_no_rows_are_refused() {
    assert!(agreed(&TIMES, &[0], 0, 0).is_err());
    assert!(agreed(&FLOATS64, &[], 0, 0).is_ok());
}
