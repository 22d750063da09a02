//! The upper bits of values that are wider than their mini-block.

use super::MINI;
use super::minis::Mini;
use crate::simd::{GROUP, MAX_SHIFTED, Narrow, WINDOW};

/// Which values of a mini-block have patches, and the patches in the order of the values.
pub(super) struct Patches<'m, S: Narrow> {
    /// One bit for every value.
    masks: [u64; MINI / 64],
    width: u32,
    unpacker: S::Unpack,
    /// The packed patches and what follows them.
    bytes: &'m [u8],
    /// Where that is faster, what the patches add above the width of the mini-block, with room for a group that begins at
    /// any of them. A patch is at least 1, and stored as one less.
    values: [i64; MINI + GROUP],
    /// How many have been taken.
    taken: usize,
}

impl<'m, S: Narrow> Patches<'m, S> {
    #[inline(always)]
    pub(super) fn new(simd: S, mini: &Mini<'m>) -> Self {
        let width = mini.patch_width;
        let bytes = mini.bytes.get(mini.patches_at()..).unwrap_or_default();
        let (masks, unpacker) = (mini.masks, simd.unpacker(width));
        let mut patches = Self { masks, width, unpacker, bytes, values: [1; MINI + GROUP], taken: 0 };
        if width > 0 && !patches.is_shifted() {
            let (groups, _) = patches.values.as_chunks_mut::<GROUP>();
            for (group, to) in groups.iter_mut().take(mini.patches.div_ceil(GROUP)).enumerate() {
                let from = bytes.get(group * width as usize..);
                let Some(window) = from.and_then(|rest| rest.first_chunk::<WINDOW>()) else { break };
                simd.store(simd.add(simd.unpack(unpacker, window), simd.splat(1)), to);
            }
        }
        patches
    }

    /// Whether patches are unpacked for each group, and not all before.
    #[inline(always)]
    fn is_shifted(&self) -> bool {
        S::SHIFTS_FAST && (1..=MAX_SHIFTED).contains(&self.width)
    }

    /// Adds their patches to the values of group `group`. Groups are asked for in order.
    #[inline(always)]
    pub(super) fn apply(&mut self, simd: S, group: usize, shift: u32, v: S::V) -> S::V {
        let mask = (self.masks[group / GROUP % 2] >> (group % GROUP * GROUP)) as u8;
        if mask == 0 {
            return v;
        }
        let taken = self.taken;
        // At most as many as there are values.
        self.taken = taken.wrapping_add(mask.count_ones() as usize);
        let upper = if self.is_shifted() {
            let first_bit = taken.wrapping_mul(self.width as usize);
            let from = self.bytes.get(first_bit / 8..);
            let Some(window) = from.and_then(|rest| rest.first_chunk::<WINDOW>()) else { return v };
            let stored = simd.unpack_shifted(self.unpacker, window, first_bit as u32 % 8);
            simd.expand(mask, simd.add(stored, simd.splat(1)))
        } else {
            let values = self.values.get(taken..).and_then(|rest| rest.first_chunk::<GROUP>());
            let Some(values) = values else { return v };
            simd.expand_from(mask, values)
        };
        simd.add(v, simd.shl(upper, shift))
    }
}
