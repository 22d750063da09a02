//! From exact sums to numbers, with one rounding.

use tsds_traits::{Error, Result, SumState};

/// The double nearest to the sum, ties to even. A NaN and infinities of both signs give the canonical NaN; zero is `+0.0`;
/// what is beyond the largest double by half a unit or more is infinite, as IEEE rounds.
pub fn to_f64(state: &SumState) -> f64 {
    special(state).unwrap_or_else(|| {
        let (negative, limbs) = magnitude(state);
        round(negative, &limbs, i32::from(state.exponent), false)
    })
}

/// The double nearest to the quotient of the sum and `count`, ties to even; `None` if `count` is zero. Zero is `+0.0`.
pub fn average(state: &SumState, count: u64) -> Option<f64> {
    average_at_scale(state, count, 0)
}

/// The double nearest to the quotient of the sum and `count` times 10 to the power of `scale`, as [`average`]: the average of
/// decimals whose sum was taken in units of their scale. `scale` is at most 38.
pub fn average_at_scale(state: &SumState, count: u64, scale: u32) -> Option<f64> {
    if count == 0 {
        return None;
    }
    Some(special(state).unwrap_or_else(|| {
        let (negative, limbs) = magnitude(state);
        // Dividing by one factor after the other truncates as dividing by all at once does; what is left over anywhere says that
        // the quotient is not exact. 64 more bits for each factor, and 64 besides, leave at least 65 in the quotient: enough to
        // round.
        let mut factors = vec![count];
        let mut left = scale;
        while left > 0 {
            let digits = left.min(MAX_DIGITS);
            factors.push(10u64.pow(digits));
            left -= digits;
        }
        let more = factors.len() + 1;
        let mut dividend = vec![0; more];
        dividend.extend(limbs);
        let mut inexact = false;
        for factor in factors {
            inexact |= divide(&mut dividend, factor) != 0;
        }
        round(negative, &dividend, i32::from(state.exponent) - 64 * more as i32, inexact)
    }))
}

/// The most digits of which a power of ten fits 64 bits.
const MAX_DIGITS: u32 = 19;

/// The sum of decimals, in units of their scale.
///
/// # Errors
///
/// `InvalidInput` if it has more than 38 digits; `Internal` if it is no whole number of units.
pub fn to_decimal(state: &SumState) -> Result<i128> {
    const END: u128 = 10u128.pow(38);
    let sum = whole(state)?.filter(|sum| sum.unsigned_abs() < END);
    sum.ok_or_else(|| Error::invalid_input("sum of decimals has more than 38 digits; sum fewer rows"))
}

/// The sum of integers as an `i64`.
///
/// # Errors
///
/// `InvalidInput` if it does not fit; `Internal` if it is no integer.
pub fn to_i64(state: &SumState) -> Result<i64> {
    i64::try_from(integer(state)?).map_err(|_| too_large())
}

/// The sum of integers as a `u64`.
///
/// # Errors
///
/// `InvalidInput` if it does not fit; `Internal` if it is no integer.
pub fn to_u64(state: &SumState) -> Result<u64> {
    u64::try_from(integer(state)?).map_err(|_| too_large())
}

fn integer(state: &SumState) -> Result<i128> {
    whole(state)?.ok_or_else(too_large)
}

/// The sum as a whole number; `None` if it does not fit.
fn whole(state: &SumState) -> Result<Option<i128>> {
    if state.flags != 0 || state.exponent < 0 {
        return Err(Error::internal("sum of integers is no integer").with("exponent", state.exponent));
    }
    if state.wide.is_some() || u32::from(state.exponent.unsigned_abs()) >= super::sign_bits(state.mantissa) {
        return Ok(None);
    }
    Ok(Some(state.mantissa << state.exponent))
}

fn too_large() -> Error {
    Error::invalid_input(
        "sum of integers does not fit into 64 bits; sum fewer rows, or store the column as float",
    )
}

fn special(state: &SumState) -> Option<f64> {
    match state.flags {
        0 => None,
        SumState::POSITIVE_INFINITY => Some(f64::INFINITY),
        SumState::NEGATIVE_INFINITY => Some(f64::NEG_INFINITY),
        _ => Some(f64::from_bits(0x7ff8 << 48)),
    }
}

/// Sign and little-endian limbs of the magnitude of the mantissa.
fn magnitude(state: &SumState) -> (bool, Vec<u64>) {
    let Some(wide) = &state.wide else {
        let magnitude = state.mantissa.unsigned_abs();
        return (state.mantissa < 0, vec![magnitude as u64, (magnitude >> 64) as u64]);
    };
    let negative = wide.last().is_some_and(|top| top >> 7 == 1);
    let fill = if negative { 0xff } else { 0 };
    let mut limbs: Vec<u64> = wide
        .chunks(8)
        .map(|piece| {
            let mut bytes = [fill; 8];
            bytes[..piece.len()].copy_from_slice(piece);
            u64::from_le_bytes(bytes)
        })
        .collect();
    if negative {
        let mut carry = true;
        for limb in &mut limbs {
            (*limb, carry) = (!*limb).overflowing_add(u64::from(carry));
        }
    }
    (negative, limbs)
}

/// Divides in place and returns the remainder.
fn divide(limbs: &mut [u64], divisor: u64) -> u64 {
    let mut remainder = 0u64;
    for limb in limbs.iter_mut().rev() {
        let dividend = u128::from(remainder) << 64 | u128::from(*limb);
        *limb = (dividend / u128::from(divisor)) as u64;
        remainder = (dividend % u128::from(divisor)) as u64;
    }
    remainder
}

/// The double nearest to `±limbs · 2^exponent`, or to a number a little larger in magnitude if `more`; ties to even.
fn round(negative: bool, limbs: &[u64], exponent: i32, more: bool) -> f64 {
    let Some(top) = limbs.iter().rposition(|limb| *limb != 0) else { return 0.0 };
    let bits = (top as i32 + 1) * 64 - limbs[top].leading_zeros() as i32;
    let highest = exponent + bits - 1;
    if highest > 1023 {
        return if negative { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    // The lowest bit that a double of this size has.
    let lowest = (highest - 52).max(i32::from(SumState::MIN_EXPONENT));
    let dropped = lowest - exponent;
    let kept = if dropped <= 0 { bits_at(limbs, 0) << -dropped } else { bits_at(limbs, dropped) };
    let half = dropped > 0 && bit(limbs, dropped - 1);
    let below_half = more || (dropped > 1 && any_below(limbs, dropped - 1));
    let rounded = kept + u64::from(half && (below_half || kept & 1 == 1));
    // The hidden bit of a normal number adds one to the exponent field, as does a carry out of the mantissa.
    let field = u64::try_from(lowest - i32::from(SumState::MIN_EXPONENT)).unwrap_or_default();
    let magnitude = f64::from_bits((field << 52) + rounded);
    if negative && rounded != 0 { -magnitude } else { magnitude }
}

/// The 64 bits from bit `from` upwards.
fn bits_at(limbs: &[u64], from: i32) -> u64 {
    let (limb, offset) = (from as usize / 64, from as u32 % 64);
    let at = |index: usize| u128::from(limbs.get(index).copied().unwrap_or_default());
    ((at(limb + 1) << 64 | at(limb)) >> offset) as u64
}

fn bit(limbs: &[u64], index: i32) -> bool {
    bits_at(limbs, index) & 1 == 1
}

/// Whether a bit below bit `end` is set.
fn any_below(limbs: &[u64], end: i32) -> bool {
    let (limb, offset) = (end as usize / 64, end as u32 % 64);
    limbs.iter().take(limb).any(|limb| *limb != 0)
        || limbs.get(limb).is_some_and(|limb| limb & ((1 << offset) - 1) != 0)
}
