//! Decoding from places on, by what is said of them and by the plainest decoders.

use proptest::prelude::*;

use super::naive::{Bits, Decoder, Floats, Times};
use super::*;

/// The values of a block of so many rows, each place decoded by itself.
fn values<D: Decoder>(layout: &ClassicLayout, rows: usize, decoder: impl Fn(ClassicPlace) -> D) -> Vec<u64> {
    let bytes: Vec<u8> = layout.words.iter().flat_map(|word| word.to_be_bytes()).collect();
    let all = Bits::of_bytes(&bytes);
    let ends = layout.places.iter().skip(1).map(|place| place.row).chain([rows]);
    let mut values = Vec::new();
    for (place, end) in layout.places.iter().zip(ends) {
        assert_eq!(place.row, values.len(), "no row is left out");
        let mut bits = Bits(all.0.iter().skip(place.bit as usize).copied().collect());
        let mut decoder = decoder(*place);
        values.push(place.value);
        values.extend((place.row + 1..end).map(|_| decoder.next(&mut bits)));
    }
    values
}

fn floats(width: u32) -> impl Fn(ClassicPlace) -> Floats {
    move |place| {
        let (leading, length) =
            ((place.state / u64::from(width)) as u32, (place.state % u64::from(width)) as u32 + 1);
        Floats { leading, meaningful: length, ..Floats::new(width, place.value) }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn times_can_be_decoded_from_any_place(times in values::times(), step in 1..300_usize) {
        for lanes_log2 in layouts(times.len()) {
            let layout = layout_of_times(&TIMES.encoded(&times, lanes_log2), lanes_log2, times.len(), step).unwrap();
            let found = values(&layout, times.len(), |place| Times { time: place.value, delta: place.state });
            prop_assert!(found.into_iter().map(|time| time as i64).eq(times.iter().copied()));
        }
    }

    #[test]
    fn floats_can_be_decoded_from_any_place(values64 in values::floats64(), step in 1..300_usize) {
        for lanes_log2 in layouts(values64.len()) {
            let bytes = FLOATS64.encoded(&values64, lanes_log2);
            let layout = layout_of_floats64(&bytes, lanes_log2, values64.len(), step).unwrap();
            prop_assert_eq!(&values(&layout, values64.len(), floats(64)), &values64);
        }
    }

    #[test]
    fn short_floats_can_be_decoded_from_any_place(values32 in values::floats32(), step in 1..300_usize) {
        for lanes_log2 in layouts(values32.len()) {
            let bytes = FLOATS32.encoded(&values32, lanes_log2);
            let layout = layout_of_floats32(&bytes, lanes_log2, values32.len(), step).unwrap();
            let found = values(&layout, values32.len(), floats(32));
            prop_assert!(found.into_iter().eq(values32.iter().copied().map(u64::from)));
        }
    }

    #[test]
    fn places_of_damaged_codes_are_damage_or_places(
        mut bytes in prop::collection::vec(any::<u8>(), 0..3_000), rows in 0..4_000_usize, lanes_log2 in 0..7_u32,
        step in 0..200_usize
    ) {
        for layout in [layout_of_times, layout_of_floats64, layout_of_floats32] {
            if let Ok(layout) = layout(&bytes, lanes_log2, rows, step) {
                let within = |place: &ClassicPlace| place.row < rows && place.bit <= layout.words.len() as u64 * 32;
                prop_assert!(layout.places.iter().all(within));
            }
            // So that heads are right more often.
            bytes.iter_mut().skip(24).take(32).for_each(|byte| *byte &= 1);
        }
    }
}

#[test]
fn a_place_begins_each_lane_and_each_so_many_rows_of_it() {
    let times: Vec<i64> = (0..8 * 70 + 3).map(|row| row * row).collect();
    let rows = |lanes_log2, step| -> Vec<usize> {
        let layout =
            layout_of_times(&TIMES.encoded(&times, lanes_log2), lanes_log2, times.len(), step).unwrap();
        layout.places.iter().map(|place| place.row).collect()
    };
    assert_eq!(rows(0, 200), [0, 200, 400]);
    let of_lanes = [0, 50, 71, 121, 142, 192, 213, 263, 283, 333, 353, 403, 423, 473, 493, 543];
    assert_eq!(rows(3, 50), of_lanes);
}
