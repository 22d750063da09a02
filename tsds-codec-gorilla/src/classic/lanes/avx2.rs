//! Lock-step decoding with AVX2: four lanes in a vector.

use std::arch::x86_64::*;

use super::rows::{BATCH, Rows};
use super::state::{Lanes, Word};
use super::vector::{self, Group, Knowns, Vector, VectorCode};
use crate::classic::floats::{Floats32, Floats64};
use crate::classic::times::Times;

/// Codes that there is a kernel for.
pub(in crate::classic) trait Decoded: VectorCode<__m256i> {}
impl<C: VectorCode<__m256i>> Decoded for C {}

/// Decodes for as long as there are words enough and steps.
#[target_feature(enable = "avx2,bmi2,lzcnt,popcnt")]
pub(super) fn steps<C: Decoded, const LANES: usize, const FOURS: usize>(
    lanes: &mut Lanes<LANES>,
    words: &[Word],
    rows: &mut Rows<'_, C::Value, LANES>,
) {
    // SAFETY: this function has the features that the vectors need.
    unsafe { vector::steps::<__m256i, C, LANES, FOURS>(lanes, words, rows) };
}

/// Calls intrinsics where the processor has AVX2.
macro_rules! avx2 {
    ($($body:tt)*) => {{
        // SAFETY: whoever calls a function of a vector vouches for its instructions, and for the memory that pointers point to.
        unsafe { $($body)* }
    }};
}

/// For each set of lanes that take a word, from which 32 bits of the next words they have theirs.
static TAKE: [[u32; 8]; 16] = {
    let mut table = [[0; 8]; 16];
    let mut takes = 0;
    while takes < 16 {
        let (mut lane, mut word) = (0, 0);
        while lane < 4 {
            if takes >> lane & 1 != 0 {
                table[takes][2 * lane] = 2 * word;
                table[takes][2 * lane + 1] = 2 * word + 1;
                word += 1;
            }
            lane += 1;
        }
        takes += 1;
    }
    table
};

impl Vector for __m256i {
    const LANES: usize = 4;

    #[inline(always)]
    unsafe fn set(value: u64) -> Self {
        avx2!(_mm256_set1_epi64x(value.cast_signed()))
    }

    #[inline(always)]
    unsafe fn load(from: *const u64) -> Self {
        avx2!(_mm256_loadu_si256(from.cast()))
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u64) {
        avx2!(_mm256_storeu_si256(to.cast(), self));
    }

    #[inline(always)]
    unsafe fn and(self, other: Self) -> Self {
        avx2!(_mm256_and_si256(self, other))
    }

    #[inline(always)]
    unsafe fn has_none(self, bits: u64) -> bool {
        avx2!(_mm256_testz_si256(self, Self::set(bits)) != 0)
    }

    #[inline(always)]
    unsafe fn window(current: Self, next: Self, position: Self) -> Self {
        avx2! {
            let from_current = _mm256_sllv_epi64(current, position);
            _mm256_or_si256(from_current, _mm256_srlv_epi64(next, _mm256_sub_epi64(Self::set(64), position)))
        }
    }

    #[inline(always)]
    unsafe fn is_any_longer(lengths: Self) -> bool {
        avx2! {
            let longer = _mm256_cmpgt_epi64(lengths, Self::set(64));
            _mm256_testz_si256(longer, longer) == 0
        }
    }

    #[inline(always)]
    unsafe fn first_bits(lengths: Self) -> Self {
        avx2!(_mm256_min_epu32(lengths, Self::set(64)))
    }

    #[inline(always)]
    unsafe fn last_bits(lengths: Self, windows: Self) -> (Self, Self) {
        avx2! {
            let bits = _mm256_subs_epu16(lengths, Self::set(64));
            (bits, _mm256_srlv_epi64(windows, _mm256_sub_epi64(Self::set(64), bits)))
        }
    }

    #[inline(always)]
    unsafe fn advance<const IDLE: bool>(
        group: &mut Group<Self>,
        bits: Self,
        step: usize,
        words: *const Word,
    ) -> usize {
        avx2! {
            let position = _mm256_add_epi64(group.position, bits);
            // The highest bit is set where the bit for 64 is.
            let mut crosses = _mm256_slli_epi64::<57>(position);
            group.position = _mm256_and_si256(position, Self::set(63));
            group.current = blend(group.current, group.next, crosses);
            group.next = blend(group.next, group.ahead, crosses);
            if IDLE {
                group.ahead = blend(group.ahead, Self::set(0), crosses);
                let supplied = _mm256_cmpgt_epi64(group.supplied, Self::set(step as u64));
                crosses = _mm256_and_si256(crosses, supplied);
            }
            let takes = _mm256_movemask_pd(_mm256_castsi256_pd(crosses)) as usize;
            let from = Self::load(TAKE[takes % TAKE.len()].as_ptr().cast());
            let taken = _mm256_permutevar8x32_epi32(Self::load(words.cast()), from);
            group.ahead = blend(group.ahead, taken, crosses);
            takes.count_ones() as usize
        }
    }
}

/// The lanes of `b` where the highest bit of `which` is set, else of `a`.
#[inline(always)]
unsafe fn blend(a: __m256i, b: __m256i, which: __m256i) -> __m256i {
    avx2! {
        let blended =
            _mm256_blendv_pd(_mm256_castsi256_pd(a), _mm256_castsi256_pd(b), _mm256_castsi256_pd(which));
        _mm256_castpd_si256(blended)
    }
}

/// A byte for each four bits that a code of times can begin with, in both halves of a vector.
const fn by_nibble(by_ones: [u8; 5]) -> [u8; 32] {
    let mut table = [0; 32];
    let mut at: u8 = 0;
    while at < 32 {
        table[at as usize] = by_ones[(at << 4).leading_ones() as usize];
        at += 1;
    }
    table
}

impl VectorCode<__m256i> for Times {
    const STATE: u64 = u64::MAX;

    #[inline(always)]
    unsafe fn read_lanes(windows: __m256i, known: Knowns<__m256i>) -> (Knowns<__m256i>, __m256i) {
        const CONTROL_BITS: [u8; 32] = by_nibble([1, 2, 3, 4, 4]);
        const NOT_PAYLOAD: [u8; 32] = by_nibble([64, 57, 55, 52, 0]);
        /// Zeros above the offset, which is all ones.
        const NOT_OFFSET: [u8; 32] = by_nibble([64, 58, 56, 53, 64]);
        const LENGTH: [u8; 32] = by_nibble([1, 9, 12, 16, 68]);
        avx2! {
            // Of bytes whose highest bit is set, nothing is looked up.
            let nibble = _mm256_or_si256(_mm256_srli_epi64::<60>(windows), __m256i::set(0x8080_8080_8080_8000));
            let look_up =
                |table: &[u8; 32]| _mm256_shuffle_epi8(__m256i::load(table.as_ptr().cast()), nibble);
            let aligned = _mm256_sllv_epi64(windows, look_up(&CONTROL_BITS));
            let payload = _mm256_srlv_epi64(aligned, look_up(&NOT_PAYLOAD));
            let offset = _mm256_srlv_epi64(__m256i::set(u64::MAX), look_up(&NOT_OFFSET));
            let state = _mm256_add_epi64(known.state, _mm256_sub_epi64(payload, offset));
            (Knowns { value: _mm256_add_epi64(known.value, state), state }, look_up(&LENGTH))
        }
    }

    #[inline(always)]
    unsafe fn read_rests(rest: __m256i, known: Knowns<__m256i>) -> Knowns<__m256i> {
        avx2!(Knowns {
            value: _mm256_add_epi64(known.value, rest),
            state: _mm256_add_epi64(known.state, rest),
        })
    }

    #[inline(always)]
    unsafe fn store<const LANES: usize>(
        steps: &[__m256i; BATCH],
        count: usize,
        first: usize,
        rows: &mut Rows<'_, i64, LANES>,
    ) {
        // SAFETY: the caller vouches for the instructions.
        unsafe { store64(steps, count, first, rows) };
    }
}

/// Floats have 5 bits for the leading zeros and `LENGTH_BITS` for the length, less one, and are in the lowest bits of a lane.
#[inline(always)]
unsafe fn read_floats<const LENGTH_BITS: u32>(
    windows: __m256i,
    known: Knowns<__m256i>,
) -> (Knowns<__m256i>, __m256i) {
    let control_bits = 2 + 5 + u64::from(LENGTH_BITS);
    avx2! {
        let set = |value| __m256i::set(value);
        let changes = _mm256_cmpgt_epi64(set(0), windows);
        let new_window = _mm256_and_si256(windows, _mm256_slli_epi64::<1>(windows));
        // With the two bits that it comes after.
        let new_state = match LENGTH_BITS {
            6 => _mm256_srli_epi64::<{ 64 - 13 }>(windows),
            _ => _mm256_srli_epi64::<{ 64 - 12 }>(windows),
        };
        let state = blend(known.state, new_state, new_window);
        let length_less_one = _mm256_and_si256(state, set((1 << LENGTH_BITS) - 1));
        // There is no shift that lets the sign come after: ones are shifted up instead.
        let mask = _mm256_sllv_epi64(changes, _mm256_sub_epi64(set(63), length_less_one));
        let control = blend(set(2), set(control_bits), new_window);
        let aligned = _mm256_sllv_epi64(windows, control);
        let meaningful = _mm256_srlv_epi64(_mm256_and_si256(aligned, mask), leading::<LENGTH_BITS>(state));
        let more = _mm256_and_si256(_mm256_add_epi64(length_less_one, control), changes);
        let length = _mm256_add_epi64(set(1), more);
        (Knowns { value: _mm256_xor_si256(known.value, meaningful), state }, length)
    }
}

#[inline(always)]
unsafe fn leading<const LENGTH_BITS: u32>(state: __m256i) -> __m256i {
    avx2! {
        let leading = _mm256_srlv_epi64(state, __m256i::set(LENGTH_BITS.into()));
        let leading = _mm256_and_si256(leading, __m256i::set(31));
        match 64 - (1 << LENGTH_BITS) {
            0 => leading,
            above => _mm256_add_epi64(leading, __m256i::set(above)),
        }
    }
}

impl VectorCode<__m256i> for Floats64 {
    const STATE: u64 = (1 << 11) - 1;

    #[inline(always)]
    unsafe fn read_lanes(windows: __m256i, known: Knowns<__m256i>) -> (Knowns<__m256i>, __m256i) {
        avx2!(read_floats::<6>(windows, known))
    }

    #[inline(always)]
    unsafe fn read_rests(rest: __m256i, known: Knowns<__m256i>) -> Knowns<__m256i> {
        avx2! {
            let below = _mm256_andnot_si256(known.state, __m256i::set(63));
            let meaningful = _mm256_srlv_epi64(_mm256_sllv_epi64(rest, below), leading::<6>(known.state));
            Knowns { value: _mm256_xor_si256(known.value, meaningful), state: known.state }
        }
    }

    #[inline(always)]
    unsafe fn store<const LANES: usize>(
        steps: &[__m256i; BATCH],
        count: usize,
        first: usize,
        rows: &mut Rows<'_, u64, LANES>,
    ) {
        // SAFETY: the caller vouches for the instructions.
        unsafe { store64(steps, count, first, rows) };
    }
}

impl VectorCode<__m256i> for Floats32 {
    const STATE: u64 = (1 << 10) - 1;

    #[inline(always)]
    unsafe fn read_lanes(windows: __m256i, known: Knowns<__m256i>) -> (Knowns<__m256i>, __m256i) {
        avx2!(read_floats::<5>(windows, known))
    }

    #[inline(always)]
    unsafe fn read_rests(_: __m256i, known: Knowns<__m256i>) -> Knowns<__m256i> {
        known
    }

    #[inline(always)]
    unsafe fn store<const LANES: usize>(
        steps: &[__m256i; BATCH],
        count: usize,
        first: usize,
        rows: &mut Rows<'_, u32, LANES>,
    ) {
        avx2! {
            for (lane, values) in transpose(steps).into_iter().enumerate() {
                let mut wide = [0u64; BATCH];
                values[0].store(wide.as_mut_ptr());
                values[1].store(wide[4..].as_mut_ptr());
                rows.put(first + lane, count, &wide.map(|value| value as u32));
            }
        }
    }
}

#[inline(always)]
unsafe fn store64<T: From<u8> + Copy, const LANES: usize>(
    steps: &[__m256i; BATCH],
    count: usize,
    first: usize,
    rows: &mut Rows<'_, T, LANES>,
) {
    avx2! {
        for (lane, values) in transpose(steps).into_iter().enumerate() {
            let mut whole = [T::from(0); BATCH];
            _mm256_storeu_si256(whole.as_mut_ptr().cast(), values[0]);
            _mm256_storeu_si256(whole[4..].as_mut_ptr().cast(), values[1]);
            rows.put(first + lane, count, &whole);
        }
    }
}

/// Of eight steps of four lanes, four lanes of twice four steps.
#[inline(always)]
unsafe fn transpose(steps: &[__m256i; BATCH]) -> [[__m256i; 2]; 4] {
    let four = |a, b, c, d| {
        avx2! {
            let (ab02, ab13) = (_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
            let (cd02, cd13) = (_mm256_unpacklo_epi64(c, d), _mm256_unpackhi_epi64(c, d));
            [
                _mm256_permute2x128_si256::<0x20>(ab02, cd02),
                _mm256_permute2x128_si256::<0x20>(ab13, cd13),
                _mm256_permute2x128_si256::<0x31>(ab02, cd02),
                _mm256_permute2x128_si256::<0x31>(ab13, cd13),
            ]
        }
    };
    let [a, b, c, d, e, f, g, h] = *steps;
    let (early, late) = (four(a, b, c, d), four(e, f, g, h));
    std::array::from_fn(|lane| [early[lane], late[lane]])
}
