//! Streams give back what went in, on every path, whole and in parts.

use proptest::prelude::*;

use super::*;
use crate::bits::Reader;
use crate::isa::Isa;
use crate::simd::{Simd, vectorize};

#[derive(Clone, Copy)]
struct Same;

impl Transform for Same {
    #[inline(always)]
    fn apply<S: Simd>(self, _: S, v: S::V) -> S::V {
        v
    }
}

fn parse(bytes: &[u8], rows: usize) -> crate::error::Result<Stream<'_>> {
    Stream::parse(&mut Reader::new(bytes), rows)
}

fn decode(isa: Isa, stream: &Stream<'_>, range: std::ops::Range<usize>) -> crate::error::Result<Vec<i64>> {
    let mut out = vec![0; range.len()];
    vectorize(isa, Decode { stream, range, out: &mut out, transform: Same })?;
    Ok(out)
}

/// Values as sensors, clocks, counters and nobody gives them.
fn values() -> impl Strategy<Value = Vec<i64>> {
    let wild = prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), -2i64..3];
    let walk = (
        any::<i64>(),
        -100i64..100,
        1i64..5_000_000,
        prop::collection::vec((0u32..64, any::<i64>()), 0..700),
    );
    prop_oneof![
        prop::collection::vec(wild, 0..400),
        walk.prop_map(|(start, step, factor, noise)| {
            let mut value = start >> 20;
            let next = |(shift, noise): (u32, i64)| {
                value = value.wrapping_add(step).wrapping_add(noise >> shift);
                value.wrapping_mul(factor)
            };
            noise.into_iter().map(next).collect()
        }),
        (0usize..900, -3i64..3, any::<i64>()).prop_map(|(rows, slope, start)| (0..rows as i64)
            .map(|i| start.wrapping_add(i * i * slope + i % 3))
            .collect()),
    ]
}

proptest! {
    #[test]
    fn values_come_back_on_every_path(values in values(), cut: (prop::sample::Index, prop::sample::Index)) {
        let mut bytes = vec![0xaa];
        encode(&values, &mut bytes);
        let stream = parse(&bytes[1..], values.len()).unwrap();
        let mut ends = [cut.0.index(values.len() + 1), cut.1.index(values.len() + 1)];
        ends.sort_unstable();
        for isa in Isa::available() {
            prop_assert_eq!(&decode(isa, &stream, 0..values.len()).unwrap(), &values, "{:?}", isa);
            let range = ends[0]..ends[1];
            prop_assert_eq!(&decode(isa, &stream, range.clone()).unwrap(), &values[range], "{:?}", isa);
        }
    }

    #[test]
    fn centred_values_come_back(values in values(), centre: i64) {
        let mut bytes = Vec::new();
        encode_centred(&values, centre, &mut bytes);
        let stream = parse(&bytes, values.len()).unwrap();
        prop_assert_eq!(decode(Isa::best(), &stream, 0..values.len()).unwrap(), values);
    }

    #[test]
    fn selecting_is_comparing(values in values(), ends: (prop::sample::Index, prop::sample::Index), wild: (i64, i64)) {
        let mut bytes = Vec::new();
        encode(&values, &mut bytes);
        let stream = parse(&bytes, values.len()).unwrap();
        let of = |index: prop::sample::Index| if values.is_empty() { 0 } else { *index.get(&values) };
        for (a, b) in [(of(ends.0), of(ends.1)), wild, (of(ends.0), wild.0), (i64::MIN, i64::MAX)] {
            let (low, high) = (a.min(b), a.max(b));
            for isa in Isa::available() {
                let words = vectorize(isa, Select { stream: &stream, wanted: Within::new(low, high) }).unwrap();
                for (row, value) in values.iter().enumerate() {
                    prop_assert_eq!(words[row / 64] >> (row % 64) & 1 == 1, (low..=high).contains(value));
                }
                prop_assert_eq!(words.len(), values.len().div_ceil(64));
                prop_assert!(words.last().is_none_or(|word| values.len() % 64 == 0 || word >> (values.len() % 64) == 0));
            }
        }
    }

    #[test]
    fn damaged_bytes_are_damage_or_values_and_the_same_on_every_path(
        values in values(), flips in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..4), rows in 0usize..1000
    ) {
        let mut bytes = Vec::new();
        encode(&values, &mut bytes);
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        for rows in [values.len(), rows] {
            if let Ok(stream) = parse(&bytes, rows) {
                let expected = decode(Isa::Portable, &stream, 0..rows);
                for isa in Isa::available() {
                    prop_assert_eq!(&decode(isa, &stream, 0..rows), &expected, "{:?}", isa);
                }
            }
        }
    }
}

#[test]
fn regular_values_take_a_header_and_no_more() {
    let regular: Vec<i64> = (0..16_384).map(|i| 1_700_000_000_000_000_000 + i * 60_000_000_000).collect();
    let mut bytes = Vec::new();
    encode(&regular, &mut bytes);
    assert!(bytes.len() <= 40, "{}", bytes.len());
}

#[test]
fn a_missing_value_in_a_regular_row_takes_one_patch() {
    let values: Vec<i64> = (0..1024).map(|i| (i + i64::from(i > 500)) * 1000 + 7).collect();
    let mut bytes = Vec::new();
    assert_eq!(encode(&values, &mut bytes), Form::Delta);
    assert!(bytes.len() <= 40, "{}", bytes.len());
}
