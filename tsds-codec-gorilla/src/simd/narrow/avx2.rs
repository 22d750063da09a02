//! AVX2: sixteen lanes in two registers.

use std::arch::x86_64::*;

use super::super::avx2::{Avx2, Pair};
use super::super::{GROUP, Power, WINDOW};
use super::{BITS, Bits, MAX_NARROW_WIDTH, Narrow, PAIR};

/// The lower and the upper eight lanes.
#[derive(Clone, Copy)]
pub(crate) struct Both(__m256i, __m256i);

/// For every four lanes, where their sixteen bytes begin; for every lane, which of them are its window and by how much that is
/// shifted.
#[derive(Clone, Copy)]
pub(crate) struct Unpack {
    starts: [u8; 4],
    bytes: Both,
    shifts: Both,
    mask: __m256i,
    width: usize,
}

const WIDTHS: usize = MAX_NARROW_WIDTH as usize + 1;

struct Tables {
    starts: [[u8; 4]; WIDTHS],
    bytes: [[u8; 64]; WIDTHS],
    shifts: [[u32; PAIR]; WIDTHS],
    /// For every mask of eight bits, which lane moves to each.
    expand: [[u8; GROUP]; 256],
}

static TABLES: Tables = {
    let mut tables = Tables {
        starts: [[0; 4]; WIDTHS],
        bytes: [[0; 64]; WIDTHS],
        shifts: [[0; PAIR]; WIDTHS],
        expand: [[0; GROUP]; 256],
    };
    let mut width = 0;
    while width < WIDTHS {
        let mut lane = 0;
        while lane < PAIR {
            let bit = lane * width;
            // Four lanes of at most 25 bits lie within sixteen bytes from where the first begins.
            let start = (lane / 4 * 4 * width) / 8;
            tables.starts[width][lane / 4] = start as u8;
            tables.shifts[width][lane] = (bit % 8) as u32;
            let mut byte = 0;
            while byte < 4 {
                tables.bytes[width][lane * 4 + byte] = (bit / 8 - start + byte) as u8;
                byte += 1;
            }
            lane += 1;
        }
        width += 1;
    }
    let mut mask = 0;
    while mask < 256 {
        let (mut lane, mut next) = (0, 0);
        while lane < GROUP {
            if mask >> lane & 1 == 1 {
                tables.expand[mask][lane] = next;
                next += 1;
            }
            lane += 1;
        }
        mask += 1;
    }
    tables
};

/// Calls intrinsics from a method of [`Avx2`].
macro_rules! simd {
    ($($body:tt)*) => {{
        // SAFETY: `self` proves that the processor has the instructions; what is read or written lies within a reference.
        unsafe { $($body)* }
    }};
}

impl Avx2 {
    #[inline(always)]
    fn load_both(self, from: *const __m256i) -> Both {
        simd!(Both(_mm256_loadu_si256(from), _mm256_loadu_si256(from.add(1))))
    }

    /// Sixteen bytes from each of two places, looked up and shifted.
    #[inline(always)]
    fn narrow_unpack_half(
        self,
        window: &[u8; WINDOW],
        starts: [u8; 2],
        bytes: __m256i,
        shifts: __m256i,
        mask: __m256i,
    ) -> __m256i {
        let low: *const __m128i = window[usize::from(starts[0]).min(WINDOW - 16)..].as_ptr().cast();
        let high: *const __m128i = window[usize::from(starts[1]).min(WINDOW - 16)..].as_ptr().cast();
        simd!({
            let low = _mm_loadu_si128(low);
            let both = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(low), _mm_loadu_si128(high));
            let windows = _mm256_shuffle_epi8(both, bytes);
            _mm256_and_si256(_mm256_srlv_epi32(windows, shifts), mask)
        })
    }

    /// Eight values from bit `bit` of `bytes` on, plus one, in the lanes of the bits of `mask`.
    #[inline(always)]
    fn narrow_expand_half(self, unpack: Unpack, bytes: &[u8], bit: usize, mask: u8) -> __m256i {
        let window = bytes.get(bit / 8..).and_then(|rest| rest.first_chunk::<WINDOW>());
        let Some(window) = window else { return simd!(_mm256_setzero_si256()) };
        let [a, b, ..] = unpack.starts;
        let order = &TABLES.expand[usize::from(mask)];
        simd!({
            let shifts = _mm256_add_epi32(unpack.shifts.0, _mm256_set1_epi32((bit % 8) as i32));
            let values = self.narrow_unpack_half(window, [a, b], unpack.bytes.0, shifts, unpack.mask);
            let order = _mm256_cvtepu8_epi32(_mm_loadl_epi64(order.as_ptr().cast()));
            let moved = _mm256_permutevar8x32_epi32(values, order);
            let bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            let keep = _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(i32::from(mask)), bits), bits);
            // What is kept is all ones: less that is plus one.
            _mm256_and_si256(_mm256_sub_epi32(moved, keep), keep)
        })
    }

    #[inline(always)]
    fn narrow_unzigzag_half(self, v: __m256i) -> __m256i {
        simd!({
            let sign = _mm256_sub_epi32(_mm256_setzero_si256(), _mm256_and_si256(v, _mm256_set1_epi32(1)));
            _mm256_xor_si256(_mm256_srli_epi32::<1>(v), sign)
        })
    }

    #[inline(always)]
    fn narrow_prefix_half(self, v: __m256i) -> __m256i {
        simd!({
            let v = _mm256_add_epi32(v, _mm256_slli_si256::<4>(v));
            let v = _mm256_add_epi32(v, _mm256_slli_si256::<8>(v));
            // The sum of the lower four lanes goes to the upper four.
            let low = _mm256_permutevar8x32_epi32(v, _mm256_set1_epi32(3));
            _mm256_add_epi32(v, _mm256_blend_epi32::<0b1111_0000>(_mm256_setzero_si256(), low))
        })
    }

    #[inline(always)]
    fn narrow_within_half(self, v: __m256i, low: i32, span: u32) -> u16 {
        simd!({
            let distance = _mm256_sub_epi32(v, _mm256_set1_epi32(low));
            let span = _mm256_set1_epi32(span as i32);
            let is_within = _mm256_cmpeq_epi32(_mm256_max_epu32(distance, span), span);
            _mm256_movemask_ps(_mm256_castsi256_ps(is_within)) as u16
        })
    }

    #[inline(always)]
    fn narrow_among_half(self, v: __m256i, bits: &Bits) -> u16 {
        simd!({
            let words: *const i32 = bits.words.as_ptr().cast();
            let inside =
                _mm256_min_epu32(_mm256_srli_epi32::<5>(v), _mm256_set1_epi32((BITS / 32 - 1) as i32));
            let words = match bits.end <= 256 {
                true => _mm256_permutevar8x32_epi32(_mm256_loadu_si256(words.cast()), inside),
                false => _mm256_i32gather_epi32::<4>(words, inside),
            };
            // The bit becomes the sign.
            let shift = _mm256_andnot_si256(v, _mm256_set1_epi32(31));
            let found = _mm256_sllv_epi32(words, shift);
            let found = _mm256_movemask_ps(_mm256_castsi256_ps(found)) as u16;
            found & self.narrow_within_half(v, 0, bits.end.wrapping_sub(1))
        })
    }

    #[inline(always)]
    fn narrow_decimal_half(self, v: __m256i, power: Power) -> Pair {
        simd!(Pair(
            self.quotients(_mm256_cvtepi32_pd(_mm256_castsi256_si128(v)), power),
            self.quotients(_mm256_cvtepi32_pd(_mm256_extracti128_si256::<1>(v)), power),
        ))
    }

    /// The bits that are set in any lane.
    #[inline(always)]
    fn any_lane(self, v: __m256i) -> u64 {
        simd!({
            let half = _mm_or_si128(_mm256_castsi256_si128(v), _mm256_extracti128_si256::<1>(v));
            _mm_cvtsi128_si64(_mm_or_si128(half, _mm_unpackhi_epi64(half, half))) as u64
        })
    }

    #[inline(always)]
    fn narrow_times_half(self, v: __m256i, factor: i32) -> Pair {
        simd!({
            // Only the lower half of each lane is multiplied.
            let factor = _mm256_set1_epi64x(i64::from(factor));
            let low = _mm256_cvtepi32_epi64(_mm256_castsi256_si128(v));
            let high = _mm256_cvtepi32_epi64(_mm256_extracti128_si256::<1>(v));
            Pair(_mm256_mul_epi32(low, factor), _mm256_mul_epi32(high, factor))
        })
    }
}

impl Narrow for Avx2 {
    type N = Both;
    type NarrowUnpack = Unpack;
    const AT_ONCE: usize = 2;
    const MAX_TABLE: usize = 0;

    #[inline(always)]
    fn narrow_unpacker(self, width: u32) -> Unpack {
        let width = width.min(MAX_NARROW_WIDTH) as usize;
        Unpack {
            starts: TABLES.starts[width],
            bytes: self.load_both(TABLES.bytes[width].as_ptr().cast()),
            shifts: self.load_both(TABLES.shifts[width].as_ptr().cast()),
            mask: simd!(_mm256_set1_epi32((1 << width) - 1)),
            width,
        }
    }

    #[inline(always)]
    fn narrow_unpack(self, unpack: Unpack, window: &[u8; WINDOW]) -> Both {
        let [a, b, c, d] = unpack.starts;
        Both(
            self.narrow_unpack_half(window, [a, b], unpack.bytes.0, unpack.shifts.0, unpack.mask),
            self.narrow_unpack_half(window, [c, d], unpack.bytes.1, unpack.shifts.1, unpack.mask),
        )
    }

    #[inline(always)]
    fn narrow_expand(self, unpack: Unpack, bytes: &[u8], bit: usize, mask: u16) -> Both {
        let taken = (mask as u8).count_ones() as usize;
        let second = bit.wrapping_add(taken.wrapping_mul(unpack.width));
        Both(
            self.narrow_expand_half(unpack, bytes, bit, mask as u8),
            self.narrow_expand_half(unpack, bytes, second, (mask >> 8) as u8),
        )
    }

    #[inline(always)]
    fn narrow_load(self, from: &[i32; PAIR]) -> Both {
        self.load_both(from.as_ptr().cast())
    }

    #[inline(always)]
    fn narrow_store(self, v: Both, to: &mut [i32; PAIR]) {
        let to: *mut __m256i = to.as_mut_ptr().cast();
        simd!({
            _mm256_storeu_si256(to, v.0);
            _mm256_storeu_si256(to.add(1), v.1);
        })
    }

    #[inline(always)]
    fn narrow_splat(self, value: i32) -> Both {
        let v = simd!(_mm256_set1_epi32(value));
        Both(v, v)
    }

    #[inline(always)]
    fn narrow_add(self, a: Both, b: Both) -> Both {
        simd!(Both(_mm256_add_epi32(a.0, b.0), _mm256_add_epi32(a.1, b.1)))
    }

    #[inline(always)]
    fn narrow_shl(self, v: Both, by: u32) -> Both {
        simd!({
            let by = _mm256_set1_epi32((by % 32) as i32);
            Both(_mm256_sllv_epi32(v.0, by), _mm256_sllv_epi32(v.1, by))
        })
    }

    #[inline(always)]
    fn narrow_unzigzag(self, v: Both) -> Both {
        Both(self.narrow_unzigzag_half(v.0), self.narrow_unzigzag_half(v.1))
    }

    #[inline(always)]
    fn narrow_prefix_sums<const K: usize>(self, mut v: [Both; K]) -> [Both; K] {
        for v in &mut v {
            let (low, high) = (self.narrow_prefix_half(v.0), self.narrow_prefix_half(v.1));
            *v = simd!({
                let before = _mm256_permutevar8x32_epi32(low, _mm256_set1_epi32(7));
                Both(low, _mm256_add_epi32(high, before))
            });
        }
        v
    }

    #[inline(always)]
    fn narrow_ramp(self, step: i32) -> Both {
        simd!({
            let (step, lanes) = (_mm256_set1_epi32(step), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
            let low = _mm256_mullo_epi32(lanes, step);
            Both(low, _mm256_add_epi32(low, _mm256_slli_epi32::<3>(step)))
        })
    }

    #[inline(always)]
    fn narrow_last(self, v: Both) -> Both {
        let last = simd!(_mm256_permutevar8x32_epi32(v.1, _mm256_set1_epi32(7)));
        Both(last, last)
    }

    #[inline(always)]
    fn narrow_within(self, v: Both, low: i32, span: u32) -> u16 {
        self.narrow_within_half(v.0, low, span) | self.narrow_within_half(v.1, low, span) << 8
    }

    #[inline(always)]
    fn narrow_among(self, v: Both, bits: &Bits) -> u16 {
        match bits.end {
            0 => 0,
            _ => self.narrow_among_half(v.0, bits) | self.narrow_among_half(v.1, bits) << 8,
        }
    }

    #[inline(always)]
    fn narrow_times(self, v: Both, factor: i32) -> [Pair; 2] {
        [self.narrow_times_half(v.0, factor), self.narrow_times_half(v.1, factor)]
    }

    #[inline(always)]
    fn narrow_decimal(self, v: Both, power: Power) -> [Pair; 2] {
        [self.narrow_decimal_half(v.0, power), self.narrow_decimal_half(v.1, power)]
    }

    #[inline(always)]
    fn narrow_look_up(self, _: Both, _: &[i64]) -> [Pair; 2] {
        let zero = simd!(_mm256_setzero_si256());
        [Pair(zero, zero); 2]
    }

    #[inline(always)]
    fn positions(self, bytes: &[u8; 16], count: usize) -> [u64; 2] {
        let all = u128::from_le_bytes(*bytes);
        let mut masks = simd!([_mm256_setzero_si256(); 2]);
        for first in [0, 8, 16] {
            // Those that are not there are beyond all.
            let there = count.saturating_sub(first).min(8) as u32;
            let beyond = 0x8080_8080_8080_8080_u64.checked_shl(8 * there).unwrap_or(0);
            let places = spread((all >> (7 * first)) as u64) | beyond;
            for half in [places as u32, (places >> 32) as u32] {
                simd!({
                    let places = _mm256_cvtepu8_epi64(_mm_cvtsi32_si128(half as i32));
                    let one = _mm256_set1_epi64x(1);
                    // Shifts by 64 and more, and by what is below zero, give zero.
                    let upper = _mm256_sub_epi64(places, _mm256_set1_epi64x(64));
                    masks[0] = _mm256_or_si256(masks[0], _mm256_sllv_epi64(one, places));
                    masks[1] = _mm256_or_si256(masks[1], _mm256_sllv_epi64(one, upper));
                });
            }
        }
        [self.any_lane(masks[0]), self.any_lane(masks[1])]
    }
}

/// The lowest 56 bits, seven in each byte.
#[inline(always)]
fn spread(bits: u64) -> u64 {
    let bits = (bits & 0x0fff_ffff) | (bits & 0x00ff_ffff_f000_0000) << 4;
    let bits = (bits & 0x0000_3fff_0000_3fff) | (bits & 0x0fff_c000_0fff_c000) << 2;
    (bits & 0x007f_007f_007f_007f) | (bits & 0x3f80_3f80_3f80_3f80) << 1
}
