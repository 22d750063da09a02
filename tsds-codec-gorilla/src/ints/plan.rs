//! In how many bits a mini-block is packed, and which of its values are patched.

use super::{MINI, positions_len};
use crate::bits::{MAX_NARROW, bit_width, packed_len};
use crate::isa::Isa;
use crate::simd::{GROUP, Kernel, Simd, vectorize};

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
        let narrow = widest.min(MAX_NARROW + 1) - 1;
        let wider = count_wider(values, narrow);
        let mut best = wide;
        for width in (0..=narrow).rev() {
            let patches = usize::from(wider[width as usize]);
            // Only values beyond the width are patched, so the largest is among them.
            let patch_width = bit_width((max >> width) - 1);
            let len = packed_len(values.len(), width)
                .wrapping_add(positions_len(patches))
                .wrapping_add(packed_len(patches, patch_width));
            if len < best.len {
                best = Self { width, patches, patch_width, len };
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
        let (mut positions, mut upper, mut bitmap) = ([0u64; MINI], [0u64; MINI], [0u64; MINI / 64]);
        let mut count = 0usize;
        for (at, value) in values.iter().enumerate().take(MINI) {
            // Written always and kept only for patches, which takes no branch.
            let above = value >> self.width;
            positions[count] = at as u64;
            upper[count] = above.wrapping_sub(1);
            bitmap[at / 64] |= u64::from(above != 0) << (at % 64);
            count = (count + usize::from(above != 0)).min(MINI - 1);
        }
        if self.patches > super::MAX_POSITIONS {
            bitmap.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
        } else {
            crate::bits::pack_into(&positions[..self.patches], super::POSITION_BITS, out);
        }
        crate::bits::pack_into(&upper[..self.patches], self.patch_width, out);
    }
}

/// How many values have more than 0, 1, …, `narrow` bits.
fn count_wider(values: &[u64], narrow: u32) -> [u8; MAX_NARROW as usize + 1] {
    let mut padded = [[0i64; GROUP]; MINI / GROUP];
    padded.as_flattened_mut().iter_mut().zip(values).for_each(|(to, value)| *to = *value as i64);
    vectorize(Isa::best(), CountWider { groups: &padded[..values.len().div_ceil(GROUP)], narrow })
}

/// Compares all values with every width: for few widths that is faster than to count leading zeros.
struct CountWider<'a> {
    /// Padded with zeros, which have no bits.
    groups: &'a [[i64; GROUP]],
    narrow: u32,
}

impl Kernel for CountWider<'_> {
    type Output = [u8; MAX_NARROW as usize + 1];

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        let mut counts = [0; MAX_NARROW as usize + 1];
        for (count, width) in counts.iter_mut().zip(0..=self.narrow) {
            let most = (1u64 << width) - 1;
            let mut wider = 0;
            for group in self.groups {
                wider += 8 - simd.within(simd.load(group), 0, most).count_ones();
            }
            *count = wider as u8;
        }
        counts
    }
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
