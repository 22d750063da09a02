use proptest::prelude::*;
use tsds_traits::{ErrorKind, SumState};

use super::*;

/// A naive exact sum: a sign-and-magnitude count of 2^-1074 in decimal-free schoolbook arithmetic, one bit per element.
#[derive(Clone, Default)]
struct Naive {
    positive: Vec<u32>,
    negative: Vec<u32>,
    special: (bool, bool, bool),
}

impl Naive {
    fn add(&mut self, value: f64) {
        if !value.is_finite() {
            self.special.0 |= value.is_nan();
            self.special.1 |= value == f64::INFINITY;
            self.special.2 |= value == f64::NEG_INFINITY;
            return;
        }
        let side = if value.is_sign_negative() { &mut self.negative } else { &mut self.positive };
        side.resize(2_400, 0);
        let (bits, biased) = (value.to_bits(), (value.to_bits() >> 52 & 0x7ff) as usize);
        let mantissa = bits & ((1 << 52) - 1) | if biased > 0 { 1 << 52 } else { 0 };
        for bit in (0..53).filter(|bit| mantissa >> bit & 1 == 1) {
            side[biased.saturating_sub(1) + bit] += 1;
        }
    }

    /// Binary digits of the difference, lowest first, and its sign.
    fn digits(&self) -> (bool, Vec<bool>) {
        let difference = |a: &[u32], b: &[u32]| {
            let (mut digits, mut carry) = (Vec::new(), 0i64);
            for index in 0..2_400 {
                let at = |side: &[u32]| i64::from(side.get(index).copied().unwrap_or_default());
                carry += at(a) - at(b);
                digits.push(carry & 1 == 1);
                carry >>= 1;
            }
            (carry, digits)
        };
        match difference(&self.positive, &self.negative) {
            (0, digits) => (false, digits),
            _ => (true, difference(&self.negative, &self.positive).1),
        }
    }

    /// Rounds by looking at decimal-free digits one by one.
    fn to_f64(&self) -> f64 {
        match self.special {
            (false, false, false) => {}
            (false, true, false) => return f64::INFINITY,
            (false, false, true) => return f64::NEG_INFINITY,
            _ => return f64::from_bits(0x7ff8 << 48),
        }
        let (negative, digits) = self.digits();
        let Some(top) = digits.iter().rposition(|digit| *digit) else { return 0.0 };
        let lowest = top.saturating_sub(52);
        let mut kept = (lowest..=top).rev().fold(0u64, |kept, index| kept * 2 + u64::from(digits[index]));
        if lowest > 0 && digits[lowest - 1] && (kept % 2 == 1 || digits[..lowest - 1].contains(&true)) {
            kept += 1;
        }
        // Multiplication by a power of two is exact here, and overflows to infinity as rounding must.
        let mut magnitude = kept as f64 * f64::from_bits(1);
        for _ in 0..lowest {
            magnitude *= 2.0;
        }
        if negative { -magnitude } else { magnitude }
    }
}

fn naive(values: &[f64]) -> Naive {
    values.iter().fold(Naive::default(), |mut sum, value| {
        sum.add(*value);
        sum
    })
}

fn exact(values: &[f64]) -> ExactSum {
    let mut sum = ExactSum::new();
    sum.add_f64s(values);
    sum
}

fn any_bits() -> impl Strategy<Value = f64> {
    any::<u64>().prop_map(f64::from_bits)
}

fn finite() -> impl Strategy<Value = f64> {
    any_bits().prop_filter("finite", |value| value.is_finite())
}

/// Values as sensors give them, values of every size, and the awkward ones.
fn values() -> impl Strategy<Value = Vec<f64>> {
    let sensor = (-1_000_000i32..1_000_000).prop_map(|n| f64::from(n) / 100.0);
    let spread = (-60i32..60, -1.0f64..1.0).prop_map(|(exponent, value)| value * 2f64.powi(exponent));
    let awkward = prop::sample::select(vec![
        0.0,
        -0.0,
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        5e-324,
        -5e-324,
        1.0,
        -1.0,
        1e300,
        -1e300,
        f64::EPSILON,
        4_503_599_627_370_497.5,
    ]);
    prop_oneof![
        prop::collection::vec(sensor, 0..60),
        prop::collection::vec(spread, 0..60),
        prop::collection::vec(finite(), 0..100),
        prop::collection::vec(awkward.clone(), 0..40),
        prop::collection::vec(prop_oneof![finite(), awkward], 0..40),
    ]
}

proptest! {
    #[test]
    fn sums_are_correctly_rounded(values in values()) {
        let state = exact(&values).state().unwrap();
        prop_assert_eq!(to_f64(&state).to_bits(), naive(&values).to_f64().to_bits());
    }

    #[test]
    fn specials_decide_the_sum(values in prop::collection::vec(any_bits(), 0..20),
                               special in prop::sample::subsequence(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY], 0..3)) {
        let values: Vec<f64> = special.into_iter().chain(values).collect();
        let state = exact(&values).state().unwrap();
        prop_assert_eq!(to_f64(&state).to_bits(), naive(&values).to_f64().to_bits());
    }

    #[test]
    fn order_and_borders_leave_no_trace(values in values(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4)) {
        let whole = exact(&values).state().unwrap();
        whole.validate().unwrap();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(values.len() + 1)).chain([0, values.len()]).collect();
        cuts.sort_unstable();
        let mut merged = ExactSum::new();
        for pair in cuts.windows(2).rev() {
            merged.merge(&exact(&values[pair[0]..pair[1]]).state().unwrap()).unwrap();
        }
        prop_assert_eq!(&merged.state().unwrap(), &whole);
        // Values after a merged state, one by one and backwards.
        let mut mixed = ExactSum::new();
        let middle = cuts[cuts.len() / 2];
        mixed.merge(&exact(&values[middle..]).state().unwrap()).unwrap();
        values[..middle].iter().rev().for_each(|value| mixed.add_f64(*value));
        prop_assert_eq!(&mixed.state().unwrap(), &whole);
    }

    #[test]
    fn what_is_added_and_taken_away_is_zero(values in values()) {
        let mut sum = exact(&values);
        values.iter().for_each(|value| sum.add_f64(-*value));
        prop_assert_eq!(sum.state().unwrap(), SumState::default());
    }

    #[test]
    fn averages_are_correctly_rounded_quotients(values in values(), count in prop_oneof![1u64..100, any::<u64>().prop_map(|n| n.max(1))]) {
        // The nearest double has no neighbour that is nearer: |sum - a·count| is smallest. Compared exactly.
        let sum = exact(&values);
        let state = sum.state().unwrap();
        let quotient = average(&state, count).unwrap();
        let error = |candidate: f64| {
            // candidate · count, exactly, as pieces of 32 bits of the count.
            let mut error = sum.clone();
            let mut add = |times: u64, weight: i32| {
                (0..32).filter(|bit| times >> bit & 1 == 1).for_each(|bit| {
                    let state = exact(&[candidate]).state().unwrap();
                    error.add_scaled(-state.mantissa, i32::from(state.exponent) + weight + bit);
                });
            };
            add(count & 0xffff_ffff, 0);
            add(count >> 32, 32);
            let mut state = error.state().unwrap();
            if state.mantissa < 0 || state.wide.as_ref().is_some_and(|wide| wide.last().unwrap() >> 7 == 1) {
                let mut negated = ExactSum::new();
                match &state.wide {
                    None => negated.add_scaled(-state.mantissa, i32::from(state.exponent)),
                    Some(wide) => {
                        let inverted: Vec<u8> = wide.iter().map(|byte| !byte).chain([0]).collect();
                        negated.wide().add_bytes(&inverted, i32::from(state.exponent));
                        negated.wide().add(1, i32::from(state.exponent));
                    }
                }
                state = negated.state().unwrap();
            }
            state
        };
        if count == 1 {
            prop_assert_eq!(quotient.to_bits(), naive(&values).to_f64().to_bits());
        }
        if quotient.is_infinite() {
            // Half a unit beyond the largest double, times the count, and not less.
            let bound = error(f64::MAX * quotient.signum());
            let mut halves = ExactSum::new();
            (0..64).filter(|bit| count >> bit & 1 == 1).for_each(|bit| halves.add_scaled(1, 970 + bit));
            let mut beyond = ExactSum::new();
            beyond.merge(&bound).unwrap();
            prop_assert!(!exact_less(&beyond, &halves.state().unwrap()));
            return Ok(());
        }
        let own = error(quotient);
        for neighbour in [quotient.next_up(), quotient.next_down()] {
            if !neighbour.is_finite() { continue; }
            // Compare by subtracting exactly.
            let mut difference = ExactSum::new();
            difference.merge(&error(neighbour)).unwrap();
            let nearer = exact_less(&difference, &own);
            prop_assert!(!nearer, "{quotient:e} of {count}: {neighbour:e} is nearer");
        }
    }

    #[test]
    fn integers_sum_exactly(signed in prop::collection::vec(any::<i64>(), 0..40), unsigned in prop::collection::vec(any::<u64>(), 0..40)) {
        let mut sum = ExactSum::new();
        sum.add_signed(&signed);
        let expected: i128 = signed.iter().map(|value| i128::from(*value)).sum();
        prop_assert_eq!(to_i64(&sum.state().unwrap()).ok(), i64::try_from(expected).ok());
        let mut sum = ExactSum::new();
        sum.add_unsigned(&unsigned);
        let expected: u128 = unsigned.iter().map(|value| u128::from(*value)).sum();
        prop_assert_eq!(to_u64(&sum.state().unwrap()).ok(), u64::try_from(expected).ok());
    }

    #[test]
    fn floats_sum_like_the_doubles_that_they_are(bits in prop::collection::vec(any::<u32>(), 0..40)) {
        let floats: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
        let doubles: Vec<f64> = floats.iter().map(|value| f64::from(*value)).collect();
        let mut sum = ExactSum::new();
        sum.add_f32s(&floats);
        prop_assert_eq!(sum.state().unwrap(), exact(&doubles).state().unwrap());
    }
}

/// Whether a sum is less than a state.
fn exact_less(sum: &ExactSum, than: &SumState) -> bool {
    let mut difference = ExactSum::new();
    difference.merge(than).unwrap();
    let (a, b) = (sum.state().unwrap(), difference.state().unwrap());
    let magnitude = |state: &SumState| {
        let mut wide = Wide::default();
        wide.add_bytes(&state.mantissa_bytes(), i32::from(state.exponent));
        let mut bytes = wide.to_bytes();
        bytes.reverse();
        bytes
    };
    magnitude(&a) < magnitude(&b)
}

#[test]
fn long_sums_carry_and_spill() {
    // The largest terms of a window, for as long as it takes to fill it.
    let values = vec![f64::MAX; 5_000];
    let mut expected = Naive::default();
    values.iter().for_each(|value| expected.add(*value));
    let sum = exact(&values);
    assert_eq!(to_f64(&sum.state().unwrap()), f64::INFINITY);
    assert_eq!(average(&sum.state().unwrap(), 5_000), Some(f64::MAX));
    let ones: Vec<f64> = (0..200_000).map(|n| if n % 2 == 0 { 1e-300 } else { 1e300 }).collect();
    let mut sum = exact(&ones);
    ones.iter().for_each(|value| sum.add_f64(-value));
    assert_eq!(sum.state().unwrap(), SumState::default());
}

#[test]
fn a_full_window_is_emptied_before_it_overflows() {
    // The first value puts the others at the window's upper end, where it has room for about 2,000.
    let mut values = vec![1.0];
    values.resize(100_001, 1.5 * 2f64.powi(31));
    assert_eq!(to_f64(&exact(&values).state().unwrap()), 1.0 + 1.5 * 2f64.powi(31) * 100_000.0);
}

#[test]
fn a_window_is_not_lowered_further_than_it_has_room() {
    let mut values = vec![1.0];
    values.extend([1.5 * 2f64.powi(31); 256]);
    // Three bits below the window, which has four bits left.
    values.push(2f64.powi(-35));
    values.extend([1.5 * 2f64.powi(28); 700]);
    assert_eq!(to_f64(&exact(&values).state().unwrap()), naive(&values).to_f64());
}

#[test]
fn digits_of_the_wide_accumulator_carry_in_time() {
    // The exponent at which most of a mantissa falls into one digit.
    let (mantissa, exponent) = ((1i64 << 53) - 1, -1074 + 31);
    for mantissa in [mantissa, -mantissa] {
        let mut wide = Wide::default();
        (0..5_000).for_each(|_| wide.add_double(mantissa, exponent));
        let state = SumState::finite_wide(&wide.to_bytes(), -1074).unwrap();
        assert_eq!(state, SumState::finite(i128::from(mantissa) * 5_000, exponent).unwrap());
    }
}

#[test]
fn a_remainder_beyond_all_bits_of_the_quotient_breaks_a_tie() {
    // 2^128 = (2^64 + 2^11) · (2^64 - 2^11) + 2^22: the quotient's bits alone are a tie.
    let one = SumState::finite(1, 0).unwrap();
    let expected = 2f64.powi(-64) * (1.0 + f64::EPSILON);
    assert_eq!(average(&one, u64::MAX - 2_047), Some(expected));
}

#[test]
fn a_tie_goes_to_even_and_a_hair_decides_it() {
    let tie = [1.0, f64::EPSILON / 2.0];
    assert_eq!(to_f64(&exact(&tie).state().unwrap()), 1.0);
    assert_eq!(to_f64(&exact(&[tie[0], tie[1], 5e-324]).state().unwrap()), 1.0 + f64::EPSILON);
    let odd = [1.0 + f64::EPSILON, f64::EPSILON / 2.0];
    assert_eq!(to_f64(&exact(&odd).state().unwrap()), 1.0 + 2.0 * f64::EPSILON);
}

#[test]
fn sums_that_no_integer_type_holds_are_refused() {
    let mut sum = ExactSum::new();
    sum.add_signed(&[i64::MAX, 1]);
    assert_eq!(to_i64(&sum.state().unwrap()).unwrap_err().kind(), ErrorKind::InvalidInput);
    sum.add_signed(&[-1i64]);
    assert_eq!(to_i64(&sum.state().unwrap()).unwrap(), i64::MAX);
    let mut sum = ExactSum::new();
    sum.add_signed(&[i64::MIN]);
    assert_eq!(to_i64(&sum.state().unwrap()).unwrap(), i64::MIN);
    assert!(to_u64(&sum.state().unwrap()).is_err());
}

#[test]
fn decimals_of_38_digits_add_exactly_and_beyond_are_refused() {
    let most = 10i128.pow(38) - 1;
    let mut sum = ExactSum::new();
    sum.add_decimals(&[most, most, -most, 5]);
    assert!(to_decimal(&sum.state().unwrap()).is_err(), "more than 38 digits");
    sum.add_decimals(&[-most]);
    assert_eq!(to_decimal(&sum.state().unwrap()).unwrap(), 5);
    let mut parts = ExactSum::new();
    for part in [&[most, most][..], &[-most, 5, -most]] {
        let mut one = ExactSum::new();
        one.add_decimals(part);
        parts.merge(&one.state().unwrap()).unwrap();
    }
    assert_eq!(parts.state().unwrap(), sum.state().unwrap(), "however they are cut");
}

#[test]
fn averages_of_decimals_are_rounded_once() {
    let average_of = |values: &[i128], scale: u32| {
        let mut sum = ExactSum::new();
        sum.add_decimals(values);
        average_at_scale(&sum.state().unwrap(), values.len() as u64, scale).unwrap()
    };
    assert_eq!(average_of(&[1], 1).to_bits(), 0.1f64.to_bits());
    assert_eq!(average_of(&[1_234, 1_235], 2), 12.345);
    assert_eq!(average_of(&[-123_456], 3), -123.456);
    let most = 10i128.pow(38) - 1;
    assert_eq!(average_of(&[most, most], 38), 1.0);
    assert_eq!(average_of(&[1], 38), 1e-38);
    assert_eq!(
        average_of(&[most], 19).to_bits(),
        "9999999999999999999.9999999999999999999".parse::<f64>().unwrap().to_bits()
    );
}

#[test]
fn averages_of_integers_are_not_rounded_twice() {
    let mut sum = ExactSum::new();
    sum.add_unsigned(&[u64::MAX, u64::MAX - 2]);
    assert_eq!(average(&sum.state().unwrap(), 2), Some(18_446_744_073_709_551_614.0));
    assert_eq!(average(&SumState::default(), 3).map(f64::to_bits), Some(0));
    assert_eq!(average(&SumState::default(), 0), None);
}

#[test]
fn states_that_are_not_canonical_are_refused() {
    let mut sum = ExactSum::new();
    let state = SumState { mantissa: 2, ..SumState::default() };
    assert_eq!(sum.merge(&state).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn the_largest_states_merge_without_harm() {
    let largest = SumState::finite(1, 1087).unwrap();
    let wide = {
        let mut bytes = vec![0xff; 270];
        bytes.push(0x01);
        SumState::finite_wide(&bytes, -1074).unwrap()
    };
    let mut sum = ExactSum::new();
    for _ in 0..1_000 {
        sum.merge(&largest).unwrap();
        sum.merge(&wide).unwrap();
    }
    assert_eq!(sum.state().unwrap_err().kind(), ErrorKind::Internal);
}

/// `docs/formats/sum-state.md` lists these.
#[test]
fn the_stored_form_is_frozen() {
    let finite = |high: i64, low: u64, exponent| SumState {
        flags: 0,
        mantissa: i128::from(high) << 64 | i128::from(low),
        exponent,
        wide: None,
    };
    let wide = |top: u8, exponent| {
        let mut bytes = vec![0; 26];
        (bytes[0], bytes[25]) = (1, top);
        SumState { flags: 0, mantissa: 0, exponent, wide: Some(bytes) }
    };
    let special = |flags| SumState { flags, ..SumState::default() };
    let (large, larger) = (2f64.powi(100), 2f64.powi(200));
    let examples: [(&[f64], SumState); 7] = [
        (&[0.0, -0.0], finite(0, 0, 0)),
        (&[0.1, 0.2], finite(0, 0x0026_6666_6666_6667, -55)),
        (&[large, -1.0], finite(0xf_ffff_ffff, u64::MAX, 0)),
        (&[larger, 0.125], wide(0x08, -3)),
        (&[-larger, 0.125], wide(0xf8, -3)),
        (&[f64::INFINITY, 1.0], special(2)),
        (&[f64::INFINITY, f64::NEG_INFINITY], special(1)),
    ];
    for (values, state) in examples {
        assert_eq!(exact(values).state().unwrap(), state, "{values:?}");
        state.validate().unwrap();
    }
    let mut integers = ExactSum::new();
    integers.add_signed(&[12i64, -20]);
    assert_eq!(integers.state().unwrap(), finite(-1, u64::MAX, 3));
}
