//! Division by powers of ten and small multiples of them.

/// The largest exponent of ten.
pub(crate) const MAX_EXPONENT: u8 = 18;
/// The largest exponent of ten beside a multiplier.
pub(crate) const MAX_MULTIPLIED_EXPONENT: u8 = 12;

/// A power of ten, or a small multiple of one, and what dividing by it takes.
///
/// # Division by multiplication
///
/// With `y = RN(1 / d)`, `q = RN(x y)`, `r = RN(x - q d)` and `q' = RN(q + r y)`, the last two fused, `q'` is the correctly
/// rounded `x / d` (P. Markstein, "Computation of elementary functions on the IBM RISC System/6000 processor", 1990). For a
/// divisor `d = 2^k o` with an odd `o < 2^42` and a double `x` that is an integer this can be seen directly. `q` is within
/// 2 ulp of `x / d`, so what the last step rounds differs from `x / d` by less than 2^-50 ulp. No quotient is as close to the
/// middle between two doubles: where `o > 1` it is not on it, since an odd number of 54 bits times `o` has more than the 53
/// bits of `x`; and being a multiple of `1 / o` of half an ulp, it is at least `1 / (2 o) > 2^-43` ulp away. Where `o = 1`
/// everything is exact. Nothing overflows or underflows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Power {
    /// The divisor, which is exact.
    pub(crate) divisor: f64,
    /// The double nearest to 1 / divisor.
    pub(crate) reciprocal: f64,
}

impl Power {
    /// `multiplier` * 10^`exponent`, where the exponent is at most [`MAX_EXPONENT`], or [`MAX_MULTIPLIED_EXPONENT`] with a
    /// multiplier other than 1; 0 is no multiplier.
    pub(crate) fn new(exponent: u8, multiplier: u8) -> Option<Self> {
        const POWERS: [f64; MAX_EXPONENT as usize + 1] = [
            1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
            1e18,
        ];
        if multiplier == 0 || (multiplier > 1 && exponent > MAX_MULTIPLIED_EXPONENT) {
            return None;
        }
        let divisor = *POWERS.get(usize::from(exponent))? * f64::from(multiplier);
        Some(Self { divisor, reciprocal: 1.0 / divisor })
    }

    /// The double nearest to the quotient: what every path computes.
    #[inline(always)]
    pub(crate) fn divide(&self, value: i64) -> f64 {
        value as f64 / self.divisor
    }
}
