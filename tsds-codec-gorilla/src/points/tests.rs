//! Points come back, and damage is named.

use proptest::prelude::*;

use super::*;
use crate::block::ModeChoice;
use crate::isa::Isa;

proptest! {
    #[test]
    fn points_come_back_bit_for_bit(
        points in prop::collection::vec((any::<i64>(), any::<u64>()), 0..300), frame in 1usize..100, lanes_log2 in 0u8..6
    ) {
        for choice in [ModeChoice::Shortest, ModeChoice::Classic { lanes_log2 }] {
            let mut encoder = GorillaEncoder::new().with_frame_points(frame).with_choice(choice);
            let mut bytes = Vec::new();
            for (time, bits) in &points {
                encoder.append(*time, f64::from_bits(*bits));
                bytes.extend(encoder.take());
            }
            prop_assert!(encoder.pending() < frame);
            bytes.extend(encoder.finish());
            for isa in Isa::available() {
                let decoder = GorillaDecoder::new(&bytes).with_isa(isa);
                let back: Vec<_> = decoder.map(|point| point.map(|(time, value)| (time, value.to_bits())).unwrap()).collect();
                prop_assert_eq!(&back, &points);
            }
            let (mut times, mut values) = (vec![7], vec![7.0]);
            GorillaDecoder::new(&bytes).read_all(&mut times, &mut values).unwrap();
            let back: Vec<_> = times.into_iter().zip(values.iter().map(|value| value.to_bits())).skip(1).collect();
            prop_assert_eq!(back, points.clone());
        }
    }

    #[test]
    fn cut_and_changed_bytes_are_damage_after_the_points_before(
        points in 1usize..500, cut: prop::sample::Index, at: prop::sample::Index, change in 1u8..
    ) {
        let mut encoder = GorillaEncoder::new().with_frame_points(100);
        (0..points as i64).for_each(|i| encoder.append(i * 10, i as f64 / 4.0));
        let bytes = encoder.finish();
        let mut changed = bytes.clone();
        let at = at.index(bytes.len());
        changed[at] ^= change;
        for bytes in [&bytes[..cut.index(bytes.len())], &changed] {
            let decoded: Vec<_> = GorillaDecoder::new(bytes).collect();
            let sound = decoded.iter().take_while(|point| point.is_ok()).count();
            for (i, point) in decoded.iter().take(sound).enumerate() {
                prop_assert_eq!(point, &Ok((i as i64 * 10, i as f64 / 4.0)));
            }
            // What is cut between frames cannot be known.
            prop_assert!(decoded.len() == sound + 1 || (decoded.len() == sound && sound % 100 == 0));
        }
    }
}
