//! In how many bits a mini-block is packed, and which of its values are patched.

use super::{MINI, positions_len};
use crate::bits::{MAX_NARROW, bit_width, packed_len};

/// How a mini-block is packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) width: u32,
    pub(super) patches: usize,
    pub(super) patch_width: u32,
    /// The bytes that it takes.
    pub(super) len: usize,
}

impl Plan {
    /// The plan with the fewest bytes; of equally good ones that with the fewest patches.
    pub(super) fn of(values: &[u64]) -> Self {
        let max = values.iter().copied().max().unwrap_or(0);
        let widest = 64 - max.leading_zeros();
        let wide = Self::unpatched(values.len(), bit_width(max));
        if widest == 0 {
            return wide;
        }
        let counts = count_by_bits(values);
        let (mut best, mut wider) = (wide, 0usize);
        for width in (0..=widest.min(MAX_NARROW + 1) - 1).rev() {
            wider += usize::from(counts[width as usize + 1]);
            if width == MAX_NARROW {
                // Widths above are all the widest.
                wider = (MAX_NARROW as usize + 1..=64).map(|bits| usize::from(counts[bits])).sum();
            }
            // Only values beyond the width are patched, so the largest is among them.
            let patch_width = bit_width((max >> width) - 1);
            let len = packed_len(values.len(), width) + positions_len(wider) + packed_len(wider, patch_width);
            if len < best.len {
                best = Self { width, patches: wider, patch_width, len };
            }
        }
        best
    }

    fn unpatched(rows: usize, width: u32) -> Self {
        Self { width, patches: 0, patch_width: 0, len: packed_len(rows, width) }
    }

    /// Appends the mini-block.
    pub(super) fn write(&self, values: &[u64], out: &mut Vec<u8>) {
        crate::bits::pack_into(values, self.width, out);
        if self.patches == 0 {
            return;
        }
        let is_patched = |value: &u64| value >> self.width != 0;
        let positions = || (0u64..).zip(values).filter(|(_, value)| is_patched(value)).map(|(at, _)| at);
        if self.patches > super::MAX_POSITIONS {
            let mut bitmap = [0u8; MINI / 8];
            positions().for_each(|at| bitmap[at as usize / 8] |= 1 << (at % 8));
            out.extend_from_slice(&bitmap);
        } else {
            crate::bits::pack_into(&positions().collect::<Vec<_>>(), super::POSITION_BITS, out);
        }
        let upper = values.iter().filter(|value| is_patched(value)).map(|value| (value >> self.width) - 1);
        crate::bits::pack_into(&upper.collect::<Vec<_>>(), self.patch_width, out);
    }
}

/// How many values have each number of bits, 0 to 64.
fn count_by_bits(values: &[u64]) -> [u8; 65] {
    // Counting neighbours in different arrays keeps one increment from waiting for the other.
    let mut counts = [[0u8; 65]; 4];
    let bits = |value: &u64| (64 - value.leading_zeros()) as usize;
    let (fours, rest) = values.as_chunks::<4>();
    for four in fours {
        for (counts, value) in counts.iter_mut().zip(four) {
            counts[bits(value)] += 1;
        }
    }
    rest.iter().for_each(|value| counts[0][bits(value)] += 1);
    std::array::from_fn(|bits| counts.iter().map(|counts| counts[bits]).sum())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All plans, tried one by one.
    fn smallest(values: &[u64]) -> usize {
        let len = |width: u32| {
            let wider: Vec<u64> =
                values.iter().map(|v| v.checked_shr(width).unwrap_or(0)).filter(|v| *v > 0).collect();
            let patch_width = bit_width(wider.iter().map(|v| v - 1).max().unwrap_or(0));
            packed_len(values.len(), width)
                + positions_len(wider.len())
                + packed_len(wider.len(), patch_width)
        };
        (0..=MAX_NARROW).chain([64]).map(len).min().unwrap()
    }

    proptest! {
        #[test]
        fn the_plan_is_the_smallest_and_its_length_is_true(
            values in prop::collection::vec((any::<u64>(), prop_oneof![4 => 50u32..64, 1 => 0u32..64]), 1..=MINI)
        ) {
            let values: Vec<u64> = values.into_iter().map(|(value, shift)| value >> shift).collect();
            let plan = Plan::of(&values);
            let mut bytes = Vec::new();
            plan.write(&values, &mut bytes);
            prop_assert_eq!(bytes.len(), plan.len);
            prop_assert_eq!(plan.len, smallest(&values));
        }
    }
}
