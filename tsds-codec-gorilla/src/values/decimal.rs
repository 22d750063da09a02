//! Floats that are decimals: an integer divided by a power of ten, maybe a few units in the last place beside it.
//!
//! Sensors, prices and percentages are written in decimals, whose binary digits look random. As integers they are small and
//! near each other. After A. Afroozeh, L. Kuffo, P. Boncz, "ALP: Adaptive Lossless floating-Point Compression" (SIGMOD
//! 2024), with division instead of multiplication by the inverse, which makes more of them exact; with divisors that are
//! small multiples of powers of ten, for averages of a few readings; and with corrections for values that were computed
//! and not read.

use super::{Kind, is_set};
use crate::isa::Isa;
use crate::simd::{GROUP, Kernel, MAX_EXPONENT, Power, Simd, vectorize};

/// The most units in the last place by which a value may differ from its decimal before it is an exception: a quotient
/// that was printed with fifteen digits and read again is at most 45 off.
const MAX_CORRECTION: i64 = 64;
/// Larger numbers have decimals so close to each other that any double is near one.
const MAX_CORRECTED_NUMBER: i64 = 1 << 42;
/// Integers that vectors convert by adding and subtracting.
const MAX_NUMBER: f64 = (1u64 << 51) as f64;

/// How many values are looked at to find the divisor.
const SAMPLES: usize = 48;
/// After so many values without enough decimals the search ends.
const FIRST_SAMPLES: usize = 16;
/// Roughly the bits of an exception: its row and its value.
const EXCEPTION_BITS: f64 = 40.0;
/// The bits that one more decimal place takes.
const BITS_PER_PLACE: f64 = std::f64::consts::LOG2_10;
/// What averages of few readings are divided by, apart from what powers of ten hold.
const MULTIPLIERS: [u8; 5] = [3, 7, 9, 11, 13];
/// The most places that are tried beside a multiplier.
const MAX_TRIED_PLACES: u8 = 4;

/// How decimals are to be read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct DecimalFit {
    pub(crate) exponent: u8,
    /// The divisor is so many times the power of ten.
    pub(crate) multiplier: u8,
    pub(crate) power: Power,
    /// Quotients are rounded to single precision: single floats, or doubles that have been such.
    pub(crate) single: bool,
}

impl DecimalFit {
    pub(crate) fn new(exponent: u8, multiplier: u8, single: bool) -> Option<Self> {
        Some(Self { exponent, multiplier, power: Power::new(exponent, multiplier)?, single })
    }

    /// By how many units in the last place the bits of a value may differ from those of its decimal.
    fn tolerance(&self) -> u64 {
        if self.single { 0 } else { MAX_CORRECTION as u64 }
    }

    /// Whether a value is a decimal, and not only near one because all are.
    fn fits(&self, value: f64) -> bool {
        let number = (value * self.power.divisor).round_ties_even();
        if number.abs() >= MAX_NUMBER || number.is_nan() {
            return false;
        }
        let decimal = self.power.divide(number as i64);
        let decimal = if self.single { f64::from(decimal as f32) } else { decimal };
        let difference = (value.to_bits() as i64).wrapping_sub(decimal.to_bits() as i64).unsigned_abs();
        difference == 0 || (difference <= self.tolerance() && number.abs() < MAX_CORRECTED_NUMBER as f64)
    }
}

/// The divisors that a sample says may take the fewest bits; none where decimals do not pay.
pub(crate) fn fits(kind: Kind, lanes: &[i64]) -> Vec<DecimalFit> {
    let every = (lanes.len() / SAMPLES).max(1);
    // Not all rows the same distance apart, or what comes by turns would be seen as always the same.
    let rows = (0..lanes.len()).step_by(every).zip(0usize..).map(|(row, turn)| row + turn * 7 % every);
    let sample: Vec<f64> = rows.filter_map(|row| lanes.get(row)).map(|lane| float(kind, *lane)).collect();
    let is_single = |value: &f64| f64::from(*value as f32).to_bits() == value.to_bits();
    let mut fits = Vec::new();
    if kind != Kind::Float32 {
        powers_of_ten(&sample, false, &mut fits);
    }
    // Decimals that doubles and singles share have been found.
    if kind == Kind::Float32 || (fits.is_empty() && sample.iter().all(is_single)) {
        powers_of_ten(&sample, true, &mut fits);
    }
    // Quotients that were printed are decimals too, of very many places: the multiple comes first.
    let places = fits.first().map(|fit: &DecimalFit| fit.exponent.min(MAX_TRIED_PLACES));
    let found = places.and_then(|places| DecimalFit::new(places, 1, kind == Kind::Float32));
    let multiplied = multiplied(&sample, kind == Kind::Float32, found);
    multiplied.into_iter().chain(fits).collect()
}

/// Adds the power of ten that seems to take the fewest bits, and the one that most values are decimals of.
fn powers_of_ten(sample: &[f64], single: bool, fits: &mut Vec<DecimalFit>) {
    // How many values need each exponent.
    let mut needing = [0usize; MAX_EXPONENT as usize + 1];
    let mut common = 0u8;
    for (seen, value) in sample.iter().enumerate() {
        let fits = |exponent: &u8| DecimalFit::new(*exponent, 1, single).is_some_and(|fit| fit.fits(*value));
        // Most values need what those before did: no more, and often no less.
        let needed = match fits(&common) {
            true => (0..common).rev().take_while(fits).last().unwrap_or(common),
            false => match (common + 1..=MAX_EXPONENT).find(fits) {
                Some(exponent) => exponent,
                None => continue,
            },
        };
        needing[usize::from(needed)] += 1;
        common = common.max(needed);
        if seen + 1 == FIRST_SAMPLES && needing.iter().sum::<usize>() * 3 < FIRST_SAMPLES {
            return;
        }
    }
    if needing.iter().sum::<usize>() * 2 < sample.len() {
        return;
    }
    let mut covered = 0;
    let bits = (0u8..).zip(needing).filter(|(_, needing)| *needing > 0).map(|(exponent, needing)| {
        covered += needing;
        let exceptions = (sample.len() - covered) as f64 / sample.len() as f64;
        (exponent, f64::from(exponent) * BITS_PER_PLACE + exceptions * EXCEPTION_BITS)
    });
    let Some((cheapest, _)) = bits.min_by(|a, b| a.1.total_cmp(&b.1)) else { return };
    fits.extend(DecimalFit::new(cheapest, 1, single));
    if common != cheapest {
        fits.extend(DecimalFit::new(common, 1, single));
    }
}

/// The multiple of a power of ten that makes decimals of most of what `found` does not, if that is not little.
fn multiplied(sample: &[f64], single: bool, found: Option<DecimalFit>) -> Option<DecimalFit> {
    let others: Vec<f64> =
        sample.iter().copied().filter(|value| !found.is_some_and(|found| found.fits(*value))).collect();
    if others.len() * 32 < sample.len() || others.is_empty() {
        return None;
    }
    let fit = |multiplier, exponent| DecimalFit::new(exponent, multiplier, single);
    let count = |values: &[f64], fit: Option<DecimalFit>| {
        fit.map_or(0, |fit| values.iter().filter(|value| fit.fits(**value)).count())
    };
    let mut best = (fit(MULTIPLIERS[0], MAX_TRIED_PLACES), 0);
    for multiplier in MULTIPLIERS {
        let fit = fit(multiplier, MAX_TRIED_PLACES);
        let found = count(&others, fit);
        if found > best.1 {
            best = (fit, found);
        }
    }
    let multiplier = best.0?.multiplier;
    if best.1 * 2 < others.len() || count(sample, best.0) * 4 < sample.len() * 3 {
        return None;
    }
    let bits = |exponent: &u8| {
        let exceptions = sample.len() - count(sample, fit(multiplier, *exponent));
        f64::from(*exponent) * BITS_PER_PLACE + exceptions as f64 / sample.len() as f64 * EXCEPTION_BITS
    };
    let exponent = (0..=MAX_TRIED_PLACES).min_by(|a, b| bits(a).total_cmp(&bits(b)))?;
    fit(multiplier, exponent)
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

/// Turns values into decimals; `None` if more than `max_exceptions` are none. Null rows are no exceptions.
pub(crate) fn quantize(
    kind: Kind,
    lanes: &[i64],
    validity: Option<&[u64]>,
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
    let mut free = Vec::new();
    for (row, correction) in corrections.iter_mut().enumerate().filter(|(_, correction)| **correction != 0) {
        let is_null = validity.is_some_and(|validity| !is_set(validity, row));
        let is_exception = correction.unsigned_abs() > fit.tolerance();
        if is_null || is_exception {
            *correction = 0;
        }
        if is_exception {
            free.push(row as u32);
            if !is_null {
                if exceptions.len() == max_exceptions {
                    return None;
                }
                exceptions.push((row as u32, *lanes.get(row)?));
            }
        }
    }
    fill(&mut numbers, &free);
    if corrections.iter().all(|correction| *correction == 0) {
        corrections.clear();
    }
    Some(Decimals { numbers, corrections, exceptions })
}

/// Gives rows whose numbers are free, because they are exceptions or null, those of the rows before them, which cost least.
fn fill(numbers: &mut [i64], free: &[u32]) {
    // Those at the beginning take that of the first row that is not free.
    let leading = (0u32..).zip(free).take_while(|(row, free)| row == *free).count();
    let mut before = numbers.get(leading).copied().unwrap_or(0);
    for row in free {
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
        let (groups, rest) = bits.as_chunks::<GROUP>();
        let (number_groups, number_rest) = numbers.as_chunks_mut::<GROUP>();
        let (correction_groups, correction_rest) = corrections.as_chunks_mut::<GROUP>();
        for ((bits, number), correction) in groups.iter().zip(number_groups).zip(correction_groups) {
            let (found, difference) = quantize_group(simd, simd.load(bits), fit);
            simd.store(found, number);
            simd.store(difference, correction);
            all = simd.or(all, difference);
        }
        if !rest.is_empty() {
            let (mut last, mut number, mut correction) = ([0; GROUP], [0; GROUP], [0; GROUP]);
            last[..rest.len()].copy_from_slice(rest);
            let (found, difference) = quantize_group(simd, simd.load(&last), fit);
            simd.store(found, &mut number);
            simd.store(difference, &mut correction);
            all = simd.or(all, difference);
            number_rest.copy_from_slice(&number[..rest.len()]);
            correction_rest.copy_from_slice(&correction[..rest.len()]);
        }
        let mut lanes = [0; GROUP];
        simd.store(all, &mut lanes);
        lanes.iter().any(|lane| *lane != 0)
    }
}

/// The integers nearest to values times the divisor, and by how much the bits of values exceed those of the decimals.
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
            let fit = DecimalFit::new(exponent, 1, single).unwrap();
            let decimals = quantize(Kind::Float64, &lanes(&values), None, fit, usize::MAX).unwrap();
            prop_assert_eq!(back(&decimals, fit), lanes(&values));
        }

        #[test]
        fn the_exponent_of_decimals_is_found(
            numbers in prop::collection::vec(-1_000_000i64..1_000_000, 64..200), places in 0u8..9
        ) {
            prop_assume!(numbers.iter().any(|n| n % 10 != 0));
            let power = Power::new(places, 1).unwrap();
            let values: Vec<f64> = numbers.iter().map(|number| power.divide(number / 10 * 10 + 7)).collect();
            let fit = fits(Kind::Float64, &lanes(&values))[0];
            prop_assert_eq!((fit.exponent, fit.multiplier, fit.single), (places, 1, false));
            let decimals = quantize(Kind::Float64, &lanes(&values), None, fit, 0).unwrap();
            prop_assert!(decimals.exceptions.is_empty() && decimals.corrections.is_empty());
        }
    }

    #[test]
    fn what_comes_by_turns_is_seen_in_a_sample() {
        for rows in 50..400 {
            let values: Vec<f64> = (0..rows).map(|i| f64::from(i) / 4.0).collect();
            assert_eq!(fits(Kind::Float64, &lanes(&values)).last().unwrap().exponent, 2, "{rows}");
        }
    }

    #[test]
    fn decimals_that_went_through_single_precision_are_recognised() {
        let values: Vec<f64> =
            (0..500).map(|i| f64::from((f64::from(i * 37 % 1001) / 100.0) as f32)).collect();
        let found = fits(Kind::Float64, &lanes(&values))[0];
        assert_eq!((found.exponent, found.single), (2, true));
        assert!(quantize(Kind::Float64, &lanes(&values), None, found, 0).unwrap().exceptions.is_empty());
    }

    #[test]
    fn sums_of_decimals_are_decimals_with_corrections() {
        let values: Vec<f64> = (0..1000).map(|i| 0.1 * f64::from(i) + 0.2).collect();
        let found = fits(Kind::Float64, &lanes(&values))[0];
        assert_eq!(found.exponent, 1);
        let decimals = quantize(Kind::Float64, &lanes(&values), None, found, 0).unwrap();
        assert!(!decimals.corrections.is_empty());
        assert_eq!(back(&decimals, found), lanes(&values));
    }

    #[test]
    fn full_precision_is_no_decimal() {
        let values: Vec<f64> =
            (1..500).map(|i| f64::from(i).sqrt()).filter(|root| root.fract() != 0.0).collect();
        assert_eq!(fits(Kind::Float64, &lanes(&values)), []);
    }

    #[test]
    fn averages_of_a_few_readings_are_multiples_of_a_fraction() {
        let values: Vec<f64> = (0..900).map(|i| 20.0 + f64::from(i * 7 % 400) / 30.0).collect();
        let printed: Vec<f64> = values.iter().map(|value| format!("{value:.13}").parse().unwrap()).collect();
        let found = fits(Kind::Float64, &lanes(&printed))[0];
        assert_eq!((found.multiplier, found.exponent), (3, 1));
        let decimals = quantize(Kind::Float64, &lanes(&printed), None, found, 0).unwrap();
        assert_eq!(back(&decimals, found), lanes(&printed));
    }
}
