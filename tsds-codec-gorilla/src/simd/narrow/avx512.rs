//! AVX-512: all sixteen lanes in one register.

use std::arch::x86_64::*;

use super::super::avx512::Avx512;
use super::super::{Power, WINDOW};
use super::{BITS, Bits, MAX_NARROW_WIDTH, Narrow, PAIR};
use crate::ints::POSITION_BITS;

/// Which bytes make up every lane's window, by how much it is shifted, and which bits remain.
#[derive(Clone, Copy)]
pub(crate) struct Unpack {
    bytes: __m512i,
    shifts: __m512i,
    mask: __m512i,
}

const WIDTHS: usize = MAX_NARROW_WIDTH as usize + 1;

struct Tables {
    bytes: [[u8; 64]; WIDTHS],
    shifts: [[u32; PAIR]; WIDTHS],
}

/// For every width, the four bytes from where each lane begins, and the bit of the first in which it does.
static TABLES: Tables = {
    let mut tables = Tables { bytes: [[0; 64]; WIDTHS], shifts: [[0; PAIR]; WIDTHS] };
    let mut width = 0;
    while width < WIDTHS {
        let mut lane = 0;
        while lane < PAIR {
            let bit = lane * width;
            tables.shifts[width][lane] = (bit % 8) as u32;
            let mut byte = 0;
            while byte < 4 {
                tables.bytes[width][lane * 4 + byte] = (bit / 8 + byte) as u8;
                byte += 1;
            }
            lane += 1;
        }
        width += 1;
    }
    tables
};

/// Calls intrinsics from a method of [`Avx512`].
macro_rules! simd {
    ($($body:tt)*) => {{
        // SAFETY: `self` proves that the processor has the instructions; what is read or written is a whole reference.
        unsafe { $($body)* }
    }};
}

/// The first eight lanes and the last eight.
macro_rules! halves {
    ($v:expr) => {
        (_mm512_castsi512_si256($v), _mm512_extracti64x4_epi64::<1>($v))
    };
}

impl Narrow for Avx512 {
    type N = __m512i;
    type NarrowUnpack = Unpack;
    const AT_ONCE: usize = 8;
    const MAX_TABLE: usize = 16;

    #[inline(always)]
    fn narrow_unpacker(self, width: u32) -> Unpack {
        let width = width.min(MAX_NARROW_WIDTH) as usize;
        simd!(Unpack {
            bytes: _mm512_loadu_si512(TABLES.bytes[width].as_ptr().cast()),
            shifts: _mm512_loadu_si512(TABLES.shifts[width].as_ptr().cast()),
            mask: _mm512_set1_epi32((1 << width) - 1),
        })
    }

    #[inline(always)]
    fn narrow_unpack(self, unpack: Unpack, window: &[u8; WINDOW]) -> __m512i {
        simd!({
            let raw = _mm512_loadu_si512(window.as_ptr().cast());
            let windows = _mm512_permutexvar_epi8(unpack.bytes, raw);
            _mm512_and_si512(_mm512_srlv_epi32(windows, unpack.shifts), unpack.mask)
        })
    }

    #[inline(always)]
    fn narrow_expand(self, unpack: Unpack, bytes: &[u8], bit: usize, mask: u16) -> __m512i {
        let window = bytes.get(bit / 8..).and_then(|rest| rest.first_chunk::<WINDOW>());
        let Some(window) = window else { return self.narrow_splat(0) };
        simd!({
            let shifts = _mm512_add_epi32(unpack.shifts, _mm512_set1_epi32((bit % 8) as i32));
            let values = self.narrow_unpack(Unpack { shifts, ..unpack }, window);
            _mm512_maskz_expand_epi32(mask, _mm512_add_epi32(values, _mm512_set1_epi32(1)))
        })
    }

    #[inline(always)]
    fn narrow_load(self, from: &[i32; PAIR]) -> __m512i {
        simd!(_mm512_loadu_si512(from.as_ptr().cast()))
    }

    #[inline(always)]
    fn narrow_store(self, v: __m512i, to: &mut [i32; PAIR]) {
        simd!(_mm512_storeu_si512(to.as_mut_ptr().cast(), v))
    }

    #[inline(always)]
    fn narrow_splat(self, value: i32) -> __m512i {
        simd!(_mm512_set1_epi32(value))
    }

    #[inline(always)]
    fn narrow_add(self, a: __m512i, b: __m512i) -> __m512i {
        simd!(_mm512_add_epi32(a, b))
    }

    #[inline(always)]
    fn narrow_shl(self, v: __m512i, by: u32) -> __m512i {
        simd!(_mm512_sllv_epi32(v, _mm512_set1_epi32((by % 32) as i32)))
    }

    #[inline(always)]
    fn narrow_unzigzag(self, v: __m512i) -> __m512i {
        simd!({
            let odd = _mm512_test_epi32_mask(v, _mm512_set1_epi32(1));
            let half = _mm512_srli_epi32::<1>(v);
            _mm512_mask_xor_epi32(half, odd, half, _mm512_set1_epi32(-1))
        })
    }

    // Step by step for all, since moving lanes takes five cycles: meanwhile the others are added.
    #[inline(always)]
    fn narrow_prefix_sums<const K: usize>(self, mut v: [__m512i; K]) -> [__m512i; K] {
        simd!({
            let zero = _mm512_setzero_si512();
            for v in &mut v {
                *v = _mm512_add_epi32(*v, _mm512_bslli_epi128::<4>(*v));
            }
            for v in &mut v {
                *v = _mm512_add_epi32(*v, _mm512_bslli_epi128::<8>(*v));
            }
            // All that the fours before add up to: of one, two and three of them.
            let mut sums = v;
            for sums in &mut sums {
                *sums = _mm512_shuffle_epi32::<0xff>(*sums);
            }
            let mut before = v;
            for (before, sums) in before.iter_mut().zip(&sums) {
                let one = _mm512_alignr_epi64::<6>(*sums, zero);
                let two = _mm512_alignr_epi64::<4>(*sums, zero);
                let three = _mm512_alignr_epi64::<2>(*sums, zero);
                *before = _mm512_add_epi32(_mm512_add_epi32(one, two), three);
            }
            for (v, before) in v.iter_mut().zip(&before) {
                *v = _mm512_add_epi32(*v, *before);
            }
        });
        v
    }

    #[inline(always)]
    fn narrow_ramp(self, step: i32) -> __m512i {
        simd!({
            let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            _mm512_mullo_epi32(lanes, _mm512_set1_epi32(step))
        })
    }

    #[inline(always)]
    fn narrow_last(self, v: __m512i) -> __m512i {
        simd!(_mm512_permutexvar_epi32(_mm512_set1_epi32(15), v))
    }

    #[inline(always)]
    fn narrow_within(self, v: __m512i, low: i32, span: u32) -> u16 {
        simd!({
            let distance = _mm512_sub_epi32(v, _mm512_set1_epi32(low));
            _mm512_cmple_epu32_mask(distance, _mm512_set1_epi32(span as i32))
        })
    }

    #[inline(always)]
    fn narrow_among(self, v: __m512i, bits: &Bits) -> u16 {
        simd!({
            let word = _mm512_srli_epi32::<5>(v);
            let words = bits.words.as_ptr();
            let words = if bits.end <= 512 {
                _mm512_permutexvar_epi32(word, _mm512_loadu_si512(words.cast()))
            } else if bits.end <= 1024 {
                let low = _mm512_loadu_si512(words.cast());
                _mm512_permutex2var_epi32(low, word, _mm512_loadu_si512(words.add(PAIR).cast()))
            } else {
                let inside = _mm512_min_epu32(word, _mm512_set1_epi32((BITS / 32 - 1) as i32));
                _mm512_i32gather_epi32::<4>(inside, words.cast())
            };
            // Variable shifts by 32 and more would give zero: only five bits of the place count.
            let shift = _mm512_and_si512(v, _mm512_set1_epi32(31));
            let found = _mm512_test_epi32_mask(_mm512_srlv_epi32(words, shift), _mm512_set1_epi32(1));
            found & _mm512_cmplt_epu32_mask(v, _mm512_set1_epi32(bits.end as i32))
        })
    }

    #[inline(always)]
    fn narrow_times(self, v: __m512i, factor: i32) -> [__m512i; 2] {
        simd!({
            let (low, high) = halves!(v);
            // Only the lower half of each lane is multiplied.
            let factor = _mm512_set1_epi64(i64::from(factor));
            let (low, high) = (_mm512_cvtepi32_epi64(low), _mm512_cvtepi32_epi64(high));
            [_mm512_mul_epi32(low, factor), _mm512_mul_epi32(high, factor)]
        })
    }

    #[inline(always)]
    fn narrow_decimal(self, v: __m512i, power: Power) -> [__m512i; 2] {
        let (low, high) = simd!(halves!(v));
        let (low, high) = simd!((_mm512_cvtepi32_pd(low), _mm512_cvtepi32_pd(high)));
        [self.quotients(low, power), self.quotients(high, power)]
    }

    #[inline(always)]
    fn narrow_look_up(self, v: __m512i, table: &[i64]) -> [__m512i; 2] {
        // One bit for each value that there is.
        let is_there = (1u64 << table.len().min(Self::MAX_TABLE)) - 1;
        simd!({
            let from: *const i64 = table.as_ptr();
            let lower = _mm512_maskz_loadu_epi64(is_there as u8, from);
            let upper = _mm512_maskz_loadu_epi64((is_there >> 8) as u8, from.wrapping_add(8));
            let (low, high) = halves!(v);
            let (low, high) = (_mm512_cvtepu32_epi64(low), _mm512_cvtepu32_epi64(high));
            [_mm512_permutex2var_epi64(lower, low, upper), _mm512_permutex2var_epi64(lower, high, upper)]
        })
    }

    #[inline(always)]
    fn positions(self, bytes: &[u8; 16], count: usize) -> [u64; 2] {
        let unpack = self.narrow_unpacker(POSITION_BITS);
        // The 17th and the 18th are the last bits.
        let last = u32::from(bytes[14]) | u32::from(bytes[15]) << 8;
        let is_there = (1u32 << count.min(18)) - 1;
        simd!({
            let raw = _mm512_castsi128_si512(_mm_loadu_si128(bytes.as_ptr().cast()));
            let windows = _mm512_permutexvar_epi8(unpack.bytes, raw);
            let sixteen = _mm512_and_si512(_mm512_srlv_epi32(windows, unpack.shifts), unpack.mask);
            let (low, high) = halves!(sixteen);
            let last =
                _mm_insert_epi32::<1>(_mm_cvtsi32_si128((last & 127) as i32), (last >> 7 & 127) as i32);
            let low = _mm512_cvtepu32_epi64(low);
            let high = _mm512_cvtepu32_epi64(high);
            let last = _mm512_cvtepu32_epi64(_mm256_castsi128_si256(last));
            let (one, half) = (_mm512_set1_epi64(1), _mm512_set1_epi64(64));
            // Shifts by 64 and more, and by what is below zero, give zero.
            let first = _mm512_maskz_sllv_epi64(is_there as u8, one, low);
            let second = _mm512_maskz_sllv_epi64((is_there >> 8) as u8, one, high);
            let third = _mm512_maskz_sllv_epi64((is_there >> 16) as u8, one, last);
            let lower = _mm512_ternarylogic_epi64::<0xfe>(first, second, third);
            let first = _mm512_maskz_sllv_epi64(is_there as u8, one, _mm512_sub_epi64(low, half));
            let second = _mm512_maskz_sllv_epi64((is_there >> 8) as u8, one, _mm512_sub_epi64(high, half));
            let third = _mm512_maskz_sllv_epi64((is_there >> 16) as u8, one, _mm512_sub_epi64(last, half));
            let upper = _mm512_ternarylogic_epi64::<0xfe>(first, second, third);
            [_mm512_reduce_or_epi64(lower) as u64, _mm512_reduce_or_epi64(upper) as u64]
        })
    }
}
