//! Which rows have values in ranges, found on the encoded integers where that is exact.

use std::ops::RangeInclusive;

use super::decimals;
use super::parse::{Block, Values};
use crate::error::Result;
use crate::ints::{Select, Stream, Within, WithinAny};
use crate::isa::Isa;
use crate::simd::{Bits, GROUP, Kernel, Narrow, vectorize};
use crate::values::{Kind, ordered_of_lane};

/// Beyond so many ranges values are decoded once rather than compared in each range.
const MAX_RANGES: usize = 8;
/// How many rows are decoded before they are compared.
const BATCH: usize = 1024;

impl Block<'_> {
    /// The rows that are not null and whose place in the order of their type is in one of `ranges`, which ascend and are
    /// disjoint; one bit each, lowest first. The place of an integer is itself, of an unsigned one of 64 bits as if it were
    /// signed, that of a float its place in the total order of IEEE 754, counted from that of zero (see [`crate::place`]).
    /// Values are only decoded where that cannot be avoided.
    ///
    /// # Errors
    ///
    /// [`Damaged`](crate::Damaged) for damage that shows only now.
    pub fn select(&self, ranges: &[RangeInclusive<i64>]) -> Result<Vec<u64>> {
        let mut found = self.select_values(ranges)?;
        if let Some(validity) = self.validity()? {
            found.iter_mut().zip(validity).for_each(|(found, valid)| *found &= valid);
        }
        Ok(found)
    }

    fn select_values(&self, ranges: &[RangeInclusive<i64>]) -> Result<Vec<u64>> {
        match &self.values {
            Values::Bits(_) => self.select_bits(ranges),
            // Places of floats are what is stored.
            Values::Integers(stream) if ranges.len() <= MAX_RANGES => pass(stream, ranges, self.isa),
            Values::Decimal(decimal) if ranges.len() <= MAX_RANGES => {
                match decimals::select(self, decimal, ranges)? {
                    Some(found) => Ok(found),
                    None => self.select_decoded(ranges),
                }
            }
            Values::Dictionary { lanes, codes } => {
                let is_wanted = |lane: &i64| contains(ranges, ordered_of_lane(self.kind, *lane));
                let wanted = ranges_where(0, lanes.iter().map(is_wanted));
                if wanted.len() <= 1 {
                    pass(codes, &wanted, self.isa)
                } else {
                    let stream = codes;
                    vectorize(self.isa, Select { stream, wanted: &Bits::new(lanes.iter().map(is_wanted)) })
                }
            }
            _ => self.select_decoded(ranges),
        }
    }

    /// As [`Block::bits`] reads them: a forged block may hold integers other than 0 and 1.
    fn select_bits(&self, ranges: &[RangeInclusive<i64>]) -> Result<Vec<u64>> {
        let mut words = self.bits()?;
        match (contains(ranges, 0), contains(ranges, 1)) {
            (false, false) => words.fill(0),
            (false, true) => return Ok(words),
            (true, false) => words.iter_mut().for_each(|word| *word = !*word),
            (true, true) => words.fill(u64::MAX),
        }
        // Bits behind the last row stay 0.
        if let (Some(last), used @ 1..) = (words.last_mut(), self.rows % 64) {
            *last &= u64::MAX >> (64 - used);
        }
        Ok(words)
    }

    /// Decodes and compares.
    fn select_decoded(&self, ranges: &[RangeInclusive<i64>]) -> Result<Vec<u64>> {
        let mut words = vec![0; self.rows.div_ceil(64)];
        let mut lanes = [0; BATCH];
        // Classic codes have no places to begin at.
        let mut all = Vec::new();
        if matches!(self.values, Values::Classic { .. }) {
            all.resize(self.rows, 0);
            self.read_lanes(0..self.rows, &mut all)?;
        }
        for (batch, words) in words.chunks_mut(BATCH / 64).enumerate() {
            let rows = batch * BATCH..self.rows.min((batch + 1) * BATCH);
            let lanes = &mut lanes[..rows.len()];
            match all.get(rows.clone()) {
                Some(decoded) => lanes.copy_from_slice(decoded),
                None => self.read_lanes(rows, lanes)?,
            }
            vectorize(self.isa, CompareLanes { kind: self.kind, lanes, ranges, words });
        }
        Ok(words)
    }
}

/// Compares lanes with ranges of places.
struct CompareLanes<'a> {
    kind: Kind,
    /// Become places.
    lanes: &'a mut [i64],
    ranges: &'a [RangeInclusive<i64>],
    /// One bit for every lane, not set yet.
    words: &'a mut [u64],
}

impl Kernel for CompareLanes<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Narrow>(self, simd: S) {
        let Self { kind, lanes, ranges, words } = self;
        for lane in lanes.iter_mut() {
            *lane = ordered_of_lane(kind, *lane);
        }
        if ranges.len() > MAX_RANGES {
            for (row, place) in lanes.iter().enumerate() {
                words[row / 64] |= u64::from(contains(ranges, *place)) << (row % 64);
            }
            return;
        }
        for (index, group) in lanes.chunks(GROUP).enumerate() {
            let mut places = [0; GROUP];
            places[..group.len()].copy_from_slice(group);
            let v = simd.load(&places);
            let mut mask = 0;
            for range in ranges {
                mask |= simd.within(v, *range.start(), range.end().wrapping_sub(*range.start()) as u64);
            }
            mask &= u8::MAX >> (GROUP - group.len());
            words[index / GROUP] |= u64::from(mask) << (index % GROUP * GROUP);
        }
    }
}

/// One pass over the integers.
pub(super) fn pass(stream: &Stream<'_>, ranges: &[RangeInclusive<i64>], isa: Isa) -> Result<Vec<u64>> {
    match ranges {
        [] => Ok(vec![0; stream.rows.div_ceil(64)]),
        [range] => vectorize(isa, Select { stream, wanted: Within::new(*range.start(), *range.end()) }),
        _ => vectorize(isa, Select { stream, wanted: WithinAny::new(ranges) }),
    }
}

pub(super) fn contains(ranges: &[RangeInclusive<i64>], place: i64) -> bool {
    let after = ranges.partition_point(|range| *range.start() <= place);
    after.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|range| range.contains(&place))
}

/// The ranges of indices that are set, counted from `first` on.
pub(super) fn ranges_where(first: i64, set: impl Iterator<Item = bool>) -> Vec<RangeInclusive<i64>> {
    let mut ranges: Vec<RangeInclusive<i64>> = Vec::new();
    for (code, _) in (first..).zip(set).filter(|(_, set)| *set) {
        match ranges.last_mut() {
            Some(last) if *last.end() == code - 1 => *last = *last.start()..=code,
            _ => ranges.push(code..=code),
        }
    }
    ranges
}
