//! Common factors: nanoseconds that are whole seconds, prices in quarters.

use super::layout::Scale;

/// How many differences are looked at before all are.
const SAMPLES: usize = 32;

/// The numbers whose multiples the values are, apart from an offset; `None` where there is no common factor.
pub(super) fn divide(values: &[i64]) -> Option<(Scale, Vec<i64>)> {
    let offset = *values.first()?;
    let difference = |value: &i64| value.wrapping_sub(offset);
    let sample = values.iter().step_by((values.len() / SAMPLES).max(1));
    let mut factor = sample.fold(0, |all, value| gcd(all, difference(value).unsigned_abs()));
    let mut numbers = Vec::new();
    while factor > 1 && factor <= i64::MAX as u64 {
        match divide_exactly(values, offset, factor, &mut numbers) {
            None => return Some((Scale { factor: factor as i64, offset }, numbers)),
            Some(other) => factor = gcd(factor, difference(&other).unsigned_abs()),
        }
    }
    None
}

/// Divides all differences, or returns the first value whose difference is no multiple.
///
/// An odd factor is divided by through multiplication with its inverse modulo 2^64: what comes out times the factor is the
/// difference in any case, and it is the quotient if that product does not overflow.
fn divide_exactly(values: &[i64], offset: i64, factor: u64, numbers: &mut Vec<i64>) -> Option<i64> {
    let twos = factor.trailing_zeros();
    let inverse = inverse_of_odd(factor >> twos) as i64;
    let (limit, low_bits) = (i64::MAX as u64 / factor, (1i64 << twos) - 1);
    numbers.clear();
    let mut sound = true;
    numbers.extend(values.iter().map(|value| {
        let difference = value.wrapping_sub(offset);
        let number = (difference >> twos).wrapping_mul(inverse);
        sound &= difference & low_bits == 0 && number.unsigned_abs() <= limit;
        number
    }));
    if sound {
        return None;
    }
    values.iter().find(|value| value.wrapping_sub(offset).unsigned_abs() % factor != 0).copied()
}

/// The inverse modulo 2^64, by Newton's iteration: every step doubles the bits that are right, of which an odd number is
/// its own inverse in three.
fn inverse_of_odd(odd: u64) -> u64 {
    (0..5).fold(odd, |inverse, _| inverse.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(inverse))))
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_common_factor_is_found_and_gives_the_values_back(
            numbers in prop::collection::vec(-1_000_000i64..1_000_000, 3..200), factor in 2i64..2_000_000_000, offset: i64
        ) {
            let values: Vec<i64> = numbers.iter().map(|n| n.wrapping_mul(factor).wrapping_add(offset)).collect();
            let distinct = values.iter().any(|value| *value != values[0]);
            let divided = divide(&values);
            prop_assert_eq!(divided.is_some(), distinct);
            if let Some((scale, numbers)) = divided {
                prop_assert_eq!(scale.factor % factor, 0);
                let back: Vec<i64> =
                    numbers.iter().map(|n| n.wrapping_mul(scale.factor).wrapping_add(scale.offset)).collect();
                prop_assert_eq!(back, values);
            }
        }

        #[test]
        fn any_values_come_back_if_they_are_divided(values in prop::collection::vec(any::<i64>(), 0..100), twos in 0u32..63) {
            let values: Vec<i64> = values.into_iter().map(|value| value >> twos << twos).collect();
            if let Some((scale, numbers)) = divide(&values) {
                let back: Vec<i64> =
                    numbers.iter().map(|n| n.wrapping_mul(scale.factor).wrapping_add(scale.offset)).collect();
                prop_assert_eq!(back, values);
            }
        }
    }

    #[test]
    fn one_value_that_is_no_multiple_lowers_the_factor() {
        let mut values: Vec<i64> = (0..1000).map(|i| i * 1000).collect();
        values[501] += 250;
        assert_eq!(divide(&values).map(|(scale, _)| scale.factor), Some(250));
        values[501] += 1;
        assert!(divide(&values).is_none());
    }
}
