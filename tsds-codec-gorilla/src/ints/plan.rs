//! In how many bits a mini-block is packed, and which of its values are patched.

use super::{MINI, positions_len};
use crate::bits::{MAX_NARROW, bit_width, packed_len};
use crate::isa::Isa;
use crate::simd::{GROUP, Kernel, Narrow, vectorize};

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
        vectorize(Isa::best(), Choose(values))
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
        let (mut positions, mut upper, mut count) = ([0u64; MINI], [0u64; MINI], 0usize);
        let bitmap = vectorize(Isa::best(), Wider { values, width: self.width });
        for (word, first) in bitmap.into_iter().zip([0, 64]) {
            let mut rest = word;
            while rest != 0 {
                let at = first + rest.trailing_zeros() as usize;
                rest &= rest.wrapping_sub(1);
                positions[count] = at as u64;
                upper[count] = (values[at] >> self.width).wrapping_sub(1);
                count += 1;
            }
        }
        if self.patches > super::MAX_POSITIONS {
            bitmap.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
        } else {
            crate::bits::pack_into(&positions[..self.patches], super::POSITION_BITS, out);
        }
        crate::bits::pack_into(&upper[..self.patches], self.patch_width, out);
    }
}

/// Finds the plan with the fewest bytes for a mini-block.
struct Choose<'a>(&'a [u64]);

impl Kernel for Choose<'_> {
    type Output = Plan;

    #[inline(always)]
    fn run<S: Narrow>(self, _: S) -> Plan {
        let values = self.0;
        let (mut bits, mut max) = ([0u8; MINI], 0);
        for (bits, value) in bits.iter_mut().zip(values) {
            *bits = (64 - value.leading_zeros()) as u8;
            max = max.max(*value);
        }
        let widest = 64 - max.leading_zeros();
        let mut best = Plan::unpatched(values.len(), bit_width(max));
        for width in (0..widest.min(MAX_NARROW + 1)).rev() {
            let mut patches = 0u8;
            for bits in &bits {
                patches = patches.wrapping_add(u8::from(*bits > width as u8));
            }
            let patches = usize::from(patches);
            // Only values beyond the width are patched, so the largest is among them.
            let patch_width = bit_width((max >> width).wrapping_sub(1));
            let of_patches = positions_len(patches).wrapping_add(packed_len(patches, patch_width));
            // Narrower plans have at least as many patches, which are at least as wide.
            if of_patches >= best.len {
                break;
            }
            let len = packed_len(values.len(), width).wrapping_add(of_patches);
            if len < best.len {
                best = Plan { width, patches, patch_width, len };
            }
        }
        best
    }
}

/// Which values have more bits than a width.
struct Wider<'a> {
    values: &'a [u64],
    width: u32,
}

impl Kernel for Wider<'_> {
    type Output = [u64; MINI / 64];

    #[inline(always)]
    fn run<S: Narrow>(self, simd: S) -> [u64; MINI / 64] {
        let Self { values, width } = self;
        let most = (1u64 << width) - 1;
        let mut masks = [0u8; MINI / GROUP];
        let (groups, rest) = values.as_chunks::<GROUP>();
        for (mask, group) in masks.iter_mut().zip(groups) {
            *mask = !simd.within(simd.load(&group.map(u64::cast_signed)), 0, most);
        }
        if let Some(mask) = masks.get_mut(groups.len()) {
            let is_wider = |(at, value): (usize, &u64)| u8::from(*value > most) << at;
            *mask = rest.iter().enumerate().map(is_wider).fold(0, |all, bit| all | bit);
        }
        let masks = u128::from_le_bytes(masks);
        [masks as u64, (masks >> 64) as u64]
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
