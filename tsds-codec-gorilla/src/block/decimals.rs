//! Which decimals have values in ranges, found by comparing their numbers: quotients ascend with numbers.

use std::ops::RangeInclusive;

use super::parse::{Block, Decimal};
use super::select::{contains, pass, ranges_where};
use crate::error::Result;
use crate::ints::{SelectBeside, Stream, WithinAny, bounds_of_centred};
use crate::simd::vectorize;
use crate::values::{Kind, lane_of_ordered, ordered_of_lane};

/// Corrections further from zero than this are not looked through one by one.
const MAX_CORRECTION: i64 = 256;
/// With more numbers than this that pass with some corrections and not with others, decoding is faster.
const MAX_OTHERS: usize = 12;

/// The rows whose values have places in the ranges; `None` where decoding is better.
pub(super) fn select(
    block: &Block<'_>,
    decimal: &Decimal<'_>,
    ranges: &[RangeInclusive<i64>],
) -> Result<Option<Vec<u64>>> {
    let (divisor, single) = (decimal.fit.power.divisor, decimal.fit.single);
    let found = match &decimal.corrections {
        None => pass(&decimal.numbers, &numbers_within(block.kind, divisor, single, ranges), block.isa),
        Some(corrections) => match corrected(decimal, corrections, ranges) {
            Some(selection) => vectorize(block.isa, selection),
            None => return Ok(None),
        },
    };
    let mut words = found?;
    for (row, lane) in decimal.exceptions.within(0..block.rows) {
        let found = contains(ranges, ordered_of_lane(block.kind, lane));
        if let Some(word) = words.get_mut(row / 64) {
            *word = *word & !(1 << (row % 64)) | u64::from(found) << (row % 64);
        }
    }
    Ok(Some(words))
}

/// What to look for where corrections are added to the bits of quotients: neighbouring decimals are mostly so far apart that only the
/// numbers at the ends of ranges depend on them.
fn corrected<'s, 'a>(
    decimal: &'s Decimal<'a>,
    corrections: &'s Stream<'a>,
    ranges: &[RangeInclusive<i64>],
) -> Option<SelectBeside<'s, 'a>> {
    let (min, max) = bounds_of_centred(corrections)?;
    let most = min.unsigned_abs().max(max.unsigned_abs()).max(1);
    let most = i64::try_from(most).ok().filter(|most| *most <= MAX_CORRECTION)?;
    let divisor = decimal.fit.power.divisor;
    let numbers = |start: i64, end: i64| {
        let range = (start <= end).then_some(start..=end);
        numbers_within(Kind::Float64, divisor, false, range.as_slice()).pop()
    };
    // Zero, which has no sign to keep, is always looked at.
    let (mut sure, mut others) = (Vec::new(), vec![0]);
    for range in ranges {
        let (start, end) = (*range.start(), *range.end());
        let Some(possible) = numbers(start.saturating_sub(most), end.saturating_add(most)) else { continue };
        let inner = numbers(start.saturating_add(most), end.saturating_sub(most));
        let (before, after) = match &inner {
            Some(inner) => (*possible.start()..*inner.start(), *inner.end()..*possible.end()),
            None => (*possible.start()..possible.end().checked_add(1)?, 0..0),
        };
        for unsure in [before, after.start.saturating_add(1)..after.end.saturating_add(1)] {
            if unsure.end.saturating_sub(unsure.start) > MAX_OTHERS as i64 {
                return None;
            }
            others.extend(unsure);
        }
        sure.extend(inner.into_iter().flat_map(|inner| without_zero(&inner)));
    }
    others.sort_unstable();
    others.dedup();
    if others.len() > MAX_OTHERS {
        return None;
    }
    let passing = |number: i64| {
        let bits = decimal.fit.power.divide(number).to_bits() as i64;
        let passes =
            |correction: i64| contains(ranges, ordered_of_lane(Kind::Float64, bits.wrapping_add(correction)));
        WithinAny::new(&ranges_where(-most, (-most..=most).map(passes)))
    };
    let others = others.into_iter().map(|number| (number, passing(number))).collect();
    Some(SelectBeside { numbers: &decimal.numbers, beside: corrections, sure: WithinAny::new(&sure), others })
}

/// The ranges before and after zero.
fn without_zero(range: &RangeInclusive<i64>) -> impl Iterator<Item = RangeInclusive<i64>> + use<> {
    let (start, end) = (*range.start(), *range.end());
    [start..=end.min(-1), start.max(1)..=end].into_iter().filter(|range| !range.is_empty())
}

/// The numbers of a decimal block ([`Layout::Decimal`](crate::Layout::Decimal)) whose quotients have places in `ranges`, which
/// ascend and are disjoint: quotients ascend with numbers, so that whoever knows these ranges compares integers. Corrections
/// and exceptions are another matter.
pub fn numbers_within(
    kind: Kind,
    divisor: f64,
    single: bool,
    ranges: &[RangeInclusive<i64>],
) -> Vec<RangeInclusive<i64>> {
    let place = |number: i64| {
        let quotient = number as f64 / divisor;
        match (single, kind) {
            (false, _) => ordered_of_lane(Kind::Float64, quotient.to_bits() as i64),
            (true, Kind::Float32) => ordered_of_lane(Kind::Float32, i64::from((quotient as f32).to_bits())),
            (true, _) => ordered_of_lane(Kind::Float64, f64::from(quotient as f32).to_bits() as i64),
        }
    };
    let of = if single && kind == Kind::Float32 { kind } else { Kind::Float64 };
    let guess = |place: i64| {
        let lane = lane_of_ordered(of, place);
        let value = match of {
            Kind::Float32 => f64::from(f32::from_bits(lane as u32)),
            _ => f64::from_bits(lane as u64),
        };
        // Saturates, and is zero for NaNs.
        (value * divisor) as i64
    };
    let numbers = ranges.iter().filter_map(|range| {
        // Both are places between numbers: one before the first that fits, and one before the first that is beyond.
        let first = first_where(guess(*range.start()), |number| place(number) >= *range.start())?;
        let after = first_where(guess(*range.end()), |number| place(number) > *range.end());
        let last = after.map_or(Some(i64::MAX), |after| after.checked_sub(1))?;
        (first <= last).then_some(first..=last)
    });
    numbers.collect()
}

/// The first integer of which `holds`, which holds of all above it too; it is probably near `guess`.
fn first_where(guess: i64, holds: impl Fn(i64) -> bool) -> Option<i64> {
    if !holds(i64::MAX) {
        return None;
    }
    let (mut low, mut high) = (i64::MIN, i64::MAX);
    for reach in [2i64, 1 << 10, 1 << 30] {
        let (below, above) = (guess.saturating_sub(reach), guess.saturating_add(reach));
        if !holds(above) {
            low = low.max(above);
        } else if holds(below) {
            high = high.min(below);
        } else {
            (low, high) = (low.max(below), high.min(above));
        }
        if low != i64::MIN && high != i64::MAX {
            break;
        }
    }
    while low < high {
        // Rounded down, also for negative sums.
        let middle = (low & high) + ((low ^ high) >> 1);
        if holds(middle) { high = middle } else { low = middle + 1 }
    }
    Some(low)
}
