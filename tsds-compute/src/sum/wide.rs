//! The accumulator for sums of any spread.

use tsds_traits::SumState;

/// A fixed-point number that covers every double and the sums of 2^64 of them.
///
/// Digit `i` weighs `2^(32·i - 1074)` and is a signed 64-bit integer, so that many additions need no carry: after R. M.
/// Neal, "Fast exact summation using small and large superaccumulators" (arXiv 1505.05571).
#[derive(Clone, Debug)]
pub(super) struct Wide {
    digits: [i64; DIGITS],
    /// Additions since the carries were last taken.
    additions: u32,
}

/// Enough for the 2,162 bits of a sum, five digits of slack for terms of 128 bits, and the sign.
const DIGITS: usize = 74;

/// A digit below 2^32 and this many terms below 2^53 stay below 2^63.
const MAX_ADDITIONS: u32 = 512;

impl Default for Wide {
    fn default() -> Self {
        Self { digits: [0; DIGITS], additions: 0 }
    }
}

impl Wide {
    /// Adds the mantissa of a double times `2^exponent`, from -1074 to 971.
    #[inline]
    pub(super) fn add_double(&mut self, mantissa: i64, exponent: i32) {
        self.count_addition();
        let (digit, offset) = position(exponent);
        // The low digit is not negative: the arithmetic shift floors.
        let high = mantissa >> (32 - offset);
        let low = (mantissa << offset) & 0xffff_ffff;
        if let Some([first, second]) = self.digits.get_mut(digit..digit + 2) {
            *first = first.wrapping_add(low);
            *second = second.wrapping_add(high);
        }
    }

    /// Adds `mantissa · 2^exponent`, from -1074 to 1088.
    pub(super) fn add(&mut self, mantissa: i128, exponent: i32) {
        if mantissa == 0 {
            return;
        }
        let bytes = mantissa.to_le_bytes();
        self.add_bytes(&bytes, exponent);
    }

    /// Adds a little-endian, two's complement mantissa times `2^exponent`.
    pub(super) fn add_bytes(&mut self, bytes: &[u8], exponent: i32) {
        self.count_addition();
        let (first, offset) = position(exponent);
        let fill = if bytes.last().is_some_and(|top| top >> 7 == 1) { 0xff } else { 0 };
        let digits = bytes.len().div_ceil(4);
        for (index, piece) in bytes.chunks(4).enumerate() {
            let mut padded = [fill; 4];
            padded[..piece.len()].copy_from_slice(piece);
            let digit = u32::from_le_bytes(padded);
            // The top digit alone carries the sign.
            let digit = if index + 1 == digits { i64::from(digit as i32) } else { i64::from(digit) };
            let shifted = i128::from(digit) << offset;
            self.digits[first + index] += (shifted & 0xffff_ffff) as i64;
            self.digits[first + index + 1] += (shifted >> 32) as i64;
        }
    }

    #[inline]
    fn count_addition(&mut self) {
        self.additions += 1;
        if self.additions > MAX_ADDITIONS {
            self.carry();
        }
    }

    /// Brings every digit but the last into `0..2^32`.
    fn carry(&mut self) {
        let mut carry = 0;
        let (last, lower) = match self.digits.as_mut_slice() {
            [lower @ .., last] => (last, lower),
            [] => return,
        };
        for digit in lower {
            let value = *digit + carry;
            *digit = value & 0xffff_ffff;
            carry = value >> 32;
        }
        *last += carry;
        self.additions = 1;
    }

    /// The number as a little-endian, two's complement count of `2^-1074`.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut carried = self.clone();
        carried.carry();
        let mut bytes = Vec::with_capacity(DIGITS * 4 + 4);
        let (last, lower) = match carried.digits.as_slice() {
            [lower @ .., last] => (*last, lower),
            [] => (0, &[][..]),
        };
        lower.iter().for_each(|digit| bytes.extend_from_slice(&(*digit as u32).to_le_bytes()));
        bytes.extend_from_slice(&last.to_le_bytes());
        bytes
    }
}

/// The digit and the bit inside it where an exponent falls.
#[inline]
fn position(exponent: i32) -> (usize, u32) {
    let bit = (exponent - i32::from(SumState::MIN_EXPONENT)) as u32;
    ((bit / 32) as usize, bit % 32)
}
