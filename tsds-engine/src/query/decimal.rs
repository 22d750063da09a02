//! Literals on columns of decimals, and decimals on columns of other numbers: exact, or between two neighbours.

use std::cmp::Ordering;

use arrow_buffer::i256;
use tsds_traits::{Error, Result};

use super::expr::Literal;

/// The most digits that a decimal has.
const MAX_DIGITS: u32 = 38;

/// What lies around a number, counted in units of a scale: the largest count that is not above it and the smallest that is not
/// below. A number beyond what counts can say is at their end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Units {
    pub(super) floor: i128,
    pub(super) ceiling: i128,
}

impl Units {
    fn exactly(value: i128) -> Self {
        Self { floor: value, ceiling: value }
    }

    /// A number of this sign beyond every count. What it is compared with has at most 38 digits, and is further from the end.
    fn beyond(negative: bool) -> Self {
        Self::exactly(if negative { i128::MIN } else { i128::MAX })
    }
}

/// What a literal is in units of `scale`; `None` for a literal that is no number, and for NaN.
///
/// # Errors
///
/// `InvalidInput` for text that is no number.
pub(super) fn units(literal: &Literal, scale: u32) -> Result<Option<Units>> {
    Ok(match literal {
        Literal::Int(value) => Some(scaled(*value, 0, scale)),
        Literal::Decimal(value, own) => Some(scaled(*value, u32::from(*own), scale)),
        Literal::Float(value) => of_float(*value, scale),
        Literal::Text(text) => match Literal::decimal(text) {
            Some(Literal::Decimal(value, own)) => Some(scaled(value, u32::from(own), scale)),
            _ => {
                return Err(Error::invalid_input(
                    "not a decimal; write it like -12.34, with at most 38 digits",
                )
                .with("text", text));
            }
        },
        _ => None,
    })
}

/// `value / 10^own` in units of `scale`.
fn scaled(value: i128, own: u32, scale: u32) -> Units {
    match own.cmp(&scale) {
        Ordering::Equal => Units::exactly(value),
        Ordering::Less => {
            let factor = 10i128.checked_pow(scale - own);
            match factor.and_then(|factor| value.checked_mul(factor)) {
                Some(units) => Units::exactly(units),
                None => Units::beyond(value < 0),
            }
        }
        Ordering::Greater => match 10i128.checked_pow(own - scale) {
            Some(divisor) => {
                let floor = value.div_euclid(divisor);
                Units { floor, ceiling: floor + i128::from(value.rem_euclid(divisor) != 0) }
            }
            None => Units { floor: -i128::from(value < 0), ceiling: i128::from(value > 0) },
        },
    }
}

/// The exact value of a double in units of `scale`.
fn of_float(value: f64, scale: u32) -> Option<Units> {
    if value.is_nan() {
        return None;
    }
    // At most 39 digits are more than any decimal has: what is larger is beyond all of them, and 2^127 is.
    if value.abs() >= 2f64.powi(127) {
        return Some(Units::beyond(value < 0.0));
    }
    let bits = value.to_bits();
    let (biased, fraction) = ((bits >> 52 & 0x7ff) as i32, bits & ((1 << 52) - 1));
    let magnitude = fraction | u64::from(biased != 0) << 52;
    let mantissa = i128::from(magnitude) * if value < 0.0 { -1 } else { 1 };
    let exponent = biased.max(1) - 1_075;
    // 53 bits times 10^38 take 180 bits.
    let power = i256::from_i128(10i128.checked_pow(scale.min(MAX_DIGITS))?);
    let product = i256::from_i128(mantissa).checked_mul(power)?;
    let fits = |units: i256| units.to_i128();
    if exponent >= 0 {
        // Below 2^127: at most 2^74 more, which 256 bits may not hold.
        let factor = i256::from_i128(1i128.checked_shl(exponent.unsigned_abs())?);
        let units = product.checked_mul(factor).and_then(fits);
        return Some(units.map_or(Units::beyond(mantissa < 0), Units::exactly));
    }
    let shift = exponent.unsigned_abs();
    if shift >= 255 {
        // Less than one unit, however large the scale.
        return Some(Units { floor: -i128::from(mantissa < 0), ceiling: i128::from(mantissa > 0) });
    }
    // An arithmetic shift rounds down.
    let floor = product >> shift as u8;
    let exact = floor << shift as u8 == product;
    Some(match fits(floor) {
        Some(floor) => Units { floor, ceiling: floor.saturating_add(i128::from(!exact)) },
        None => Units::beyond(mantissa < 0),
    })
}

/// The double nearest to a decimal, as its text is read.
pub(super) fn to_f64(value: i128, scale: u8) -> f64 {
    // Rust reads decimals correctly rounded.
    format!("{value}e-{scale}").parse().unwrap_or(f64::NAN)
}

/// Reads a decimal: digits with at most one point among or around them, and a sign.
pub(super) fn parse(text: &str) -> Option<(i128, u8)> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = [whole, fraction].concat();
    if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let magnitude: i128 = all.parse().ok()?;
    let scale = u8::try_from(fraction.len()).ok().filter(|scale| u32::from(*scale) <= MAX_DIGITS)?;
    Some((if negative { -magnitude } else { magnitude }, scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(literal: impl Into<Literal>, scale: u32) -> (i128, i128) {
        let units = units(&literal.into(), scale).unwrap().unwrap();
        (units.floor, units.ceiling)
    }

    #[test]
    fn literals_of_another_scale_are_exact_or_between_neighbours() {
        assert_eq!(of("12.34", 2), (1_234, 1_234));
        assert_eq!(of("12.345", 2), (1_234, 1_235));
        assert_eq!(of("-12.345", 2), (-1_235, -1_234));
        assert_eq!(of("12.3400", 2), (1_234, 1_234));
        assert_eq!(of(12, 2), (1_200, 1_200));
        assert_eq!(of("0.00000000000000000000000000000000000001", 0), (0, 1));
        assert_eq!(of(i64::MAX, 38), (i128::MAX, i128::MAX), "beyond all decimals");
        assert_eq!(of(i64::MIN, 38), (i128::MIN, i128::MIN));
        for text in ["", ".", "1.2.3", "1e5", "a", "1_000", "--1", "１"] {
            assert!(units(&text.into(), 2).unwrap_err().to_string().contains("-12.34"), "{text}");
        }
        assert_eq!(units(&true.into(), 2).unwrap(), None);
    }

    #[test]
    fn doubles_count_with_all_their_digits() {
        assert_eq!(of(0.5, 2), (50, 50));
        assert_eq!(of(0.1, 2), (10, 11), "the double 0.1 is a little more than that");
        assert_eq!(of(-0.1, 2), (-11, -10));
        assert_eq!(of(1e20, 2), (10i128.pow(22), 10i128.pow(22)));
        assert_eq!(of(5e-324, 38), (0, 1));
        assert_eq!(of(-5e-324, 38), (-1, 0));
        assert_eq!(of(-0.0, 5), (0, 0));
        assert_eq!(of(1e300, 0), (i128::MAX, i128::MAX));
        assert_eq!(of(f64::NEG_INFINITY, 0), (i128::MIN, i128::MIN));
        assert_eq!(of(1e30, 38), (i128::MAX, i128::MAX));
        assert_eq!(units(&f64::NAN.into(), 2).unwrap(), None);
    }

    #[test]
    fn decimals_are_read_as_doubles_are() {
        assert_eq!(to_f64(1, 1).to_bits(), 0.1f64.to_bits());
        assert_eq!(to_f64(-123_456, 3), -123.456);
        assert_eq!(parse("+.5"), Some((5, 1)));
        assert_eq!(parse("7."), Some((7, 0)));
    }
}
