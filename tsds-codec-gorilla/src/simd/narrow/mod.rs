//! Sixteen 32-bit lanes at a time, for what is known to be small: half the instructions for each value.
//!
//! All arithmetic wraps, so that what comes out is right if it fits 32 bits, whatever lies between.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;
#[cfg(test)]
mod tests;

use super::{GROUP, Power, Simd, WINDOW};

/// How many lanes there are.
pub(crate) const PAIR: usize = 2 * GROUP;
/// The widest values that [`Narrow::narrow_unpack`] takes: they begin at any bit of four bytes.
pub(crate) const MAX_NARROW_WIDTH: u32 = 25;
/// The widest values that [`Narrow::narrow_expand`] takes: the first begins at any bit too.
pub(crate) const MAX_EXPANDED_WIDTH: u32 = 18;

/// Operations on sixteen lanes.
pub(crate) trait Narrow: Simd {
    /// Sixteen lanes of 32 bits.
    type N: Copy;
    /// What unpacking one width needs.
    type NarrowUnpack: Copy;
    /// How many times sixteen lanes are best worked on at once: as many as there are registers for.
    const AT_ONCE: usize;

    /// Prepares unpacking values of at most [`MAX_NARROW_WIDTH`] bits; of no bits, all are zero.
    fn narrow_unpacker(self, width: u32) -> Self::NarrowUnpack;
    /// Sixteen values that lie one after the other from the first bit on.
    fn narrow_unpack(self, unpack: Self::NarrowUnpack, window: &[u8; WINDOW]) -> Self::N;
    /// Values of at most [`MAX_EXPANDED_WIDTH`] bits that lie one after the other from bit `bit` of `bytes` on, each plus one, in
    /// the lanes of the bits of `mask`; zero in others. [`WINDOW`] bytes follow the values.
    fn narrow_expand(self, unpack: Self::NarrowUnpack, bytes: &[u8], bit: usize, mask: u16) -> Self::N;

    fn narrow_load(self, from: &[i32; PAIR]) -> Self::N;
    fn narrow_store(self, v: Self::N, to: &mut [i32; PAIR]);
    fn narrow_splat(self, value: i32) -> Self::N;
    fn narrow_add(self, a: Self::N, b: Self::N) -> Self::N;
    /// Shifts left by less than 32.
    fn narrow_shl(self, v: Self::N, by: u32) -> Self::N;
    /// Undoes zigzag coding.
    fn narrow_unzigzag(self, v: Self::N) -> Self::N;
    /// In each, every lane plus all lanes before it.
    fn narrow_prefix_sums<const K: usize>(self, v: [Self::N; K]) -> [Self::N; K];
    /// The last lane in every lane.
    fn narrow_last(self, v: Self::N) -> Self::N;
    /// One bit for every lane with `low <= lane <= low + span`, as unsigned distance from `low`.
    fn narrow_within(self, v: Self::N, low: i32, span: u32) -> u16;
    /// One bit for every lane that is the place of a set bit in `bits`; negative ones, and those beyond, are not.
    fn narrow_among(self, v: Self::N, bits: &Bits) -> u16;
    /// The lanes as 64-bit lanes, times a factor.
    fn narrow_times(self, v: Self::N, factor: i32) -> [Self::V; 2];
    /// The bits of the doubles nearest to lane / divisor.
    fn narrow_decimal(self, v: Self::N, power: Power) -> [Self::V; 2];
    /// How long tables are whose values registers look up; 0 where they do not.
    const MAX_TABLE: usize;
    /// The values of `table`, which is neither empty nor longer than [`Narrow::MAX_TABLE`], at the lanes; any value for lanes that
    /// are no places.
    fn narrow_look_up(self, v: Self::N, table: &[i64]) -> [Self::V; 2];
    /// One bit for each of the first `count` positions, at most 18, of seven bits each.
    fn positions(self, bytes: &[u8; 16], count: usize) -> [u64; 2];
    /// `0, step, 2 step, …`
    fn narrow_ramp(self, step: i32) -> Self::N;
}

/// How many bits [`Bits`] has: one for every value of a dictionary.
pub(crate) const BITS: usize = 4096;

/// A set of small integers.
#[derive(Clone)]
pub(crate) struct Bits {
    pub(crate) words: [u32; BITS / 32],
    /// What is not less than this is not in the set.
    pub(crate) end: u32,
}

impl Bits {
    /// Those of the integers from 0 on that `is_in` says, up to [`BITS`].
    pub(crate) fn new(is_in: impl Iterator<Item = bool>) -> Self {
        let mut bits = Self { words: [0; BITS / 32], end: 0 };
        for (at, is_in) in (0..BITS as u32).zip(is_in) {
            if let Some(word) = bits.words.get_mut(at as usize / 32) {
                *word |= u32::from(is_in) << (at % 32);
            }
            bits.end = at + 1;
        }
        bits
    }

    /// Whether an integer is in the set.
    #[inline(always)]
    pub(crate) fn contains(&self, at: i32) -> bool {
        let at = at as u32;
        self.words.get(at as usize / 32).is_some_and(|word| word >> (at % 32) & 1 == 1)
    }
}
