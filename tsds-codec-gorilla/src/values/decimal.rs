//! Floats that are decimals: an integer divided by a power of ten, maybe a few units in the last place beside it.
//!
//! Sensors, prices and percentages are written in decimals, whose binary digits look random. As integers they are small and
//! near each other. After A. Afroozeh, L. Kuffo, P. Boncz, "ALP: Adaptive Lossless floating-Point Compression" (SIGMOD
//! 2024), with division instead of multiplication by the inverse, which makes more of them exact, and with corrections for
//! values that were computed and not read.

use super::Kind;
use crate::isa::Isa;
use crate::simd::{GROUP, Kernel, MAX_EXPONENT, Power, Simd, vectorize};

/// The most units in the last place by which a value may differ from its decimal before it is an exception.
const MAX_CORRECTION: i64 = 8;

/// How many values are looked at to find the exponent.
const SAMPLES: usize = 48;
/// Roughly the bits of an exception: its row and its lane.
const EXCEPTION_BITS: f64 = 72.0;
/// The bits that one more decimal place takes.
const BITS_PER_PLACE: f64 = std::f64::consts::LOG2_10;

/// How decimals are to be read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct DecimalFit {
    pub(crate) exponent: u8,
    pub(crate) power: Power,
    /// Quotients are rounded to single precision: single floats, or doubles that have been such.
    pub(crate) single: bool,
}

impl DecimalFit {
    pub(crate) fn new(exponent: u8, single: bool) -> Option<Self> {
        Some(Self { exponent, power: Power::new(exponent)?, single })
    }

    /// The nearest decimal, and by how many units in the last place of a double its bits are below those of `value`.
    fn of(&self, value: f64) -> (i64, i64) {
        let number = (value * self.power.divisor).round_ties_even();
        // Beyond this the integer may be off, which shows as a difference.
        if number.abs() >= MAX_NUMBER {
            return (0, i64::MAX);
        }
        let decimal = self.power.divide(number as i64);
        let decimal = if self.single { f64::from(decimal as f32) } else { decimal };
        (number as i64, (value.to_bits() as i64).wrapping_sub(decimal.to_bits() as i64))
    }
}

/// Integers that vectors convert by adding and subtracting.
const MAX_NUMBER: f64 = (1u64 << 51) as f64;

/// The exponent that a sample says takes the fewest bits, if decimals pay at all.
pub(crate) fn fit(kind: Kind, lanes: &[i64]) -> Option<DecimalFit> {
    let sample: Vec<f64> =
        lanes.iter().step_by((lanes.len() / SAMPLES).max(1)).map(|lane| float(kind, *lane)).collect();
    let single = kind == Kind::Float32
        || (sample.iter().all(|value| f64::from(*value as f32).to_bits() == value.to_bits())
            && !sample.iter().all(|value| value.fract() == 0.0));
    let candidates = if single && kind == Kind::Float64 { &[false, true][..] } else { &[single] };
    let best = candidates.iter().filter_map(|single| best_exponent(&sample, *single));
    best.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(fit, _)| fit)
}

/// The exponent with the fewest bits for a sample, and how many per value.
fn best_exponent(sample: &[f64], single: bool) -> Option<(DecimalFit, f64)> {
    let tolerance = if single { 0 } else { MAX_CORRECTION };
    let mut fitting = [0usize; MAX_EXPONENT as usize + 1];
    let mut common = 0u8;
    for (seen, value) in sample.iter().enumerate() {
        let fits = |exponent: &u8| {
            DecimalFit::new(*exponent, single)
                .is_some_and(|fit| fit.of(*value).1.unsigned_abs() <= tolerance as u64)
        };
        // Most values need what those before did: no more, and no less than one place fewer.
        let needed = match fits(&common) {
            true => (0..common).rev().take_while(fits).last().unwrap_or(common),
            false => match (common + 1..=MAX_EXPONENT).find(fits) {
                Some(exponent) => exponent,
                None => continue,
            },
        };
        fitting[usize::from(needed)] += 1;
        common = common.max(needed);
        if seen == 15 && fitting.iter().sum::<usize>() < 4 {
            return None;
        }
    }
    let largest =
        sample.iter().filter(|value| value.is_finite()).fold(0.0f64, |max, value| max.max(value.abs()));
    let mut covered = 0;
    let costs = (0u8..).zip(fitting).filter(|(_, fitting)| *fitting > 0).filter_map(|(exponent, fitting)| {
        covered += fitting;
        let fit = DecimalFit::new(exponent, single)?;
        (largest * fit.power.divisor < MAX_NUMBER || covered < sample.len()).then_some(())?;
        let exceptions = (sample.len() - covered) as f64 / sample.len() as f64;
        Some((fit, f64::from(exponent) * BITS_PER_PLACE + exceptions * EXCEPTION_BITS))
    });
    costs.min_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, bits)| *bits < EXCEPTION_BITS * 0.7)
}

/// The value of a lane as a double.
fn float(kind: Kind, lane: i64) -> f64 {
    match kind {
        Kind::Float32 => f64::from(f32::from_bits(lane as u32)),
        _ => f64::from_bits(lane as u64),
    }
}

/// Values as decimals.
pub(crate) struct Decimals {
    /// One for every value; for exceptions that of the value before.
    pub(crate) numbers: Vec<i64>,
    /// What is added to the bits of decimals, one for every value; empty if nothing is.
    pub(crate) corrections: Vec<i64>,
    /// Rows and lanes of values that are no decimals.
    pub(crate) exceptions: Vec<(u32, i64)>,
}

/// Turns values into decimals; `None` if more than `max_exceptions` are none.
pub(crate) fn quantize(
    kind: Kind,
    lanes: &[i64],
    fit: DecimalFit,
    max_exceptions: usize,
) -> Option<Decimals> {
    let doubles: Vec<i64>;
    let bits = match kind {
        Kind::Float32 => {
            doubles = lanes.iter().map(|lane| float(kind, *lane).to_bits() as i64).collect();
            &doubles
        }
        _ => lanes,
    };
    let mut numbers = vec![0; lanes.len()];
    let mut corrections = vec![0; lanes.len()];
    let any =
        vectorize(Isa::best(), Quantize { bits, numbers: &mut numbers, corrections: &mut corrections, fit });
    let mut exceptions = Vec::new();
    if !any {
        corrections.clear();
        return Some(Decimals { numbers, corrections, exceptions });
    }
    let tolerance = if fit.single { 0 } else { MAX_CORRECTION };
    for (row, correction) in corrections.iter_mut().enumerate() {
        if correction.unsigned_abs() > tolerance as u64 {
            *correction = 0;
            if exceptions.len() == max_exceptions {
                return None;
            }
            exceptions.push((row as u32, *lanes.get(row)?));
        }
    }
    fill(&mut numbers, &exceptions);
    if corrections.iter().all(|correction| *correction == 0) {
        corrections.clear();
    }
    Some(Decimals { numbers, corrections, exceptions })
}

/// Gives exceptions, whose numbers are free, those of the rows before them, which cost least.
fn fill(numbers: &mut [i64], exceptions: &[(u32, i64)]) {
    // Those at the beginning take that of the first row that is none.
    let leading = (0u32..).zip(exceptions).take_while(|(row, (exception, _))| row == exception).count();
    let mut before = numbers.get(leading).copied().unwrap_or(0);
    for (row, _) in exceptions {
        let row = *row as usize;
        if row > leading {
            before = numbers.get(row - 1).copied().unwrap_or(before);
        }
        if let Some(number) = numbers.get_mut(row) {
            *number = before;
        }
    }
}

/// Divides, rounds, multiplies back and compares.
struct Quantize<'a> {
    bits: &'a [i64],
    numbers: &'a mut [i64],
    corrections: &'a mut [i64],
    fit: DecimalFit,
}

impl Kernel for Quantize<'_> {
    /// Whether any correction is not zero.
    type Output = bool;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> bool {
        let Self { bits, numbers, corrections, fit } = self;
        let mut all = simd.splat(0);
        let mut one = |bits: &[i64; GROUP], number: &mut [i64; GROUP], correction: &mut [i64; GROUP]| {
            let bits = simd.load(bits);
            let (found, difference) = quantize_group(simd, bits, fit);
            simd.store(found, number);
            simd.store(difference, correction);
            all = simd.or(all, difference);
        };
        let (groups, rest) = bits.as_chunks::<GROUP>();
        let (number_groups, number_rest) = numbers.as_chunks_mut::<GROUP>();
        let (correction_groups, correction_rest) = corrections.as_chunks_mut::<GROUP>();
        for ((bits, number), correction) in groups.iter().zip(number_groups).zip(correction_groups) {
            one(bits, number, correction);
        }
        if !rest.is_empty() {
            let (mut last, mut number, mut correction) = ([0; GROUP], [0; GROUP], [0; GROUP]);
            last[..rest.len()].copy_from_slice(rest);
            one(&last, &mut number, &mut correction);
            number_rest.copy_from_slice(&number[..rest.len()]);
            correction_rest.copy_from_slice(&correction[..rest.len()]);
        }
        let mut lanes = [0; GROUP];
        simd.store(all, &mut lanes);
        lanes.iter().any(|lane| *lane != 0)
    }
}

/// The integers nearest to values times the power, and by how much the bits of values exceed those of the decimals.
#[inline(always)]
fn quantize_group<S: Simd>(simd: S, bits: S::V, fit: DecimalFit) -> (S::V, S::V) {
    let numbers = simd.nearest_integer(bits, fit.power.divisor);
    let decimals = simd.decimal(numbers, fit.power);
    let decimals = if fit.single { simd.through_single(decimals) } else { decimals };
    (numbers, simd.sub(bits, decimals))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lanes(values: &[f64]) -> Vec<i64> {
        values.iter().map(|value| value.to_bits() as i64).collect()
    }

    /// What a reader makes of decimals.
    fn back(decimals: &Decimals, fit: DecimalFit) -> Vec<i64> {
        let mut lanes: Vec<i64> = decimals
            .numbers
            .iter()
            .map(|number| {
                let decimal = fit.power.divide(*number);
                if fit.single { f64::from(decimal as f32) } else { decimal }.to_bits() as i64
            })
            .collect();
        lanes.iter_mut().zip(&decimals.corrections).for_each(|(lane, correction)| *lane += correction);
        decimals.exceptions.iter().for_each(|(row, lane)| lanes[*row as usize] = *lane);
        lanes
    }

    proptest! {
        #[test]
        fn any_floats_come_back(
            values in prop::collection::vec(prop_oneof![
                any::<f64>(), any::<u64>().prop_map(f64::from_bits), Just(-0.0), Just(f64::INFINITY),
                (-100_000i64..100_000, 0i32..6).prop_map(|(n, e)| n as f64 / 10f64.powi(e)),
                (-100_000i64..100_000).prop_map(|n| f64::from((n as f64 / 1e2) as f32)),
                (-1000i64..1000).prop_map(|n| n as f64 * 0.001),
            ], 1..200),
            exponent in 0..=MAX_EXPONENT, single: bool
        ) {
            let fit = DecimalFit::new(exponent, single).unwrap();
            let decimals = quantize(Kind::Float64, &lanes(&values), fit, usize::MAX).unwrap();
            prop_assert_eq!(back(&decimals, fit), lanes(&values));
        }

        #[test]
        fn the_exponent_of_decimals_is_found(
            numbers in prop::collection::vec(-1_000_000i64..1_000_000, 64..200), places in 0u8..9
        ) {
            prop_assume!(numbers.iter().any(|n| n % 10 != 0));
            let power = Power::new(places).unwrap();
            let values: Vec<f64> = numbers.iter().map(|number| power.divide(number / 10 * 10 + 7)).collect();
            let fit = fit(Kind::Float64, &lanes(&values)).unwrap();
            prop_assert_eq!((fit.exponent, fit.single), (places, false));
            let decimals = quantize(Kind::Float64, &lanes(&values), fit, 0).unwrap();
            prop_assert!(decimals.exceptions.is_empty() && decimals.corrections.is_empty());
        }
    }

    #[test]
    fn decimals_that_went_through_single_precision_are_recognised() {
        let values: Vec<f64> =
            (0..500).map(|i| f64::from((f64::from(i * 37 % 1001) / 100.0) as f32)).collect();
        let found = fit(Kind::Float64, &lanes(&values)).unwrap();
        assert_eq!((found.exponent, found.single), (2, true));
        assert!(quantize(Kind::Float64, &lanes(&values), found, 0).unwrap().exceptions.is_empty());
    }

    #[test]
    fn sums_of_decimals_are_decimals_with_corrections() {
        let values: Vec<f64> = (0..1000).map(|i| 0.1 * f64::from(i) + 0.2).collect();
        let found = fit(Kind::Float64, &lanes(&values)).unwrap();
        assert_eq!(found.exponent, 1);
        let decimals = quantize(Kind::Float64, &lanes(&values), found, 0).unwrap();
        assert!(!decimals.corrections.is_empty());
        assert_eq!(back(&decimals, found), lanes(&values));
    }

    #[test]
    fn full_precision_is_no_decimal() {
        let values: Vec<f64> =
            (1..500).map(|i| f64::from(i).sqrt()).filter(|root| root.fract() != 0.0).collect();
        assert_eq!(fit(Kind::Float64, &lanes(&values)), None);
    }
}
