//! The upper bits of values that are wider than their mini-block.

use super::minis::Mini;
use super::{MAX_POSITIONS, MINI, POSITION_BITS};
use crate::simd::{GROUP, Simd, WINDOW};

/// Which values of a mini-block have patches, and the patches in the order of the values.
pub(crate) struct Patches {
    /// One bit for every value.
    masks: [u8; MINI / 8],
    /// What is added above the mini-block's width, with room for a group that begins at any of them. A patch is at least
    /// 1 and stored as one less.
    values: [i64; MINI + GROUP],
    /// How many have been taken.
    taken: usize,
}

impl Patches {
    /// Reads the patches of a mini-block.
    #[inline(always)]
    pub(crate) fn read<S: Simd>(simd: S, mini: &Mini<'_>) -> Self {
        let mut patches = Self { masks: [0; MINI / 8], values: [1; MINI + GROUP], taken: 0 };
        patches.read_masks(simd, mini);
        if mini.patch_width > 0 {
            let at = mini.patches_at();
            unpack(simd, mini.bytes, at, mini.patch_width, mini.patches, 1, &mut patches.values);
        }
        patches
    }

    #[inline(always)]
    fn read_masks<S: Simd>(&mut self, simd: S, mini: &Mini<'_>) {
        let at = mini.positions_at();
        if mini.patches > MAX_POSITIONS {
            if let Some(bitmap) = mini.bytes.get(at..at + MINI / 8) {
                self.masks.copy_from_slice(bitmap);
            }
            return;
        }
        let mut positions = [0; (MAX_POSITIONS + GROUP) / GROUP * GROUP];
        unpack(simd, mini.bytes, at, POSITION_BITS, mini.patches, 0, &mut positions);
        for position in positions.iter().take(mini.patches) {
            let position = *position as usize % MINI;
            self.masks[position / 8] |= 1 << (position % 8);
        }
    }

    /// Adds their patches to the values of group `group`. Groups are asked for in order.
    #[inline(always)]
    pub(crate) fn apply<S: Simd>(&mut self, simd: S, group: usize, width: u32, v: S::V) -> S::V {
        let mask = self.masks[group % (MINI / 8)];
        if mask == 0 {
            return v;
        }
        // Every mask has at most as many bits as values were read, all masks together at most `MINI`.
        let from = self.taken.min(MINI);
        self.taken += mask.count_ones() as usize;
        let Some(values) = self.values.get(from..).and_then(|rest| rest.first_chunk::<GROUP>()) else {
            return v;
        };
        simd.add(v, simd.shl(simd.expand(mask, values), width))
    }
}

/// Unpacks `count` values that begin at byte `at` and adds `plus` to each; `to` has room for whole groups.
#[inline(always)]
fn unpack<S: Simd>(simd: S, bytes: &[u8], at: usize, width: u32, count: usize, plus: i64, to: &mut [i64]) {
    let plus = simd.splat(plus);
    let unpacker = simd.unpacker(width);
    let (groups, _) = to.as_chunks_mut::<GROUP>();
    for (group, to) in groups.iter_mut().take(count.div_ceil(GROUP)).enumerate() {
        let begin = at + group * width as usize;
        let Some(window) = bytes.get(begin..).and_then(|rest| rest.first_chunk::<WINDOW>()) else { return };
        simd.store(simd.add(simd.unpack(unpacker, window), plus), to);
    }
}
