//! The upper bits of values that are wider than their mini-block.

use super::MINI;
use super::minis::Mini;
use crate::simd::{GROUP, MAX_SHIFTED, Narrow, WINDOW};

/// What the patches of a mini-block add above its width, with room for a group that begins at any of them. A patch is at least 1, and
/// stored as one less.
type Unpacked = [i64; MINI + GROUP];

/// Which values of a mini-block have patches, and the patches in the order of the values.
pub(super) struct Patches<'m, S: Narrow> {
    /// One bit for every value.
    masks: [u64; MINI / 64],
    width: u32,
    unpacker: S::Unpack,
    /// The packed patches and what follows them.
    bytes: &'m [u8],
    /// All patches, where it is faster to unpack them before.
    unpacked: Option<Unpacked>,
    /// How many have been taken.
    taken: usize,
}

impl<'m, S: Narrow> Patches<'m, S> {
    #[inline(always)]
    pub(super) fn new(simd: S, mini: &Mini<'m>) -> Self {
        let width = mini.patch_width;
        let bytes = mini.bytes.get(mini.patches_at()..).unwrap_or_default();
        let unpacker = simd.unpacker(width);
        let is_shifted = S::SHIFTS_FAST && (1..=MAX_SHIFTED).contains(&width);
        let unpacked = if is_shifted { None } else { Some(unpack(simd, unpacker, bytes, mini)) };
        Self { masks: mini.masks, width, unpacker, bytes, unpacked, taken: 0 }
    }

    /// Adds their patches to the values of group `group`. Groups are asked for in order.
    #[inline(always)]
    pub(super) fn apply(&mut self, simd: S, group: usize, shift: u32, v: S::V) -> S::V {
        let mask = (self.masks[group / GROUP % 2] >> (group % GROUP * GROUP)) as u8;
        let taken = self.taken;
        // At most as many as there are values.
        self.taken = taken.wrapping_add(mask.count_ones() as usize);
        let upper = match &self.unpacked {
            // Without a branch: whether eight values have a patch is hard to foretell.
            None => {
                let first_bit = taken.wrapping_mul(self.width as usize);
                let from = self.bytes.get(first_bit / 8..);
                let Some(window) = from.and_then(|rest| rest.first_chunk::<WINDOW>()) else { return v };
                let stored = simd.unpack_shifted(self.unpacker, window, first_bit as u32 % 8);
                simd.expand(mask, simd.add(stored, simd.splat(1)))
            }
            Some(_) if mask == 0 => return v,
            Some(values) => {
                let values = values.get(taken..).and_then(|rest| rest.first_chunk::<GROUP>());
                let Some(values) = values else { return v };
                simd.expand_from(mask, values)
            }
        };
        simd.add(v, simd.shl(upper, shift))
    }
}

#[inline(always)]
fn unpack<S: Narrow>(simd: S, unpacker: S::Unpack, bytes: &[u8], mini: &Mini<'_>) -> Unpacked {
    let mut values = [1; MINI + GROUP];
    if mini.patch_width > 0 {
        let (groups, _) = values.as_chunks_mut::<GROUP>();
        for (group, to) in groups.iter_mut().take(mini.patches.div_ceil(GROUP)).enumerate() {
            let from = bytes.get(group.wrapping_mul(mini.patch_width as usize)..);
            let Some(window) = from.and_then(|rest| rest.first_chunk::<WINDOW>()) else { break };
            simd.store(simd.add(simd.unpack(unpacker, window), simd.splat(1)), to);
        }
    }
    values
}
