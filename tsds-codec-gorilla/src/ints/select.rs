//! Which integers lie in ranges or sets, without storing them.

use std::ops::RangeInclusive;

use super::fill::{Filled, NO_NARROW_LANES, NO_WIDE_LANES, fill};
use super::minis::{Mini, Minis, Pad};
use super::narrow::NarrowLanes;
use super::reach::bounds;
use super::wide::WideLanes;
use super::{MINI, Stream};
use crate::error::Result;
use crate::simd::{Bits, GROUP, Kernel, Narrow};

/// Which integers are looked for.
pub(crate) trait Wanted {
    /// What can be said of all integers between two.
    fn between(&self, min: i64, max: i64) -> Option<bool>;
    /// One bit for each of eight integers.
    fn among<S: Narrow>(&self, simd: S, v: S::V) -> u8;
    /// One bit for each of sixteen integers.
    fn narrow_among<S: Narrow>(&self, simd: S, v: S::N) -> u16;
}

/// Finds the values that are wanted, as bits, lowest first. Bits of rows beyond the last are unset.
pub(crate) struct Select<'s, 'a, W> {
    pub(crate) stream: &'s Stream<'a>,
    pub(crate) wanted: W,
}

impl<W: Wanted> Kernel for Select<'_, '_, W> {
    type Output = Result<Vec<u64>>;

    #[inline(always)]
    fn run<S: Narrow>(self, simd: S) -> Result<Vec<u64>> {
        let Self { stream, wanted } = self;
        let mut words = vec![0u64; stream.rows.div_ceil(MINI) * (MINI / 64)];
        let mut minis = Minis::from(simd, stream, 0)?;
        let mut lanes = Lanes::new();
        let mut pad = Pad::new();
        for words in words.as_chunks_mut::<{ MINI / 64 }>().0 {
            let mini = minis.next(simd, &mut pad)?;
            let found = lanes.select(simd, stream, &mini, &wanted);
            *words = [found as u64, (found >> 64) as u64];
        }
        words.truncate(stream.rows.div_ceil(64));
        minis.finish()?;
        Ok(words)
    }
}

/// Finds the rows of which a stream has numbers in some ranges, or one of a few numbers and beside it, in another stream, what goes
/// with that number. Bits as [`Select`] gives them.
pub(crate) struct SelectBeside<'s, 'a> {
    pub(crate) numbers: &'s Stream<'a>,
    pub(crate) beside: &'s Stream<'a>,
    /// Numbers that are wanted whatever is beside them.
    pub(crate) sure: WithinAny,
    /// Numbers that are wanted where this is beside them.
    pub(crate) others: Vec<(i64, WithinAny)>,
}

impl Kernel for SelectBeside<'_, '_> {
    type Output = Result<Vec<u64>>;

    #[inline(always)]
    fn run<S: Narrow>(self, simd: S) -> Result<Vec<u64>> {
        let Self { numbers, beside, sure, others } = self;
        let mut words = vec![0u64; numbers.rows.div_ceil(MINI) * (MINI / 64)];
        let (mut minis, mut minis_beside) = (Minis::from(simd, numbers, 0)?, Minis::from(simd, beside, 0)?);
        let (mut lanes, mut lanes_beside) = (Lanes::new(), Lanes::new());
        let (mut pad, mut pad_beside) = (Pad::new(), Pad::new());
        for words in words.as_chunks_mut::<{ MINI / 64 }>().0 {
            let mini = minis.next(simd, &mut pad)?;
            let mini_beside = minis_beside.next(simd, &mut pad_beside)?;
            let known = bounds(numbers, &mini);
            let may_be = |number: i64| known.is_none_or(|(min, max)| (min..=max).contains(&number));
            let known_of_sure = known.and_then(|(min, max)| sure.between(min, max));
            let has_others = others.iter().any(|(number, _)| may_be(*number));
            let mut found = match known_of_sure {
                Some(is_wanted) if !has_others => {
                    if is_wanted {
                        u128::MAX
                    } else {
                        0
                    }
                }
                _ => {
                    let filled = fill(simd, numbers, &mini, &mut lanes.narrow, &mut lanes.wide);
                    let mut found = u128::from_le_bytes(lanes.compare(simd, filled, &sure));
                    for (number, wanted) in &others {
                        let here = lanes.compare(simd, filled, &Within::new(*number, *number));
                        let here = u128::from_le_bytes(here) & rows_of(&mini);
                        if here != 0 {
                            found |= here & lanes_beside.select(simd, beside, &mini_beside, wanted);
                        }
                    }
                    found
                }
            };
            found &= rows_of(&mini);
            *words = [found as u64, (found >> 64) as u64];
        }
        words.truncate(numbers.rows.div_ceil(64));
        minis.finish()?;
        minis_beside.finish()?;
        Ok(words)
    }
}

/// Room for the values of a mini-block.
pub(super) struct Lanes {
    narrow: NarrowLanes,
    wide: WideLanes,
}

impl Lanes {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self { narrow: NO_NARROW_LANES, wide: NO_WIDE_LANES }
    }

    /// Which values of a mini-block are wanted.
    #[inline(always)]
    pub(super) fn select<S: Narrow, W: Wanted>(
        &mut self,
        simd: S,
        stream: &Stream<'_>,
        mini: &Mini<'_>,
        wanted: &W,
    ) -> u128 {
        let known = bounds(stream, mini).and_then(|(min, max)| wanted.between(min, max));
        let found = match known {
            Some(false) => return 0,
            Some(true) => [u8::MAX; MINI / 8],
            None => {
                let filled = fill(simd, stream, mini, &mut self.narrow, &mut self.wide);
                self.compare(simd, filled, wanted)
            }
        };
        u128::from_le_bytes(found) & rows_of(mini)
    }

    /// Which values are wanted of a mini-block that lanes have been filled with.
    #[inline(always)]
    fn compare<S: Narrow, W: Wanted>(&self, simd: S, filled: Filled, wanted: &W) -> [u8; MINI / 8] {
        let mut found = [0; MINI / 8];
        let (pairs, _) = found.as_chunks_mut::<2>();
        match filled {
            Filled::Narrow => {
                for (masks, from) in pairs.iter_mut().zip(&self.narrow.0) {
                    *masks = wanted.narrow_among(simd, simd.narrow_load(from)).to_le_bytes();
                }
            }
            Filled::Scaled { factor, offset } => {
                let offset = simd.splat(offset);
                for (masks, from) in pairs.iter_mut().zip(&self.narrow.0) {
                    let [low, high] = simd.narrow_times(simd.narrow_load(from), factor);
                    masks[0] = wanted.among(simd, simd.add(offset, low));
                    masks[1] = wanted.among(simd, simd.add(offset, high));
                }
            }
            Filled::Wide => {
                for (mask, from) in found.iter_mut().zip(&self.wide) {
                    *mask = wanted.among(simd, simd.load(from));
                }
            }
        }
        found
    }
}

/// One bit for every row of a mini-block, which has at least one and no more than there are bits.
#[inline(always)]
pub(super) fn rows_of(mini: &Mini<'_>) -> u128 {
    u128::MAX >> (MINI - mini.rows.clamp(1, MINI))
}

/// The integers of a range.
#[derive(Clone, Copy)]
pub(crate) struct Within {
    low: i64,
    high: i64,
    /// The first of those of 32 bits, and how many follow it.
    narrow: Option<(i32, u32)>,
}

impl Within {
    pub(crate) fn new(low: i64, high: i64) -> Self {
        let (first, last) = (low.max(i32::MIN.into()), high.min(i32::MAX.into()));
        let narrow = (first <= last).then(|| (first as i32, last.wrapping_sub(first) as u32));
        Self { low, high, narrow }
    }
}

impl Wanted for Within {
    #[inline(always)]
    fn between(&self, min: i64, max: i64) -> Option<bool> {
        if max < self.low || min > self.high {
            Some(false)
        } else {
            (min >= self.low && max <= self.high).then_some(true)
        }
    }

    #[inline(always)]
    fn among<S: Narrow>(&self, simd: S, v: S::V) -> u8 {
        if self.low > self.high {
            return 0;
        }
        simd.within(v, self.low, self.high.wrapping_sub(self.low) as u64)
    }

    #[inline(always)]
    fn narrow_among<S: Narrow>(&self, simd: S, v: S::N) -> u16 {
        self.narrow.map_or(0, |(low, span)| simd.narrow_within(v, low, span))
    }
}

/// The integers of several ranges, which ascend and are disjoint.
pub(crate) struct WithinAny {
    ranges: Vec<Within>,
}

impl WithinAny {
    pub(crate) fn new(ranges: &[RangeInclusive<i64>]) -> Self {
        Self { ranges: ranges.iter().map(|range| Within::new(*range.start(), *range.end())).collect() }
    }
}

impl Wanted for WithinAny {
    #[inline(always)]
    fn between(&self, min: i64, max: i64) -> Option<bool> {
        let mut known = Some(false);
        for range in &self.ranges {
            match range.between(min, max) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => known = None,
            }
        }
        known
    }

    #[inline(always)]
    fn among<S: Narrow>(&self, simd: S, v: S::V) -> u8 {
        let mut found = 0;
        for range in &self.ranges {
            found |= range.among(simd, v);
        }
        found
    }

    #[inline(always)]
    fn narrow_among<S: Narrow>(&self, simd: S, v: S::N) -> u16 {
        let mut found = 0;
        for range in &self.ranges {
            found |= range.narrow_among(simd, v);
        }
        found
    }
}

impl Wanted for &Bits {
    #[inline(always)]
    fn between(&self, _: i64, _: i64) -> Option<bool> {
        None
    }

    #[inline(always)]
    fn among<S: Narrow>(&self, simd: S, v: S::V) -> u8 {
        let mut places = [0; GROUP];
        simd.store(v, &mut places);
        let mut found = 0;
        for (lane, place) in places.iter().enumerate() {
            found |= u8::from(i32::try_from(*place).is_ok_and(|place| self.contains(place))) << lane;
        }
        found
    }

    #[inline(always)]
    fn narrow_among<S: Narrow>(&self, simd: S, v: S::N) -> u16 {
        simd.narrow_among(v, self)
    }
}
