//! Floats as integers in the same order.

use super::Kind;

/// The place of a value in the order of its type. `lane` is the value as [`crate::Block::read_lanes`] gives it. The place of a
/// float is the integer whose place among the integers is that of the float in the total order of IEEE 754: neighbours
/// differ by 1. That of an integer is itself.
#[inline(always)]
pub fn ordered_of_lane(kind: Kind, lane: i64) -> i64 {
    match kind {
        Kind::Float64 => lane ^ (lane >> 63) & i64::MAX,
        Kind::Float32 => {
            let bits = lane as i32;
            i64::from(bits ^ (bits >> 31) & i32::MAX)
        }
        _ => lane,
    }
}

/// The opposite of [`ordered_of_lane`].
#[inline(always)]
pub(crate) fn lane_of_ordered(kind: Kind, ordered: i64) -> i64 {
    match kind {
        Kind::Float64 => ordered ^ (ordered >> 63) & i64::MAX,
        Kind::Float32 => {
            let ordered = ordered as i32;
            i64::from((ordered ^ (ordered >> 31) & i32::MAX) as u32)
        }
        _ => ordered,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_order_of_floats_is_kept_and_their_bits_come_back(a: f64, b: f64, c: f32, d: f32) {
            let (x, y) = (a.to_bits() as i64, b.to_bits() as i64);
            let ordered = |lane| ordered_of_lane(Kind::Float64, lane);
            prop_assert_eq!(ordered(x).cmp(&ordered(y)), a.total_cmp(&b));
            prop_assert_eq!(lane_of_ordered(Kind::Float64, ordered(x)), x);
            let (x, y) = (i64::from(c.to_bits()), i64::from(d.to_bits()));
            let ordered = |lane| ordered_of_lane(Kind::Float32, lane);
            prop_assert_eq!(ordered(x).cmp(&ordered(y)), c.total_cmp(&d));
            prop_assert_eq!(lane_of_ordered(Kind::Float32, ordered(x)), x);
        }
    }
}
