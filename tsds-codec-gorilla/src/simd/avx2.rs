//! AVX2 and FMA: eight lanes in two registers.

use std::arch::x86_64::*;

use super::{GROUP, Kernel, Power, ROUNDER, Simd, WINDOW};
use crate::bits::MAX_NARROW;

/// Proof that the processor has AVX2, FMA and instructions on bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(());

/// The lower and the upper four lanes.
#[derive(Clone, Copy)]
pub(crate) struct Pair(pub(super) __m256i, pub(super) __m256i);

/// For every pair of lanes, where its sixteen bytes begin; for every lane, which of them are its window and by how much
/// that is shifted.
#[derive(Clone, Copy)]
pub(crate) struct Unpack {
    starts: [u8; 4],
    bytes: Pair,
    shifts: Pair,
    mask: __m256i,
}

struct Tables {
    starts: [[u8; 4]; 65],
    bytes: [[u8; 64]; 65],
    shifts: [[u64; GROUP]; 65],
    /// For every mask of four bits, the halves that `vpermd` moves to each lane, and which lanes are kept.
    expand: [[u32; GROUP]; 16],
    keep: [[i64; 4]; 16],
}

static TABLES: Tables = {
    let mut tables = Tables {
        starts: [[0; 4]; 65],
        bytes: [[0; 64]; 65],
        shifts: [[0; GROUP]; 65],
        expand: [[0; GROUP]; 16],
        keep: [[0; 4]; 16],
    };
    let mut width = 0;
    while width <= 64 {
        let mut lane = 0;
        while lane < GROUP {
            let bit = lane * width;
            // Two lanes of at most 57 bits lie within sixteen bytes from where the first begins; the sixteen bytes must
            // not reach beyond the window.
            let first = (lane / 2 * 2 * width) / 8;
            let start = if first > WINDOW - 16 { WINDOW - 16 } else { first };
            tables.starts[width][lane / 2] = start as u8;
            tables.shifts[width][lane] = (bit % 8) as u64;
            let mut byte = 0;
            while byte < 8 {
                let from = bit / 8 - start + byte;
                // Beyond the window there are no bits of the lane: `pshufb` gives zero for 0x80.
                tables.bytes[width][lane * 8 + byte] = if from < 16 { from as u8 } else { 0x80 };
                byte += 1;
            }
            lane += 1;
        }
        width += 1;
    }
    let mut mask = 0;
    while mask < 16 {
        let (mut lane, mut next) = (0, 0);
        while lane < 4 {
            if mask >> lane & 1 == 1 {
                tables.expand[mask][lane * 2] = next * 2;
                tables.expand[mask][lane * 2 + 1] = next * 2 + 1;
                tables.keep[mask][lane] = -1;
                next += 1;
            }
            lane += 1;
        }
        mask += 1;
    }
    tables
};

impl Avx2 {
    /// The proof, if the processor has what it takes.
    #[inline]
    pub(crate) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        (has && super::has_bit_instructions()).then_some(Self(()))
    }
}

/// Calls intrinsics from a method of [`Avx2`].
macro_rules! simd {
    ($($body:tt)*) => {{
        // SAFETY: `self` proves that the processor has the instructions; what is read or written lies within a reference.
        unsafe { $($body)* }
    }};
}

impl Avx2 {
    #[inline(always)]
    fn load_pair<T>(self, from: &[T; GROUP]) -> Pair {
        const { assert!(size_of::<T>() == 8) };
        let from: *const __m256i = from.as_ptr().cast();
        simd!(Pair(_mm256_loadu_si256(from), _mm256_loadu_si256(from.add(1))))
    }

    /// Sixteen bytes from each of two places, looked up and shifted.
    #[inline(always)]
    fn unpack_half(
        self,
        window: &[u8; WINDOW],
        starts: [u8; 2],
        bytes: __m256i,
        shifts: __m256i,
        mask: __m256i,
    ) -> __m256i {
        let [low, high] = starts
            .map(|start| -> *const __m128i { window[usize::from(start).min(WINDOW - 16)..].as_ptr().cast() });
        simd!({
            let low = _mm_loadu_si128(low);
            let both = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(low), _mm_loadu_si128(high));
            let windows = _mm256_shuffle_epi8(both, bytes);
            _mm256_and_si256(_mm256_srlv_epi64(windows, shifts), mask)
        })
    }

    #[inline(always)]
    fn prefix_half(self, v: __m256i) -> __m256i {
        simd!({
            let v = _mm256_add_epi64(v, _mm256_slli_si256::<8>(v));
            // The sum of the lower two lanes goes to the upper two.
            let low = _mm256_permute4x64_epi64::<0b01_01_01_01>(v);
            _mm256_add_epi64(v, _mm256_blend_epi32::<0b1111_0000>(_mm256_setzero_si256(), low))
        })
    }

    #[inline(always)]
    fn expand_half(self, mask: u8, v: __m256i) -> __m256i {
        let (order, keep) = (&TABLES.expand[usize::from(mask & 15)], &TABLES.keep[usize::from(mask & 15)]);
        simd!({
            let moved = _mm256_permutevar8x32_epi32(v, _mm256_loadu_si256(order.as_ptr().cast()));
            _mm256_and_si256(moved, _mm256_loadu_si256(keep.as_ptr().cast()))
        })
    }

    #[inline(always)]
    fn within_half(self, v: __m256i, low: i64, span: u64) -> u8 {
        simd!({
            let top = _mm256_set1_epi64x(i64::MIN);
            let distance = _mm256_sub_epi64(v, _mm256_set1_epi64x(low));
            // Signed comparison of both sides with their top bit flipped is the unsigned one.
            let beyond = _mm256_cmpgt_epi64(
                _mm256_xor_si256(distance, top),
                _mm256_xor_si256(_mm256_set1_epi64x(span as i64), top),
            );
            !_mm256_movemask_pd(_mm256_castsi256_pd(beyond)) as u8 & 15
        })
    }

    /// Doubles nearest to signed integers: the upper and the lower half become exact doubles, whose sum is rounded once.
    #[inline(always)]
    fn to_double(self, v: __m256i) -> __m256d {
        simd!({
            let low_magic = _mm256_set1_epi64x(0x4330_0000_0000_0000);
            let high_magic = _mm256_set1_epi64x(0x4530_0000_8000_0000);
            let both_magic = _mm256_castsi256_pd(_mm256_set1_epi64x(0x4530_0000_8010_0000));
            let low = _mm256_blend_epi32::<0b0101_0101>(low_magic, v);
            let high = _mm256_xor_si256(_mm256_srli_epi64::<32>(v), high_magic);
            let high = _mm256_sub_pd(_mm256_castsi256_pd(high), both_magic);
            _mm256_add_pd(high, _mm256_castsi256_pd(low))
        })
    }
    /// There is no 64-bit multiplication: the two cross products only reach the upper half.
    #[inline(always)]
    fn mul_half(self, a: __m256i, b: __m256i) -> __m256i {
        simd!({
            let swapped = _mm256_shuffle_epi32::<0b10_11_00_01>(b);
            let cross = _mm256_mullo_epi32(a, swapped);
            let cross = _mm256_add_epi32(cross, _mm256_slli_epi64::<32>(cross));
            let cross = _mm256_and_si256(cross, _mm256_set1_epi64x(0xffff_ffff_0000_0000_u64 as i64));
            _mm256_add_epi64(_mm256_mul_epu32(a, b), cross)
        })
    }

    #[inline(always)]
    fn unzigzag_half(self, v: __m256i) -> __m256i {
        simd!({
            let sign = _mm256_sub_epi64(_mm256_setzero_si256(), _mm256_and_si256(v, _mm256_set1_epi64x(1)));
            _mm256_xor_si256(_mm256_srli_epi64::<1>(v), sign)
        })
    }

    #[inline(always)]
    fn ordered_to_bits_half(self, v: __m256i) -> __m256i {
        simd!({
            let negative = _mm256_cmpgt_epi64(_mm256_setzero_si256(), v);
            _mm256_xor_si256(v, _mm256_srli_epi64::<1>(negative))
        })
    }

    #[inline(always)]
    pub(super) fn quotients(self, x: __m256d, power: Power) -> __m256i {
        simd!({
            let (divisor, reciprocal) = (_mm256_set1_pd(power.divisor), _mm256_set1_pd(power.reciprocal));
            let q = _mm256_mul_pd(x, reciprocal);
            let r = _mm256_fnmadd_pd(q, divisor, x);
            _mm256_castpd_si256(_mm256_fmadd_pd(r, reciprocal, q))
        })
    }

    #[inline(always)]
    fn nearest_integer_half(self, v: __m256i, factor: f64) -> __m256i {
        simd!({
            let rounder = _mm256_set1_pd(ROUNDER);
            let product = _mm256_mul_pd(_mm256_castsi256_pd(v), _mm256_set1_pd(factor));
            let rounded = _mm256_castpd_si256(_mm256_add_pd(product, rounder));
            _mm256_sub_epi64(rounded, _mm256_castpd_si256(rounder))
        })
    }

    #[inline(always)]
    fn through_single_half(self, v: __m256i) -> __m256i {
        simd!(_mm256_castpd_si256(_mm256_cvtps_pd(_mm256_cvtpd_ps(_mm256_castsi256_pd(v)))))
    }
}

impl Simd for Avx2 {
    type V = Pair;
    type Unpack = Unpack;
    const SHIFTS_FAST: bool = false;

    #[inline]
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx2,fma,popcnt,lzcnt,bmi1,bmi2")]
        fn with_avx2<K: Kernel>(simd: Avx2, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        simd!(with_avx2(self, kernel))
    }

    #[inline(always)]
    fn unpacker(self, width: u32) -> Unpack {
        let width = if width > MAX_NARROW { 64 } else { width.max(1) };
        let bytes: *const __m256i = TABLES.bytes[width as usize].as_ptr().cast();
        simd!(Unpack {
            starts: TABLES.starts[width as usize],
            bytes: Pair(_mm256_loadu_si256(bytes), _mm256_loadu_si256(bytes.add(1))),
            shifts: self.load_pair(&TABLES.shifts[width as usize]),
            mask: _mm256_set1_epi64x((u64::MAX >> (64 - width)) as i64),
        })
    }

    #[inline(always)]
    fn unpack(self, unpack: Unpack, window: &[u8; WINDOW]) -> Pair {
        let [a, b, c, d] = unpack.starts;
        Pair(
            self.unpack_half(window, [a, b], unpack.bytes.0, unpack.shifts.0, unpack.mask),
            self.unpack_half(window, [c, d], unpack.bytes.1, unpack.shifts.1, unpack.mask),
        )
    }

    #[inline(always)]
    fn unpack_shifted(self, unpack: Unpack, window: &[u8; WINDOW], bit: u32) -> Pair {
        let bit = simd!(_mm256_set1_epi64x(i64::from(bit % 8)));
        let shifts =
            simd!(Pair(_mm256_add_epi64(unpack.shifts.0, bit), _mm256_add_epi64(unpack.shifts.1, bit)));
        self.unpack(Unpack { shifts, ..unpack }, window)
    }

    #[inline(always)]
    fn load(self, from: &[i64; GROUP]) -> Pair {
        self.load_pair(from)
    }

    #[inline(always)]
    fn store(self, v: Pair, to: &mut [i64; GROUP]) {
        let to: *mut __m256i = to.as_mut_ptr().cast();
        simd!({
            _mm256_storeu_si256(to, v.0);
            _mm256_storeu_si256(to.add(1), v.1);
        })
    }

    #[inline(always)]
    fn splat(self, value: i64) -> Pair {
        let v = simd!(_mm256_set1_epi64x(value));
        Pair(v, v)
    }

    #[inline(always)]
    fn add(self, a: Pair, b: Pair) -> Pair {
        simd!(Pair(_mm256_add_epi64(a.0, b.0), _mm256_add_epi64(a.1, b.1)))
    }

    #[inline(always)]
    fn sub(self, a: Pair, b: Pair) -> Pair {
        simd!(Pair(_mm256_sub_epi64(a.0, b.0), _mm256_sub_epi64(a.1, b.1)))
    }

    #[inline(always)]
    fn or(self, a: Pair, b: Pair) -> Pair {
        simd!(Pair(_mm256_or_si256(a.0, b.0), _mm256_or_si256(a.1, b.1)))
    }

    #[inline(always)]
    fn mul(self, a: Pair, b: Pair) -> Pair {
        Pair(self.mul_half(a.0, b.0), self.mul_half(a.1, b.1))
    }

    #[inline(always)]
    fn shl(self, v: Pair, by: u32) -> Pair {
        simd!({
            let by = _mm256_set1_epi64x(i64::from(by % 64));
            Pair(_mm256_sllv_epi64(v.0, by), _mm256_sllv_epi64(v.1, by))
        })
    }

    #[inline(always)]
    fn unzigzag(self, v: Pair) -> Pair {
        Pair(self.unzigzag_half(v.0), self.unzigzag_half(v.1))
    }

    #[inline(always)]
    fn prefix_sums<const K: usize>(self, mut v: [Pair; K]) -> [Pair; K] {
        for v in &mut v {
            let low = self.prefix_half(v.0);
            let high = self.prefix_half(v.1);
            *v = Pair(low, simd!(_mm256_add_epi64(high, _mm256_permute4x64_epi64::<0xff>(low))));
        }
        v
    }

    #[inline(always)]
    fn last(self, v: Pair) -> Pair {
        let last = simd!(_mm256_permute4x64_epi64::<0xff>(v.1));
        Pair(last, last)
    }

    #[inline(always)]
    fn expand(self, mask: u8, v: Pair) -> Pair {
        let mut lanes = [0; GROUP];
        self.store(v, &mut lanes);
        self.expand_from(mask, &lanes)
    }

    #[inline(always)]
    fn expand_from(self, mask: u8, from: &[i64; GROUP]) -> Pair {
        // What the lower lanes have not taken goes to the upper ones.
        let taken = (mask & 15).count_ones() as usize;
        let rest = from[taken.min(GROUP - 4)..].as_ptr().cast();
        let (low, high) = simd!((_mm256_loadu_si256(from.as_ptr().cast()), _mm256_loadu_si256(rest)));
        Pair(self.expand_half(mask, low), self.expand_half(mask >> 4, high))
    }

    #[inline(always)]
    fn within(self, v: Pair, low: i64, span: u64) -> u8 {
        self.within_half(v.0, low, span) | self.within_half(v.1, low, span) << 4
    }

    #[inline(always)]
    fn ordered_to_bits(self, v: Pair) -> Pair {
        Pair(self.ordered_to_bits_half(v.0), self.ordered_to_bits_half(v.1))
    }

    #[inline(always)]
    fn decimal(self, v: Pair, power: Power) -> Pair {
        Pair(self.quotients(self.to_double(v.0), power), self.quotients(self.to_double(v.1), power))
    }

    #[inline(always)]
    fn nearest_integer(self, v: Pair, factor: f64) -> Pair {
        Pair(self.nearest_integer_half(v.0, factor), self.nearest_integer_half(v.1, factor))
    }

    #[inline(always)]
    fn through_single(self, v: Pair) -> Pair {
        Pair(self.through_single_half(v.0), self.through_single_half(v.1))
    }
}
