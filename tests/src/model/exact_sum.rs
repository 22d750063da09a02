//! Exact sums, as one wide integer.

use tsds_traits::{SumState, Value};

use crate::{CaseResult, Failure};

/// 2^64 doubles of the largest magnitude need 2,162 bits above the smallest bit; the rest is sign.
const LIMBS: usize = 36;

/// The exponent of the smallest bit of a double: the unit in which sums are counted.
const UNIT: i32 = -1074;

/// The exact sum of integers or floats: a two's complement integer that counts units of 2^-1074, and what is not finite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExactSum {
    limbs: Box<[u64; LIMBS]>,
    nan: bool,
    positive_infinity: bool,
    negative_infinity: bool,
}

impl Default for ExactSum {
    fn default() -> Self {
        Self { limbs: Box::new([0; LIMBS]), nan: false, positive_infinity: false, negative_infinity: false }
    }
}

impl ExactSum {
    /// Adds a number; text and booleans have no sum and are ignored.
    pub fn add(&mut self, value: &Value) {
        match value {
            Value::Int(value) => self.add_integer(i128::from(*value)),
            Value::UInt(value) => self.add_integer(i128::from(*value)),
            Value::Decimal(value) => self.add_integer(*value),
            Value::F32(value) => self.add_float(f64::from(*value)),
            Value::F64(value) => self.add_float(*value),
            _ => {}
        }
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Self) {
        self.add_limbs(&other.limbs);
        self.nan |= other.nan;
        self.positive_infinity |= other.positive_infinity;
        self.negative_infinity |= other.negative_infinity;
    }

    fn add_integer(&mut self, value: i128) {
        self.add_limbs(&shifted_left(sign_extended(&value.to_le_bytes()), UNIT.unsigned_abs() as usize));
    }

    fn add_float(&mut self, value: f64) {
        if value.is_nan() {
            self.nan = true;
        } else if value == f64::INFINITY {
            self.positive_infinity = true;
        } else if value == f64::NEG_INFINITY {
            self.negative_infinity = true;
        } else {
            let bits = value.to_bits();
            let (exponent, fraction) = ((bits >> 52 & 0x7ff) as usize, bits & ((1 << 52) - 1));
            let (mantissa, shift) = match exponent {
                0 => (fraction, 0),
                _ => (fraction | 1 << 52, exponent - 1),
            };
            let signed = if value.is_sign_negative() { -i128::from(mantissa) } else { i128::from(mantissa) };
            self.add_limbs(&shifted_left(sign_extended(&signed.to_le_bytes()), shift));
        }
    }

    fn add_limbs(&mut self, other: &[u64; LIMBS]) {
        let mut carry = false;
        for (own, other) in self.limbs.iter_mut().zip(other) {
            let (sum, first) = own.overflowing_add(*other);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            *own = sum;
            carry = first || second;
        }
    }

    /// The frozen state of the sum.
    ///
    /// # Errors
    ///
    /// A failure for a sum that no state can hold, which no sum of 64-bit numbers is.
    pub fn to_state(&self) -> CaseResult<SumState> {
        if self.nan || self.positive_infinity || self.negative_infinity {
            return Ok(SumState::special(self.nan, self.positive_infinity, self.negative_infinity));
        }
        let bytes: Vec<u8> = self.limbs.iter().flat_map(|limb| limb.to_le_bytes()).collect();
        Ok(SumState::finite_wide(&bytes, UNIT)?)
    }

    /// The sum that a state stands for.
    ///
    /// # Errors
    ///
    /// A failure for a state that is not canonical or cannot come from 64-bit numbers.
    pub fn from_state(state: &SumState) -> CaseResult<Self> {
        state.validate()?;
        let mut sum = Self {
            nan: state.flags == SumState::NAN,
            positive_infinity: state.flags == SumState::POSITIVE_INFINITY,
            negative_infinity: state.flags == SumState::NEGATIVE_INFINITY,
            ..Self::default()
        };
        let mantissa = state.mantissa_bytes();
        let shift = usize::try_from(i32::from(state.exponent) - UNIT)
            .ok()
            .filter(|shift| mantissa.len() * 8 + shift <= LIMBS * 64)
            .ok_or_else(|| Failure::new(format!("no sum of 64-bit numbers has the state {state:?}")))?;
        if state.flags == 0 {
            *sum.limbs = shifted_left(sign_extended(&mantissa), shift);
        }
        Ok(sum)
    }

    /// The same sum with the infinities of both signs folded into NaN, as states have it, so that sums compare.
    #[must_use]
    pub fn canonical(&self) -> Self {
        let nan = self.nan || (self.positive_infinity && self.negative_infinity);
        let special = nan || self.positive_infinity || self.negative_infinity;
        Self {
            limbs: if special { Box::new([0; LIMBS]) } else { self.limbs.clone() },
            nan,
            positive_infinity: self.positive_infinity && !nan,
            negative_infinity: self.negative_infinity && !nan,
        }
    }
}

/// A two's complement, little-endian integer in limbs. The bytes are no longer than the limbs.
fn sign_extended(bytes: &[u8]) -> [u64; LIMBS] {
    let fill = if bytes.last().is_some_and(|byte| byte >> 7 == 1) { 0xff } else { 0 };
    let mut limbs = [0; LIMBS];
    for (index, limb) in limbs.iter_mut().enumerate() {
        let mut word = [fill; 8];
        for (at, byte) in word.iter_mut().enumerate() {
            *byte = bytes.get(index * 8 + at).copied().unwrap_or(fill);
        }
        *limb = u64::from_le_bytes(word);
    }
    limbs
}

fn shifted_left(limbs: [u64; LIMBS], shift: usize) -> [u64; LIMBS] {
    let (words, bits) = (shift / 64, shift % 64);
    let mut shifted = [0; LIMBS];
    for index in words..LIMBS {
        let low = limbs[index - words] << bits;
        let carried = match (bits, (index - words).checked_sub(1)) {
            (1.., Some(below)) => limbs[below] >> (64 - bits),
            _ => 0,
        };
        shifted[index] = low | carried;
    }
    shifted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(values: &[f64]) -> SumState {
        let mut sum = ExactSum::default();
        values.iter().for_each(|value| sum.add(&Value::F64(*value)));
        sum.to_state().unwrap()
    }

    #[test]
    fn sums_of_floats_are_exact() {
        assert_eq!(sum(&[1.5, 0.25]), SumState::finite(7, -2).unwrap());
        assert_eq!(sum(&[1e308, 1.0, -1e308]), SumState::finite(1, 0).unwrap());
        assert_eq!(sum(&[5e-324, 5e-324]), SumState::finite(1, -1073).unwrap());
        assert_eq!(sum(&[-5e-324, 2f64.powi(-1022)]), SumState::finite((1 << 52) - 1, -1074).unwrap());
        assert_eq!(sum(&[-3.0]), SumState::finite(-3, 0).unwrap());
    }

    #[test]
    fn sums_of_integers_are_exact() {
        let mut sum = ExactSum::default();
        (0..3).for_each(|_| sum.add(&Value::UInt(u64::MAX)));
        (0..2).for_each(|_| sum.add(&Value::Int(i64::MIN)));
        let expected = 3 * i128::from(u64::MAX) + 2 * i128::from(i64::MIN);
        assert_eq!(sum.to_state().unwrap(), SumState::finite(expected, 0).unwrap());
    }

    #[test]
    fn what_is_not_finite_absorbs() {
        assert_eq!(sum(&[1.0, f64::INFINITY]).flags, SumState::POSITIVE_INFINITY);
        assert_eq!(sum(&[f64::NEG_INFINITY, f64::INFINITY]).flags, SumState::NAN);
        assert_eq!(sum(&[f64::NAN, f64::INFINITY]).flags, SumState::NAN);
    }

    #[test]
    fn states_read_back() {
        for values in [&[0.1, -7e300, 3e-310][..], &[-5e-324], &[f64::MAX, f64::MAX], &[f64::INFINITY], &[]] {
            let mut sum = ExactSum::default();
            values.iter().for_each(|value| sum.add(&Value::F64(*value)));
            assert_eq!(ExactSum::from_state(&sum.to_state().unwrap()).unwrap(), sum.canonical());
        }
    }
}
