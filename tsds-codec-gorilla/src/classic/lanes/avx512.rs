//! Lock-step decoding with AVX-512: eight lanes in a vector.

use std::arch::x86_64::*;

use super::rows::{BATCH, Rows};
use super::state::{Lanes, Word};
use super::vector::{self, Group, Knowns, Vector, VectorCode};
use crate::classic::floats::{Floats32, Floats64};
use crate::classic::times::{BUCKETS, Times};

/// Codes that there is a kernel for.
pub(in crate::classic) trait Decoded: VectorCode<__m512i> {}
impl<C: VectorCode<__m512i>> Decoded for C {}

/// Decodes for as long as there are words enough and steps.
#[target_feature(
    enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx512vbmi,avx512vbmi2,bmi2,lzcnt,popcnt"
)]
pub(super) fn steps<C: Decoded, const LANES: usize, const EIGHTS: usize>(
    lanes: &mut Lanes<LANES>,
    words: &[Word],
    rows: &mut Rows<'_, C::Value, LANES>,
) {
    // SAFETY: this function has the features that the vectors need.
    unsafe { vector::steps::<__m512i, C, LANES, EIGHTS>(lanes, words, rows) };
}

/// Calls intrinsics where the processor has AVX-512.
macro_rules! avx512 {
    ($($body:tt)*) => {{
        // SAFETY: whoever calls a function of a vector vouches for its instructions, and for the memory that pointers point to.
        unsafe { $($body)* }
    }};
}

impl Vector for __m512i {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn set(value: u64) -> Self {
        avx512!(_mm512_set1_epi64(value.cast_signed()))
    }

    #[inline(always)]
    unsafe fn load(from: *const u64) -> Self {
        avx512!(_mm512_loadu_si512(from.cast()))
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u64) {
        avx512!(_mm512_storeu_si512(to.cast(), self));
    }

    #[inline(always)]
    unsafe fn and(self, other: Self) -> Self {
        avx512!(_mm512_and_si512(self, other))
    }

    #[inline(always)]
    unsafe fn has_none(self, bits: u64) -> bool {
        avx512!(_mm512_test_epi64_mask(self, Self::set(bits)) == 0)
    }

    #[inline(always)]
    unsafe fn window(current: Self, next: Self, position: Self) -> Self {
        avx512!(_mm512_shldv_epi64(current, next, position))
    }

    #[inline(always)]
    unsafe fn is_any_longer(lengths: Self) -> bool {
        avx512!(_mm512_cmpgt_epi64_mask(lengths, Self::set(64)) != 0)
    }

    #[inline(always)]
    unsafe fn first_bits(lengths: Self) -> Self {
        avx512!(_mm512_min_epi64(lengths, Self::set(64)))
    }

    #[inline(always)]
    unsafe fn last_bits(lengths: Self, windows: Self) -> (Self, Self) {
        avx512! {
            let bits = _mm512_subs_epu16(lengths, Self::set(64));
            (bits, _mm512_srlv_epi64(windows, _mm512_sub_epi64(Self::set(64), bits)))
        }
    }

    #[inline(always)]
    unsafe fn advance<const IDLE: bool>(
        group: &mut Group<Self>,
        bits: Self,
        step: usize,
        words: *const Word,
    ) -> usize {
        avx512! {
            let position = _mm512_add_epi64(group.position, bits);
            // All ones where the bit for 64 is set: for the words that are in registers faster than by way of a mask.
            let crossing = _mm512_srai_epi64::<63>(_mm512_slli_epi64::<57>(position));
            let crosses = _mm512_test_epi64_mask(position, Self::set(64));
            group.position = _mm512_and_si512(position, Self::set(63));
            group.current = _mm512_ternarylogic_epi64::<0xca>(crossing, group.next, group.current);
            group.next = _mm512_ternarylogic_epi64::<0xca>(crossing, group.ahead, group.next);
            let mut takes = crosses;
            if IDLE {
                takes = _mm512_mask_cmplt_epi64_mask(crosses, Self::set(step as u64), group.supplied);
                group.ahead = _mm512_andnot_si512(crossing, group.ahead);
            }
            group.ahead = _mm512_mask_expand_epi64(group.ahead, takes, _mm512_loadu_si512(words.cast()));
            takes.count_ones() as usize
        }
    }
}

/// For each number of ones that a code of times begins with.
const fn by_ones(what: [u64; 5]) -> [u64; 8] {
    let [none, one, two, three, more] = what;
    [none, one, two, three, more, more, more, more]
}

impl VectorCode<__m512i> for Times {
    const STATE: u64 = u64::MAX;

    #[inline(always)]
    unsafe fn read_lanes(windows: __m512i, known: Knowns<__m512i>) -> (Knowns<__m512i>, __m512i) {
        const CONTROL_BITS: [u64; 8] = by_ones([1, 2, 3, 4, 4]);
        const NOT_PAYLOAD: [u64; 8] = by_ones([64, 57, 55, 52, 0]);
        const OFFSET: [u64; 8] = by_ones([0, BUCKETS[1].offset, BUCKETS[2].offset, BUCKETS[3].offset, 0]);
        const LENGTH: [u64; 8] = by_ones([1, 9, 12, 16, 68]);
        avx512! {
            // More than four ones are like four.
            let fifth = _mm512_set1_epi64(1 << 59);
            let ones = _mm512_lzcnt_epi64(_mm512_ternarylogic_epi64::<0xaf>(windows, fifth, fifth));
            let look_up = |table: &[u64; 8]| _mm512_permutexvar_epi64(ones, __m512i::load(table.as_ptr()));
            let aligned = _mm512_sllv_epi64(windows, look_up(&CONTROL_BITS));
            let payload = _mm512_srlv_epi64(aligned, look_up(&NOT_PAYLOAD));
            let change = _mm512_sub_epi64(payload, look_up(&OFFSET));
            let state = _mm512_add_epi64(known.state, change);
            (Knowns { value: _mm512_add_epi64(known.value, state), state }, look_up(&LENGTH))
        }
    }

    #[inline(always)]
    unsafe fn read_rests(rest: __m512i, known: Knowns<__m512i>) -> Knowns<__m512i> {
        avx512!(Knowns {
            value: _mm512_add_epi64(known.value, rest),
            state: _mm512_add_epi64(known.state, rest),
        })
    }

    #[inline(always)]
    unsafe fn store<const LANES: usize>(
        steps: &[__m512i; BATCH],
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
    windows: __m512i,
    known: Knowns<__m512i>,
) -> (Knowns<__m512i>, __m512i) {
    let control_bits = 2 + 5 + u64::from(LENGTH_BITS);
    avx512! {
        let set = |value| __m512i::set(value);
        let changes = _mm512_movepi64_mask(windows);
        let new_window = _mm512_cmpge_epu64_mask(windows, set(0b11 << 62));
        // With the two bits that it comes after.
        let state = match LENGTH_BITS {
            6 => _mm512_mask_srli_epi64::<{ 64 - 13 }>(known.state, new_window, windows),
            _ => _mm512_mask_srli_epi64::<{ 64 - 12 }>(known.state, new_window, windows),
        };
        let length_less_one = _mm512_and_si512(state, set((1 << LENGTH_BITS) - 1));
        let mask = _mm512_srav_epi64(set(1 << 63), length_less_one);
        let control = _mm512_mask_blend_epi64(new_window, set(2), set(control_bits));
        let aligned = _mm512_maskz_sllv_epi64(changes, windows, control);
        let meaningful = _mm512_srlv_epi64(_mm512_and_si512(aligned, mask), leading::<LENGTH_BITS>(state));
        let with_last = _mm512_mask_blend_epi64(new_window, set(3), set(control_bits + 1));
        let length = _mm512_mask_add_epi64(set(1), changes, length_less_one, with_last);
        (Knowns { value: _mm512_xor_si512(known.value, meaningful), state }, length)
    }
}

#[inline(always)]
unsafe fn leading<const LENGTH_BITS: u32>(state: __m512i) -> __m512i {
    avx512! {
        let leading = _mm512_and_si512(_mm512_srli_epi64::<LENGTH_BITS>(state), __m512i::set(31));
        match 64 - (1 << LENGTH_BITS) {
            0 => leading,
            above => _mm512_add_epi64(leading, __m512i::set(above)),
        }
    }
}

impl VectorCode<__m512i> for Floats64 {
    const STATE: u64 = (1 << 11) - 1;

    #[inline(always)]
    unsafe fn read_lanes(windows: __m512i, known: Knowns<__m512i>) -> (Knowns<__m512i>, __m512i) {
        avx512!(read_floats::<6>(windows, known))
    }

    #[inline(always)]
    unsafe fn read_rests(rest: __m512i, known: Knowns<__m512i>) -> Knowns<__m512i> {
        avx512! {
            let below = _mm512_andnot_si512(known.state, __m512i::set(63));
            let meaningful = _mm512_srlv_epi64(_mm512_sllv_epi64(rest, below), leading::<6>(known.state));
            Knowns { value: _mm512_xor_si512(known.value, meaningful), state: known.state }
        }
    }

    #[inline(always)]
    unsafe fn store<const LANES: usize>(
        steps: &[__m512i; BATCH],
        count: usize,
        first: usize,
        rows: &mut Rows<'_, u64, LANES>,
    ) {
        // SAFETY: the caller vouches for the instructions.
        unsafe { store64(steps, count, first, rows) };
    }
}

impl VectorCode<__m512i> for Floats32 {
    const STATE: u64 = (1 << 10) - 1;

    #[inline(always)]
    unsafe fn read_lanes(windows: __m512i, known: Knowns<__m512i>) -> (Knowns<__m512i>, __m512i) {
        avx512!(read_floats::<5>(windows, known))
    }

    #[inline(always)]
    unsafe fn read_rests(_: __m512i, known: Knowns<__m512i>) -> Knowns<__m512i> {
        known
    }

    #[inline(always)]
    unsafe fn store<const LANES: usize>(
        steps: &[__m512i; BATCH],
        count: usize,
        first: usize,
        rows: &mut Rows<'_, u32, LANES>,
    ) {
        avx512! {
            for (lane, values) in transpose(*steps).into_iter().enumerate() {
                let mut narrow = [0; BATCH];
                _mm256_storeu_si256(narrow.as_mut_ptr().cast(), _mm512_cvtepi64_epi32(values));
                rows.put(first + lane, count, &narrow);
            }
        }
    }
}

#[inline(always)]
unsafe fn store64<T: From<u8> + Copy, const LANES: usize>(
    steps: &[__m512i; BATCH],
    count: usize,
    first: usize,
    rows: &mut Rows<'_, T, LANES>,
) {
    avx512! {
        for (lane, values) in transpose(*steps).into_iter().enumerate() {
            let mut whole = [T::from(0); BATCH];
            _mm512_storeu_si512(whole.as_mut_ptr().cast(), values);
            rows.put(first + lane, count, &whole);
        }
    }
}

/// Of eight steps of eight lanes, eight lanes of eight steps.
#[inline(always)]
unsafe fn transpose(steps: [__m512i; 8]) -> [__m512i; 8] {
    // Two by two lanes, steps together; then pieces 0 and 2 of two vectors, and 1 and 3.
    let pairs = |a, b| avx512!((_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b)));
    let pieces = |a, b| avx512!((_mm512_shuffle_i64x2::<0x88>(a, b), _mm512_shuffle_i64x2::<0xdd>(a, b)));
    let every_other_lane = |ab, cd, ef, gh| {
        let (abcd04, abcd26) = pieces(ab, cd);
        let (efgh04, efgh26) = pieces(ef, gh);
        let (lane0, lane4) = pieces(abcd04, efgh04);
        let (lane2, lane6) = pieces(abcd26, efgh26);
        [lane0, lane2, lane4, lane6]
    };
    let [a, b, c, d, e, f, g, h] = steps;
    let ((ab0, ab1), (cd0, cd1), (ef0, ef1), (gh0, gh1)) =
        (pairs(a, b), pairs(c, d), pairs(e, f), pairs(g, h));
    let [lane0, lane2, lane4, lane6] = every_other_lane(ab0, cd0, ef0, gh0);
    let [lane1, lane3, lane5, lane7] = every_other_lane(ab1, cd1, ef1, gh1);
    [lane0, lane1, lane2, lane3, lane4, lane5, lane6, lane7]
}
