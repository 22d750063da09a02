//! The frozen state of an exact sum: `docs/formats/sum-state.md`.

use std::borrow::Cow;

use crate::{Error, Result};

/// The exact sum of any number of integers or floats, in canonical form: equal sums have equal states.
///
/// Value = `mantissa · 2^exponent`, unless a flag says otherwise. The mantissa is odd, or it and the exponent are zero.
/// A mantissa outside `i128` goes to `wide` as two's complement, little endian, of minimal length, and the fixed mantissa
/// is then zero. With a flag set the finite part is zero.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SumState {
    /// [`SumState::NAN`], [`SumState::POSITIVE_INFINITY`], [`SumState::NEGATIVE_INFINITY`], or 0 for a finite sum.
    pub flags: u8,
    /// The mantissa, when it fits.
    pub mantissa: i128,
    /// The exponent of two.
    pub exponent: i16,
    /// The mantissa, when it does not fit.
    pub wide: Option<Vec<u8>>,
}

impl SumState {
    /// The sum is not a number: a NaN was added, or infinities of both signs.
    pub const NAN: u8 = 1;
    /// The sum is positive infinity.
    pub const POSITIVE_INFINITY: u8 = 2;
    /// The sum is negative infinity.
    pub const NEGATIVE_INFINITY: u8 = 4;
    /// The exponent of the smallest bit of a double.
    pub const MIN_EXPONENT: i16 = -1074;
    /// No sum of fewer than 2^64 numbers of 64 bits reaches 2 to this power.
    pub const MAX_BITS: i32 = 1088;
    /// The longest valid `wide`: from the smallest bit of a double, 2^-1074, up to 2^1088 there are 2,162 bits; and a sign.
    pub const MAX_WIDE_BYTES: usize = 271;

    /// The canonical state of an infinite or undefined sum. Both infinities or any NaN give NaN.
    pub fn special(nan: bool, positive_infinity: bool, negative_infinity: bool) -> Self {
        let flags = match (nan, positive_infinity, negative_infinity) {
            (false, true, false) => Self::POSITIVE_INFINITY,
            (false, false, true) => Self::NEGATIVE_INFINITY,
            (false, false, false) => 0,
            _ => Self::NAN,
        };
        Self { flags, ..Self::default() }
    }

    /// The canonical state of `mantissa · 2^exponent`.
    ///
    /// # Errors
    ///
    /// `Internal` if the sum is finer or larger than any sum of 64-bit numbers.
    pub fn finite(mantissa: i128, exponent: i32) -> Result<Self> {
        if mantissa == 0 {
            return Ok(Self::default());
        }
        let shift = mantissa.trailing_zeros();
        let exponent = exponent_of(exponent, shift as usize)?;
        Self { mantissa: mantissa >> shift, exponent, ..Self::default() }.in_range()
    }

    /// The canonical state of a two's complement, little-endian `mantissa` of any length times `2^exponent`.
    ///
    /// # Errors
    ///
    /// As [`SumState::finite`].
    pub fn finite_wide(mantissa: &[u8], exponent: i32) -> Result<Self> {
        let Some(first) = mantissa.iter().position(|byte| *byte != 0) else {
            return Ok(Self::default());
        };
        let shift = first * 8 + mantissa[first].trailing_zeros() as usize;
        let shifted = minimal(shift_right(&mantissa[first..], shift % 8));
        if shifted.len() <= 16 {
            return Self::finite(sign_extend(&shifted), exponent.saturating_add(shift as i32));
        }
        let exponent = exponent_of(exponent, shift)?;
        Self { flags: 0, mantissa: 0, exponent, wide: Some(shifted) }.in_range()
    }

    /// The mantissa as two's complement, little-endian bytes, whichever field holds it.
    pub fn mantissa_bytes(&self) -> Cow<'_, [u8]> {
        match &self.wide {
            Some(wide) => Cow::Borrowed(wide),
            None => Cow::Owned(self.mantissa.to_le_bytes().to_vec()),
        }
    }

    /// Whether the lowest and highest bit are where sums of 64-bit numbers can have them.
    fn has_possible_size(&self) -> bool {
        let bits = match &self.wide {
            Some(wide) => i32::try_from(wide.len()).unwrap_or(i32::MAX / 8) * 8 - leading_sign_bits(wide),
            None if self.mantissa == 0 => return true,
            None => 128 - self.mantissa.unsigned_abs().leading_zeros() as i32,
        };
        self.exponent >= Self::MIN_EXPONENT && i32::from(self.exponent) + bits <= Self::MAX_BITS
    }

    fn in_range(self) -> Result<Self> {
        if self.has_possible_size() {
            return Ok(self);
        }
        Err(Error::internal("exact sum is out of range").with("exponent", self.exponent))
    }

    /// Checks that a state from outside is canonical and possible.
    ///
    /// # Errors
    ///
    /// `Corrupt` if it is not.
    pub fn validate(&self) -> Result<()> {
        let canonical = match (&self.wide, self.flags) {
            (None, 0) => self.mantissa & 1 == 1 || (self.mantissa == 0 && self.exponent == 0),
            (None, Self::NAN | Self::POSITIVE_INFINITY | Self::NEGATIVE_INFINITY) => {
                self.mantissa == 0 && self.exponent == 0
            }
            (Some(wide), 0) => {
                self.mantissa == 0
                    && wide.len() <= Self::MAX_WIDE_BYTES
                    && wide.first().is_some_and(|byte| byte & 1 == 1)
                    && minimal(wide.clone()).len() == wide.len()
                    && wide.len() > 16
            }
            _ => false,
        };
        if canonical && self.has_possible_size() {
            Ok(())
        } else {
            Err(Error::corrupt("sum state is not canonical"))
        }
    }
}

fn exponent_of(exponent: i32, shift: usize) -> Result<i16> {
    i32::try_from(shift)
        .ok()
        .and_then(|shift| exponent.checked_add(shift))
        .and_then(|exponent| i16::try_from(exponent).ok())
        .ok_or_else(|| Error::internal("exponent of an exact sum is out of range").with("exponent", exponent))
}

/// How many of the top bits are equal to the sign: at least 1.
fn leading_sign_bits(bytes: &[u8]) -> i32 {
    let top = bytes.last().copied().unwrap_or_default();
    (if top >> 7 == 1 { top.leading_ones() } else { top.leading_zeros() }) as i32
}

/// Shifts a two's complement, little-endian number right by less than a byte.
fn shift_right(bytes: &[u8], bits: usize) -> Vec<u8> {
    let sign = bytes.last().map_or(0, |byte| if byte >> 7 == 1 { 0xff } else { 0 });
    let next = bytes.iter().skip(1).copied().chain([sign]);
    bytes.iter().zip(next).map(|(low, high)| (u16::from_le_bytes([*low, high]) >> bits) as u8).collect()
}

/// Drops the bytes above the sign bit that only repeat it.
fn minimal(mut bytes: Vec<u8>) -> Vec<u8> {
    while let [.., below, last] = bytes[..] {
        let redundant = (last == 0 && below >> 7 == 0) || (last == 0xff && below >> 7 == 1);
        if !redundant {
            break;
        }
        bytes.pop();
    }
    bytes
}

fn sign_extend(bytes: &[u8]) -> i128 {
    let fill = bytes.last().map_or(0, |byte| if byte >> 7 == 1 { 0xff } else { 0 });
    let mut wide = [fill; 16];
    for (to, from) in wide.iter_mut().zip(bytes) {
        *to = *from;
    }
    i128::from_le_bytes(wide)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sums_have_equal_states() {
        assert_eq!(SumState::finite(12, 3).unwrap(), SumState::finite(3, 5).unwrap());
        assert_eq!(SumState::finite(0, 900).unwrap(), SumState::default());
        let wide = SumState::finite_wide(&12i128.to_le_bytes(), 3).unwrap();
        assert_eq!(wide, SumState::finite(3, 5).unwrap());
        let negative = SumState::finite_wide(&(-12i64).to_le_bytes(), 0).unwrap();
        assert_eq!(negative, SumState::finite(-3, 2).unwrap());
    }

    #[test]
    fn a_mantissa_beyond_i128_is_wide_minimal_and_odd() {
        let mut bytes = vec![0u8; 40];
        bytes[1] = 0b110;
        bytes[30] = 0x80;
        let state = SumState::finite_wide(&bytes, -1000).unwrap();
        assert_eq!((state.mantissa, state.exponent), (0, -1000 + 9));
        // Bit 247 moves to bit 238: 30 bytes hold it below a zero sign bit.
        assert_eq!(state.wide.as_ref().unwrap().len(), 30);
        state.validate().unwrap();
    }

    #[test]
    fn the_longest_mantissa_has_271_bytes() {
        // Just below 2^1088, in units of 2^-1074; and one bit more.
        let longest = [vec![0xff; 270], vec![0x03]].concat();
        for mantissa in [longest.clone(), [vec![0x01], vec![0; 269], vec![0xfc]].concat()] {
            let state = SumState::finite_wide(&mantissa, -1074).unwrap();
            assert_eq!(state.wide.as_ref().map(Vec::len), Some(SumState::MAX_WIDE_BYTES));
            state.validate().unwrap();
        }
        assert!(SumState::finite_wide(&[&longest[..270], &[0x07]].concat(), -1074).is_err());
    }

    #[test]
    fn extremes_of_i128_fit() {
        for mantissa in [i128::MAX, i128::MIN + 1, i128::MIN] {
            let state = SumState::finite(mantissa, 0).unwrap();
            assert_eq!(SumState::finite_wide(&mantissa.to_le_bytes(), 0).unwrap(), state);
            state.validate().unwrap();
        }
    }

    #[test]
    fn specials_absorb() {
        assert_eq!(SumState::special(false, true, true).flags, SumState::NAN);
        assert_eq!(SumState::special(true, true, false).flags, SumState::NAN);
        assert_eq!(SumState::special(false, false, true).flags, SumState::NEGATIVE_INFINITY);
    }

    #[test]
    fn states_that_are_not_canonical_are_corrupt() {
        let bad = [
            SumState { mantissa: 2, ..SumState::default() },
            SumState { exponent: 1, ..SumState::default() },
            SumState { flags: 3, ..SumState::default() },
            SumState { wide: Some(vec![1]), ..SumState::default() },
            SumState { wide: Some(vec![2; 20]), ..SumState::default() },
            SumState { mantissa: 1, exponent: 30_000, ..SumState::default() },
            SumState { mantissa: 1, exponent: -1075, ..SumState::default() },
        ];
        assert!(bad.iter().all(|state| state.validate().is_err()));
    }
}
