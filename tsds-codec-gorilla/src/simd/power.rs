//! Division by powers of ten.

/// The largest exponent of ten.
pub(crate) const MAX_EXPONENT: u8 = 18;

/// A power of ten and what dividing by it takes.
///
/// # Division by multiplication
///
/// With `y = RN(1 / d)`, `q = RN(x y)`, `r = RN(x - q d)` and `q' = RN(q + r y)`, the last two fused, `q'` is the correctly
/// rounded `x / d` (P. Markstein, "Computation of elementary functions on the IBM RISC System/6000 processor", 1990). For
/// `d = 10^e` with `e <= 18` and a double `x` that is an integer this can be seen directly. `q` is within 2 ulp of `x / d`, so
/// what the last step rounds differs from `x / d` by less than 2^-50 ulp. No quotient is as close to the middle between two
/// doubles: it is not on it, since an odd number of 54 bits times `5^e` has more than the 53 bits of `x`; and being a
/// multiple of `1 / 5^e` of half an ulp, it is at least `1 / (2 * 5^18) > 2^-43` ulp away. Nothing overflows or underflows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Power {
    /// 10^e, which is exact.
    pub(crate) divisor: f64,
    /// The double nearest to 10^-e.
    pub(crate) reciprocal: f64,
}

impl Power {
    /// 10^`exponent`, where that is at most [`MAX_EXPONENT`].
    pub(crate) fn new(exponent: u8) -> Option<Self> {
        const POWERS: [f64; MAX_EXPONENT as usize + 1] = [
            1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
            1e18,
        ];
        let divisor = *POWERS.get(usize::from(exponent))?;
        Some(Self { divisor, reciprocal: 1.0 / divisor })
    }

    /// The double nearest to `value` / 10^e: what every path computes.
    #[inline(always)]
    pub(crate) fn divide(&self, value: i64) -> f64 {
        value as f64 / self.divisor
    }
}
