//! Exact sums: the same bits whatever the order and the borders of batches, segments and tiers.
//!
//! `docs/adr/0004-exact-sums.md` says why, `docs/formats/sum-state.md` what the state is.

mod round;
mod wide;

use tsds_traits::{Result, SumState};

pub use round::{average, average_at_scale, to_decimal, to_f64, to_i64, to_u64};
use wide::Wide;

/// Adds numbers without any error.
///
/// Most sums stay in a *window*: a 128-bit integer that counts multiples of one power of two. A double whose exponent is
/// within 64 of that power adds with a shift and an addition. Whatever lies elsewhere goes to a wide accumulator that covers
/// every double, at about the cost of a second addition.
#[derive(Clone, Debug, Default)]
pub struct ExactSum {
    /// The sum so far is `window · 2^base`, plus `wide`.
    window: i128,
    base: i32,
    nan: bool,
    positive_infinity: bool,
    negative_infinity: bool,
    wide: Option<Box<Wide>>,
}

/// How many exponents of doubles the window spans.
const SPAN: i32 = 64;

/// How many doubles are added before the window is checked for room: 2^10 terms of 53 + 63 bits stay below 2^126.
const BLOCK: usize = 1024;

/// After this many doubles outside the window, the rest of a block does without one.
const MAX_OUTSIDE: usize = 32;

/// A double is `mantissa · 2^(biased - BIAS)`, with a 53-bit mantissa if `biased` is not zero.
const BIAS: i32 = 1075;
const MANTISSA_BITS: u32 = 52;
const BIASED_SPECIAL: u64 = 0x7ff;

impl ExactSum {
    /// The empty sum.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds doubles.
    pub fn add_f64s(&mut self, values: &[f64]) {
        self.add_floats(values, |value| value);
    }

    /// Adds floats, each of which is a double exactly.
    pub fn add_f32s(&mut self, values: &[f32]) {
        self.add_floats(values, f64::from);
    }

    /// Adds one double.
    pub fn add_f64(&mut self, value: f64) {
        self.add_floats(&[value], |value| value);
    }

    /// Adds signed integers of any width.
    pub fn add_signed<T: Copy + Into<i64>>(&mut self, values: &[T]) {
        // 2^64 terms of 64 bits fit.
        let sum = values.iter().fold(0i128, |sum, value| sum.wrapping_add(i128::from((*value).into())));
        self.add_scaled(sum, 0);
    }

    /// Adds unsigned integers of any width.
    pub fn add_unsigned<T: Copy + Into<u64>>(&mut self, values: &[T]) {
        // A slice holds fewer than 2^63 values.
        let sum = values.iter().fold(0i128, |sum, value| sum.wrapping_add(i128::from((*value).into())));
        self.add_scaled(sum, 0);
    }

    /// Adds decimals of one scale, in its units.
    pub fn add_decimals(&mut self, values: &[i128]) {
        // 38 digits take 127 bits with their sign: a few already fill the window, which then goes to the wide accumulator.
        let (mut sum, mut full) = (0i128, None);
        for value in values {
            match sum.checked_add(*value) {
                Some(more) => sum = more,
                None => {
                    full.get_or_insert_with(Vec::new).push(sum);
                    sum = *value;
                }
            }
        }
        full.into_iter().flatten().chain([sum]).for_each(|part| self.add_scaled(part, 0));
    }

    #[inline(always)]
    fn add_floats<T: Copy>(&mut self, values: &[T], widen: impl Fn(T) -> f64) {
        for block in values.chunks(BLOCK) {
            self.make_room();
            let (mut rest, mut outside) = (block, 0);
            while let Some(index) = self.add_inside(rest, &widen) {
                self.add_outside(widen(rest[index]));
                rest = &rest[index + 1..];
                outside += 1;
                if outside == MAX_OUTSIDE {
                    // No window fits these: looking for one costs more than it saves.
                    rest.iter().for_each(|value| self.add_anywhere(widen(*value)));
                    break;
                }
            }
        }
    }

    /// Adds the doubles before the first one outside the window, and says where that is.
    #[inline(always)]
    fn add_inside<T: Copy>(&mut self, values: &[T], widen: &impl Fn(T) -> f64) -> Option<usize> {
        let biased_base = i64::from(self.base + BIAS) as u64;
        // Infinities and NaNs are outside, wherever the window is.
        let span = BIASED_SPECIAL.saturating_sub(biased_base).min(SPAN as u64);
        let mut window = self.window;
        for (index, value) in values.iter().enumerate() {
            let bits = widen(*value).to_bits();
            // Zeros are everywhere in some data and must not cost a branch: they add nothing, with any shift.
            let not_zero = u64::from(bits << 1 != 0).wrapping_neg();
            let shift = ((bits >> MANTISSA_BITS) & BIASED_SPECIAL).wrapping_sub(biased_base) & not_zero;
            if shift >= span {
                self.window = window;
                return Some(index);
            }
            let fraction = bits & ((1 << MANTISSA_BITS) - 1);
            let mantissa = ((fraction | 1 << MANTISSA_BITS) & not_zero) as i64;
            let sign = bits as i64 >> 63;
            let signed = (mantissa ^ sign).wrapping_sub(sign);
            window = window.wrapping_add(i128::from(signed) << (shift & 63));
        }
        self.window = window;
        None
    }

    /// Adds a double to the wide accumulator.
    #[inline]
    fn add_anywhere(&mut self, value: f64) {
        match split(value) {
            Some((mantissa, exponent)) => self.wide().add_double(mantissa, exponent),
            None => self.add_special(value),
        }
    }

    #[cold]
    fn add_special(&mut self, value: f64) {
        self.nan |= value.is_nan();
        self.positive_infinity |= value == f64::INFINITY;
        self.negative_infinity |= value == f64::NEG_INFINITY;
    }

    /// Adds a double that the window does not take as it is.
    #[cold]
    fn add_outside(&mut self, value: f64) {
        let Some((mantissa, exponent)) = split(value) else { return self.add_special(value) };
        if mantissa == 0 {
            return;
        }
        if self.open_window(exponent) {
            self.window = self.window.wrapping_add(i128::from(mantissa) << (exponent - self.base));
        } else {
            self.wide().add_double(mantissa, exponent);
        }
    }

    /// Moves the window so that it takes doubles of this exponent, if it can.
    fn open_window(&mut self, exponent: i32) -> bool {
        // In the middle, for smaller and larger ones to come.
        let middle = (exponent - SPAN / 2).max(i32::from(SumState::MIN_EXPONENT));
        if self.window == 0 {
            self.base = middle;
        } else if exponent < self.base && !self.lower_base(middle) {
            self.lower_base(exponent);
        }
        (0..SPAN).contains(&(exponent - self.base))
    }

    /// Counts in smaller units, if that leaves the room that a block of doubles needs.
    fn lower_base(&mut self, base: i32) -> bool {
        let shift = self.base - base;
        let fits = shift >= 0 && shift < sign_bits(self.window) as i32 - 2;
        if fits {
            self.window <<= shift;
            self.base = base;
        }
        fits
    }

    /// Empties the window if a block of doubles could overflow it.
    fn make_room(&mut self) {
        if sign_bits(self.window) < 3 {
            self.spill();
        }
    }

    fn spill(&mut self) {
        let (window, base) = (std::mem::take(&mut self.window), self.base);
        self.wide().add(window, base);
    }

    fn wide(&mut self) -> &mut Wide {
        self.wide.get_or_insert_default()
    }

    /// Adds `mantissa · 2^exponent`, which is no finer and hardly larger than any double.
    fn add_scaled(&mut self, mantissa: i128, exponent: i32) {
        if mantissa == 0 {
            return;
        }
        if self.window == 0 {
            (self.window, self.base) = (mantissa, exponent);
            return;
        }
        if exponent < self.base && !self.lower_base(exponent) {
            return self.wide().add(mantissa, exponent);
        }
        let shift = exponent - self.base;
        let fits = shift < sign_bits(mantissa) as i32;
        match self.window.checked_add(if fits { mantissa << shift } else { 0 }) {
            Some(sum) if fits => self.window = sum,
            _ => self.wide().add(mantissa, exponent),
        }
    }

    /// Adds what another sum holds.
    ///
    /// # Errors
    ///
    /// `Corrupt` if the state is not canonical or larger than any sum.
    pub fn merge(&mut self, state: &SumState) -> Result<()> {
        state.validate()?;
        self.nan |= state.flags & SumState::NAN != 0;
        self.positive_infinity |= state.flags & SumState::POSITIVE_INFINITY != 0;
        self.negative_infinity |= state.flags & SumState::NEGATIVE_INFINITY != 0;
        match &state.wide {
            None => self.add_scaled(state.mantissa, i32::from(state.exponent)),
            Some(bytes) => self.wide().add_bytes(bytes, i32::from(state.exponent)),
        }
        Ok(())
    }

    /// The canonical state: equal sums have equal states.
    ///
    /// # Errors
    ///
    /// `Internal` if the sum is larger than any sum of 2^64 numbers.
    pub fn state(&self) -> Result<SumState> {
        if self.nan || self.positive_infinity || self.negative_infinity {
            return Ok(SumState::special(self.nan, self.positive_infinity, self.negative_infinity));
        }
        match &self.wide {
            None => SumState::finite(self.window, self.base),
            Some(wide) => {
                let mut wide = wide.clone();
                wide.add(self.window, self.base);
                SumState::finite_wide(&wide.to_bytes(), i32::from(SumState::MIN_EXPONENT))
            }
        }
    }

    /// Bytes of memory held beyond the value itself.
    pub fn heap_bytes(&self) -> usize {
        if self.wide.is_some() { size_of::<Wide>() } else { 0 }
    }
}

/// A finite double as `mantissa · 2^exponent`; `None` for an infinity or NaN.
#[inline]
fn split(value: f64) -> Option<(i64, i32)> {
    let bits = value.to_bits();
    let biased = (bits >> MANTISSA_BITS) & BIASED_SPECIAL;
    if biased == BIASED_SPECIAL {
        return None;
    }
    // Subnormals have the exponent of the smallest normal numbers and no hidden bit.
    let hidden = u64::from(biased != 0);
    let magnitude = (bits & ((1 << MANTISSA_BITS) - 1) | hidden << MANTISSA_BITS) as i64;
    let sign = bits as i64 >> 63;
    Some(((magnitude ^ sign) - sign, biased.max(1) as i32 - BIAS))
}

/// How many of the top bits are equal to the sign: at least 1.
fn sign_bits(value: i128) -> u32 {
    (value ^ (value >> 127)).leading_zeros()
}

#[cfg(test)]
mod tests;
