//! AVX-512: all eight lanes in one register, unpacked by one byte permutation and one variable shift.

use std::arch::x86_64::*;

use super::{GROUP, Kernel, Power, ROUNDER, Simd, WINDOW};
use crate::bits::MAX_NARROW;

/// Proof that the processor has AVX-512 F, BW, DQ, VL, CD and VBMI, and instructions on bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512(());

/// Which bytes make up every lane's window, by how much it is shifted, and which bits remain.
#[derive(Clone, Copy)]
pub(crate) struct Unpack {
    bytes: __m512i,
    shifts: __m512i,
    mask: __m512i,
}

struct Tables {
    bytes: [[u8; 64]; 65],
    shifts: [[u64; GROUP]; 65],
}

/// For every width, the eight bytes from where each lane begins, and the bit of the first in which it does.
static TABLES: Tables = {
    let mut tables = Tables { bytes: [[0; 64]; 65], shifts: [[0; GROUP]; 65] };
    let mut width = 0;
    while width <= 64 {
        let mut lane = 0;
        while lane < GROUP {
            let bit = lane * width;
            tables.shifts[width][lane] = (bit % 8) as u64;
            let mut byte = 0;
            while byte < 8 {
                let from = bit / 8 + byte;
                tables.bytes[width][lane * 8 + byte] = if from < 64 { from as u8 } else { 63 };
                byte += 1;
            }
            lane += 1;
        }
        width += 1;
    }
    tables
};

impl Avx512 {
    /// The proof, if the processor has what it takes.
    #[inline]
    pub(crate) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512cd")
            && is_x86_feature_detected!("avx512vbmi")
            && super::has_bit_instructions();
        has.then_some(Self(()))
    }
}

/// Calls intrinsics from a method of [`Avx512`].
macro_rules! simd {
    ($($body:tt)*) => {{
        // SAFETY: `self` proves that the processor has the instructions; what is read or written is a whole reference.
        unsafe { $($body)* }
    }};
}

impl Avx512 {
    /// The bits of the doubles nearest to the quotients.
    #[inline(always)]
    pub(super) fn quotients(self, x: __m512d, power: Power) -> __m512i {
        simd!({
            let (divisor, reciprocal) = (_mm512_set1_pd(power.divisor), _mm512_set1_pd(power.reciprocal));
            let q = _mm512_mul_pd(x, reciprocal);
            let r = _mm512_fnmadd_pd(q, divisor, x);
            _mm512_castpd_si512(_mm512_fmadd_pd(r, reciprocal, q))
        })
    }
}

impl Simd for Avx512 {
    type V = __m512i;
    type Unpack = Unpack;
    const SHIFTS_FAST: bool = true;

    #[inline]
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(
            enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx512vbmi,popcnt,lzcnt,bmi1,bmi2"
        )]
        fn with_avx512<K: Kernel>(simd: Avx512, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        simd!(with_avx512(self, kernel))
    }

    #[inline(always)]
    fn unpacker(self, width: u32) -> Unpack {
        let width = if width > MAX_NARROW { 64 } else { width.max(1) };
        let (bytes, shifts) = (&TABLES.bytes[width as usize], &TABLES.shifts[width as usize]);
        simd!(Unpack {
            bytes: _mm512_loadu_si512(bytes.as_ptr().cast()),
            shifts: _mm512_loadu_si512(shifts.as_ptr().cast()),
            mask: _mm512_set1_epi64((u64::MAX >> (64 - width)) as i64),
        })
    }

    #[inline(always)]
    fn unpack(self, unpack: Unpack, window: &[u8; WINDOW]) -> __m512i {
        simd!({
            let raw = _mm512_loadu_si512(window.as_ptr().cast());
            let windows = _mm512_permutexvar_epi8(unpack.bytes, raw);
            _mm512_and_si512(_mm512_srlv_epi64(windows, unpack.shifts), unpack.mask)
        })
    }

    #[inline(always)]
    fn unpack_shifted(self, unpack: Unpack, window: &[u8; WINDOW], bit: u32) -> __m512i {
        simd!({
            let raw = _mm512_loadu_si512(window.as_ptr().cast());
            let windows = _mm512_permutexvar_epi8(unpack.bytes, raw);
            let shifts = _mm512_add_epi64(unpack.shifts, _mm512_set1_epi64(i64::from(bit % 8)));
            _mm512_and_si512(_mm512_srlv_epi64(windows, shifts), unpack.mask)
        })
    }

    #[inline(always)]
    fn load(self, from: &[i64; GROUP]) -> __m512i {
        simd!(_mm512_loadu_si512(from.as_ptr().cast()))
    }

    #[inline(always)]
    fn store(self, v: __m512i, to: &mut [i64; GROUP]) {
        simd!(_mm512_storeu_si512(to.as_mut_ptr().cast(), v))
    }

    #[inline(always)]
    fn splat(self, value: i64) -> __m512i {
        simd!(_mm512_set1_epi64(value))
    }

    #[inline(always)]
    fn add(self, a: __m512i, b: __m512i) -> __m512i {
        simd!(_mm512_add_epi64(a, b))
    }

    #[inline(always)]
    fn sub(self, a: __m512i, b: __m512i) -> __m512i {
        simd!(_mm512_sub_epi64(a, b))
    }

    #[inline(always)]
    fn or(self, a: __m512i, b: __m512i) -> __m512i {
        simd!(_mm512_or_si512(a, b))
    }

    #[inline(always)]
    fn mul(self, a: __m512i, b: __m512i) -> __m512i {
        simd!(_mm512_mullo_epi64(a, b))
    }

    #[inline(always)]
    fn shl(self, v: __m512i, by: u32) -> __m512i {
        simd!(_mm512_sllv_epi64(v, _mm512_set1_epi64(i64::from(by % 64))))
    }

    #[inline(always)]
    fn unzigzag(self, v: __m512i) -> __m512i {
        simd!({
            let odd = _mm512_test_epi64_mask(v, _mm512_set1_epi64(1));
            let half = _mm512_srli_epi64::<1>(v);
            _mm512_mask_xor_epi64(half, odd, half, _mm512_set1_epi64(-1))
        })
    }

    // Step by step for all, since moving lanes takes five cycles: meanwhile the others are added.
    #[inline(always)]
    fn prefix_sums<const K: usize>(self, mut v: [__m512i; K]) -> [__m512i; K] {
        simd!({
            let zero = _mm512_setzero_si512();
            for v in &mut v {
                *v = _mm512_add_epi64(*v, _mm512_alignr_epi64::<7>(*v, zero));
            }
            for v in &mut v {
                *v = _mm512_add_epi64(*v, _mm512_alignr_epi64::<6>(*v, zero));
            }
            for v in &mut v {
                *v = _mm512_add_epi64(*v, _mm512_alignr_epi64::<4>(*v, zero));
            }
        });
        v
    }

    #[inline(always)]
    fn last(self, v: __m512i) -> __m512i {
        simd!(_mm512_permutexvar_epi64(_mm512_set1_epi64(7), v))
    }

    #[inline(always)]
    fn expand(self, mask: u8, v: __m512i) -> __m512i {
        simd!(_mm512_maskz_expand_epi64(mask, v))
    }

    #[inline(always)]
    fn within(self, v: __m512i, low: i64, span: u64) -> u8 {
        simd!({
            let distance = _mm512_sub_epi64(v, _mm512_set1_epi64(low));
            _mm512_cmple_epu64_mask(distance, _mm512_set1_epi64(span as i64))
        })
    }

    #[inline(always)]
    fn expand_from(self, mask: u8, from: &[i64; GROUP]) -> __m512i {
        self.expand(mask, self.load(from))
    }

    #[inline(always)]
    fn ordered_to_bits(self, v: __m512i) -> __m512i {
        simd!(_mm512_xor_si512(v, _mm512_srli_epi64::<1>(_mm512_srai_epi64::<63>(v))))
    }

    #[inline(always)]
    fn decimal(self, v: __m512i, power: Power) -> __m512i {
        self.quotients(simd!(_mm512_cvtepi64_pd(v)), power)
    }

    #[inline(always)]
    fn nearest_integer(self, v: __m512i, factor: f64) -> __m512i {
        simd!({
            let rounder = _mm512_set1_pd(ROUNDER);
            let product = _mm512_mul_pd(_mm512_castsi512_pd(v), _mm512_set1_pd(factor));
            let rounded = _mm512_castpd_si512(_mm512_add_pd(product, rounder));
            _mm512_sub_epi64(rounded, _mm512_castpd_si512(rounder))
        })
    }

    #[inline(always)]
    fn through_single(self, v: __m512i) -> __m512i {
        simd!(_mm512_castpd_si512(_mm512_cvtps_pd(_mm512_cvtpd_ps(_mm512_castsi512_pd(v)))))
    }
}
