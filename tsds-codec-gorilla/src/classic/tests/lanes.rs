//! The layout with lanes, decoded bit by bit as its description says.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::naive::{Bits, Decoder, Floats, Times};
use super::*;

struct Lane<D> {
    decoder: D,
    rows: usize,
    /// Steps in which words are taken.
    supplied: usize,
    bits: Bits,
    /// Bits of words that were taken for this lane, or would have been.
    given: usize,
    used: usize,
}

impl<D> Lane<D> {
    fn take(&mut self, words: &mut VecDeque<u64>, is_supplied: bool) {
        let word = if is_supplied { words.pop_front().unwrap() } else { 0 };
        self.bits.0.extend(Bits::of_word(word).0);
        self.given += 64;
    }
}

fn number(bytes: &mut &[u8]) -> usize {
    let (&byte, rest) = bytes.split_first().unwrap();
    *bytes = rest;
    if byte < 0x80 { byte.into() } else { usize::from(byte & 0x7f) | number(bytes) << 7 }
}

fn word(bytes: &mut &[u8]) -> u64 {
    let (word, rest) = bytes.split_first_chunk().unwrap();
    *bytes = rest;
    u64::from_le_bytes(*word)
}

/// Decodes what comes after the values that all lanes follow from. `decoder` is given the number of the lane's first row.
fn lanes<D: Decoder>(
    mut bytes: &[u8],
    rows: usize,
    lanes: usize,
    decoder: impl Fn(usize) -> D,
    after_first: impl Fn(&mut D),
) -> Vec<u64> {
    let steps = rows.div_ceil(lanes);
    let mut starts = 0;
    let mut all: Vec<Lane<D>> = Vec::new();
    let mut none = Vec::new();
    for lane in 0..lanes {
        let idle = number(&mut bytes);
        none.push(idle == steps + 1);
        let rows = rows / lanes + usize::from(lane < rows % lanes);
        let supplied = steps.saturating_sub(idle);
        all.push(Lane { decoder: decoder(starts), rows, supplied, bits: Bits::default(), given: 0, used: 0 });
        starts += rows;
    }
    assert_eq!(bytes.len() % 8, 0);
    let mut words: VecDeque<u64> = bytes.chunks(8).map(|mut bytes| word(&mut bytes)).collect();
    for _ in 0..3 {
        for (lane, none) in all.iter_mut().zip(&none) {
            lane.take(&mut words, !none);
        }
    }

    let mut values = vec![Vec::new(); lanes];
    for step in 0..steps {
        let mut lengths = Vec::new();
        for (lane, values) in all.iter_mut().zip(&mut values).filter(|(lane, _)| step < lane.rows) {
            let before = lane.bits.0.len();
            values.push(lane.decoder.next(&mut lane.bits));
            if step == 0 {
                after_first(&mut lane.decoder);
            }
            lengths.push(before - lane.bits.0.len());
        }
        // A lane that comes to its next word takes one; the first 64 bits of all lanes go before what longer codes have more.
        for part in [
            lengths.iter().map(|&bits| bits.min(64)).collect::<Vec<_>>(),
            lengths.iter().map(|&bits| bits.saturating_sub(64)).collect(),
        ] {
            for (lane, bits) in all.iter_mut().filter(|lane| step < lane.rows).zip(part) {
                let word_before = lane.used / 64;
                lane.used += bits;
                if lane.used / 64 > word_before {
                    lane.take(&mut words, step < lane.supplied);
                }
            }
        }
    }
    assert!(words.is_empty());
    assert!(all.iter().all(|lane| !lane.bits.0.contains(&true)));
    values.concat()
}

fn layouts_with_lanes(rows: usize) -> impl Iterator<Item = u32> {
    layouts(rows).filter(|&lanes_log2| lanes_log2 > 0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn lanes_of_times_are_as_described(times in values::times()) {
        for lanes_log2 in layouts_with_lanes(times.len()) {
            let bytes = TIMES.encoded(&times, lanes_log2);
            let mut rest = &bytes[..];
            let (first, slope, delta) = (word(&mut rest), word(&mut rest), word(&mut rest));
            let begin = |row: usize| {
                Times { time: first.wrapping_add(slope.wrapping_mul(row as u64)), delta: 0 }
            };
            let decoded = lanes(rest, times.len(), 1 << lanes_log2, begin, |lane| lane.delta = delta);
            prop_assert!(decoded.into_iter().map(|time| time as i64).eq(times.iter().copied()));
        }
    }

    #[test]
    fn lanes_of_floats_are_as_described(floats in values::floats64()) {
        for lanes_log2 in layouts_with_lanes(floats.len()) {
            let bytes = FLOATS64.encoded(&floats, lanes_log2);
            let mut rest = &bytes[..];
            let first = word(&mut rest);
            let decoded = lanes(rest, floats.len(), 1 << lanes_log2, |_| Floats::new(64, first), |_| ());
            prop_assert_eq!(&decoded, &floats);
        }
    }

    #[test]
    fn lanes_of_short_floats_are_as_described(floats in values::floats32()) {
        for lanes_log2 in layouts_with_lanes(floats.len()) {
            let bytes = FLOATS32.encoded(&floats, lanes_log2);
            let (first, rest) = bytes.split_first_chunk().unwrap();
            let first = u32::from_le_bytes(*first).into();
            let decoded = lanes(rest, floats.len(), 1 << lanes_log2, |_| Floats::new(32, first), |_| ());
            prop_assert!(decoded.into_iter().eq(floats.iter().copied().map(u64::from)));
        }
    }
}

#[test]
fn regular_times_have_no_words() {
    for rows in [512, 1000, 8192] {
        for lanes_log2 in layouts_with_lanes(rows) {
            let times: Vec<i64> = (0..rows as i64).map(|row| 1_700_000_000_000 + 10_000 * row).collect();
            let head = 24 + (if rows >> lanes_log2 < 127 { 1 } else { 2 } << lanes_log2);
            assert_eq!(TIMES.encoded(&times, lanes_log2).len(), head, "{rows} {lanes_log2}");
        }
    }
}

/// All lanes change once, in the first of their words: they have those from before the first step, and idle for all of them.
#[test]
fn zeros_at_the_end_of_a_lane_are_not_stored() {
    let mut floats = vec![1.5f64.to_bits(); 1024];
    floats[0] = 1.25f64.to_bits();
    let mut head = vec![0; 8];
    head.copy_from_slice(&floats[0].to_le_bytes());
    // 128 steps.
    head.extend([0x80, 1].repeat(8));
    let bytes = FLOATS64.encoded(&floats, 3);
    assert_eq!(bytes.len(), head.len() + 8 * 3 * 8);
    assert_eq!(bytes[..head.len()], head);
}

#[test]
fn lanes_have_64_rows_at_least() {
    let most = [0, 511, 512, 1023, 1024, 2047, 2048, 100_000].map(most_lanes_log2);
    assert_eq!(most, [0, 0, 3, 3, 4, 4, 5, 5]);
}
