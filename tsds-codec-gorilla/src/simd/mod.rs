//! Eight 64-bit lanes at a time, on whatever the processor has.
//!
//! Every kernel is written once, over [`Simd`]. A value of an implementing type is the proof that the processor has the
//! instructions, so the operations are safe to call; [`vectorize`] runs a kernel where the compiler may use them. All
//! implementations give the same bits for all operands.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod narrow;
mod portable;
mod power;
#[cfg(test)]
mod tests;

pub(crate) use narrow::{Bits, MAX_EXPANDED_WIDTH, MAX_NARROW_WIDTH, Narrow, PAIR};
pub(crate) use portable::Portable;
#[cfg(test)]
pub(crate) use power::MAX_MULTIPLIED_EXPONENT;
pub(crate) use power::{MAX_EXPONENT, Power};

use crate::isa::Isa;

/// How many values a group has.
pub(crate) const GROUP: usize = 8;
/// How many bytes an unpacker may look at from where its group begins.
pub(crate) const WINDOW: usize = 64;

/// The widest values that can begin at any bit.
pub(crate) const MAX_SHIFTED: u32 = 50;

/// 1.5 * 2^52: a double of smaller magnitude than 2^51 that is added to it is rounded to an integer, which is then the
/// difference of the bits.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// Operations on eight lanes. All arithmetic wraps.
pub(crate) trait Simd: Copy {
    /// Eight lanes of 64 bits.
    type V: Copy;
    /// What unpacking one width needs.
    type Unpack: Copy;

    /// Runs a kernel compiled for these instructions.
    fn run<K: Kernel>(self, kernel: K) -> K::Output;

    /// Prepares unpacking values of `width` bits, 1 to 57, or 64.
    fn unpacker(self, width: u32) -> Self::Unpack;
    /// Eight values that lie one after the other from the first bit on.
    fn unpack(self, unpack: Self::Unpack, window: &[u8; WINDOW]) -> Self::V;

    /// Whether [`Simd::unpack_shifted`] is faster than unpacking to memory first.
    const SHIFTS_FAST: bool;
    /// Eight values that begin at bit `bit`, less than 8, of the window, if they are at most [`MAX_SHIFTED`] wide.
    fn unpack_shifted(self, unpack: Self::Unpack, window: &[u8; WINDOW], bit: u32) -> Self::V;

    fn load(self, from: &[i64; GROUP]) -> Self::V;
    fn store(self, v: Self::V, to: &mut [i64; GROUP]);
    fn splat(self, value: i64) -> Self::V;
    /// `0, step, 2 step, …`
    #[inline(always)]
    fn ramp(self, step: i64) -> Self::V {
        self.mul(self.load(&[0, 1, 2, 3, 4, 5, 6, 7]), self.splat(step))
    }
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn or(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// Shifts left by less than 64.
    fn shl(self, v: Self::V, by: u32) -> Self::V;
    /// Undoes [`crate::bits::zigzag`].
    fn unzigzag(self, v: Self::V) -> Self::V;
    /// In each, every lane plus all lanes before it.
    fn prefix_sums<const K: usize>(self, v: [Self::V; K]) -> [Self::V; K];
    /// The last lane in every lane.
    fn last(self, v: Self::V) -> Self::V;
    /// The first lanes, one for every bit of `mask`, in the lanes of those bits; zero in others.
    fn expand(self, mask: u8, v: Self::V) -> Self::V;
    /// Like [`Simd::expand`], from memory.
    fn expand_from(self, mask: u8, from: &[i64; GROUP]) -> Self::V;
    /// One bit for every lane with `low <= lane <= low + span`, as unsigned distance from `low`.
    fn within(self, v: Self::V, low: i64, span: u64) -> u8;
    /// The bits of the float whose place in the total order is the lane: negative lanes have all but the top bit flipped.
    fn ordered_to_bits(self, v: Self::V) -> Self::V;
    /// The bits of the double nearest to lane / 10^e.
    fn decimal(self, v: Self::V, power: Power) -> Self::V;
    /// The integers nearest to products of doubles, ties to even, where those are less than 2^51; else anything that
    /// is the same everywhere for finite doubles.
    fn nearest_integer(self, v: Self::V, factor: f64) -> Self::V;
    /// The bits of doubles, none of them NaN, each rounded to single precision and back.
    fn through_single(self, v: Self::V) -> Self::V;
}

/// Whether the processor counts bits and shifts by variable amounts in one instruction each.
#[cfg(target_arch = "x86_64")]
#[inline]
fn has_bit_instructions() -> bool {
    is_x86_feature_detected!("popcnt")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
}

/// Work to be done with some instruction set.
pub(crate) trait Kernel {
    /// What comes out.
    type Output;
    /// Does it. Implementations are `#[inline(always)]`, else they are not compiled for the instruction set.
    fn run<S: Narrow>(self, simd: S) -> Self::Output;
}

/// Runs a kernel with the instructions of `isa`, or with portable ones where the processor lacks them.
#[inline]
pub(crate) fn vectorize<K: Kernel>(isa: Isa, kernel: K) -> K::Output {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => match avx512::Avx512::detect() {
            Some(simd) => simd.run(kernel),
            None => Portable.run(kernel),
        },
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => match avx2::Avx2::detect() {
            Some(simd) => simd.run(kernel),
            None => Portable.run(kernel),
        },
        Isa::Portable => Portable.run(kernel),
    }
}
