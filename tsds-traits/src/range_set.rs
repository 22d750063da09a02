//! Sets of integers as ranges: what predicates fold into.

use std::ops::RangeInclusive;

use crate::Comparison;

/// A set of order-preserving keys ([`crate::Value::order_key`]).
///
/// Every comparison, IN list and NaN test on a column of at most 64 bits folds into one such set on the host, so that a
/// codec or a device kernel compares unsigned integers and nothing else. Integers and timestamps of every width are widened
/// to 64 bits first; booleans are 0 and 1; `f32` alone has a 32-bit key, in the low half.
pub type KeySet = RangeSet<u64>;

/// A set of integers as ascending, disjoint, non-adjacent inclusive ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeSet<T> {
    ranges: Vec<RangeInclusive<T>>,
}

/// The integers of which there are sets: `u64` keys, and decimals as `i128`.
pub trait Bounded: Copy + Ord + sealed::Sealed {
    /// The least integer.
    const LEAST: Self;
    /// The greatest integer.
    const GREATEST: Self;
    /// The next integer; `None` after the greatest.
    fn next(self) -> Option<Self>;
    /// The integer before; `None` before the least.
    fn previous(self) -> Option<Self>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! bounded {
    ($($integer:ty),+) => {$(
        impl sealed::Sealed for $integer {}

        impl Bounded for $integer {
            const LEAST: Self = <$integer>::MIN;
            const GREATEST: Self = <$integer>::MAX;

            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }

            fn previous(self) -> Option<Self> {
                self.checked_sub(1)
            }
        }
    )+};
}

bounded!(u64, i128);

impl<T> Default for RangeSet<T> {
    fn default() -> Self {
        Self { ranges: Vec::new() }
    }
}

impl<T: Bounded> RangeSet<T> {
    /// The set that holds nothing.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The set that holds everything.
    pub fn full() -> Self {
        Self { ranges: vec![T::LEAST..=T::GREATEST] }
    }

    /// The members of `within` for which `member comparison literal` is true, where the members of `equal` are those that
    /// equal the literal: usually one, but two keys stand for zero among floats.
    pub fn of(comparison: Comparison, equal: RangeInclusive<T>, within: &RangeInclusive<T>) -> Self {
        let (first, last) = (*within.start(), *within.end());
        let (low, high) = (*equal.start(), *equal.end());
        let below = || low.previous().map(|end| first..=end);
        let above = || high.next().map(|start| start..=last);
        let ranges = match comparison {
            Comparison::Equal => [Some(equal), None],
            Comparison::NotEqual => [below(), above()],
            Comparison::Less => [below(), None],
            Comparison::LessOrEqual => [Some(first..=high), None],
            Comparison::Greater => [above(), None],
            Comparison::GreaterOrEqual => [Some(low..=last), None],
        };
        let clamp = |range: RangeInclusive<T>| first.max(*range.start())..=last.min(*range.end());
        Self::from_ranges(ranges.into_iter().flatten().map(clamp))
    }

    /// The set of exactly these members.
    pub fn of_members(members: impl IntoIterator<Item = T>) -> Self {
        Self::from_ranges(members.into_iter().map(|member| member..=member))
    }

    /// The union of any ranges, in any order, overlapping or empty (`start > end`).
    pub fn from_ranges(ranges: impl IntoIterator<Item = RangeInclusive<T>>) -> Self {
        let mut sorted: Vec<_> = ranges.into_iter().filter(|range| range.start() <= range.end()).collect();
        sorted.sort_unstable_by_key(|range| *range.start());
        let mut merged: Vec<RangeInclusive<T>> = Vec::with_capacity(sorted.len());
        for range in sorted {
            match merged.last_mut() {
                Some(last) if last.end().next().is_none_or(|next| *range.start() <= next) => {
                    *last = *last.start()..=(*last.end()).max(*range.end());
                }
                _ => merged.push(range),
            }
        }
        Self { ranges: merged }
    }

    /// The ranges, ascending, disjoint and non-adjacent.
    pub fn ranges(&self) -> &[RangeInclusive<T>] {
        &self.ranges
    }

    /// Whether the set holds nothing.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether the set holds `member`.
    pub fn contains(&self, member: T) -> bool {
        self.intersects(&(member..=member))
    }

    /// Whether the set holds a member of `range`.
    pub fn intersects(&self, range: &RangeInclusive<T>) -> bool {
        let after = self.ranges.partition_point(|own| own.start() <= range.end());
        let last = after.checked_sub(1).and_then(|index| self.ranges.get(index));
        last.is_some_and(|own| own.end() >= range.start())
    }

    /// Everything that is not in the set.
    #[must_use]
    pub fn complement(&self) -> Self {
        let mut ranges = Vec::with_capacity(self.ranges.len() + 1);
        let mut next = Some(T::LEAST);
        for range in &self.ranges {
            if let Some(start) = next
                && let Some(end) = range.start().previous()
                && start <= end
            {
                ranges.push(start..=end);
            }
            next = range.end().next();
        }
        ranges.extend(next.map(|start| start..=T::GREATEST));
        Self { ranges }
    }

    /// The members of either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::from_ranges(self.ranges.iter().chain(&other.ranges).cloned())
    }

    /// The members of both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.complement().union(&other.complement()).complement()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_decimal() -> impl Strategy<Value = i128> {
        prop_oneof![
            -3..=3i128,
            any::<i128>(),
            proptest::sample::select(vec![i128::MIN, i128::MIN + 1, i128::MAX - 1, i128::MAX])
        ]
    }

    fn any_key() -> impl Strategy<Value = u64> {
        prop_oneof![0..=6u64, any::<u64>(), proptest::sample::select(vec![u64::MAX - 1, u64::MAX])]
    }

    fn sets_hold_what_arithmetic_says<T: Bounded + std::fmt::Debug>(a: T, b: T, c: T) {
        let all = T::LEAST..=T::GREATEST;
        for comparison in Comparison::ALL {
            let one = RangeSet::of(comparison, b..=b, &all);
            let other = RangeSet::of_members([b, c]);
            let (in_one, in_other) = (comparison.holds(&a, &b), a == b || a == c);
            assert_eq!(one.contains(a), in_one);
            assert_eq!(other.contains(a), in_other);
            assert_eq!(one.complement().contains(a), !in_one);
            assert_eq!(one.union(&other).contains(a), in_one || in_other);
            assert_eq!(one.intersection(&other).contains(a), in_one && in_other);
            assert_eq!(one.complement().complement(), one);
            let within = RangeSet::of(comparison, b..=b, &(a.min(c)..=a.max(c)));
            assert_eq!(within.contains(b), comparison.holds(&b, &b) && a.min(c) <= b && b <= a.max(c));
        }
    }

    proptest! {
        #[test]
        fn sets_of_keys_hold_what_arithmetic_says(a in any_key(), b in any_key(), c in any_key()) {
            sets_hold_what_arithmetic_says(a, b, c);
        }

        #[test]
        fn sets_of_decimals_hold_what_arithmetic_says(a in any_decimal(), b in any_decimal(), c in any_decimal()) {
            sets_hold_what_arithmetic_says(a, b, c);
        }
    }

    #[test]
    fn ranges_merge_when_they_touch() {
        let set = KeySet::from_ranges([5..=6, 0..=1, 2..=3, RangeInclusive::new(9, 8), u64::MAX..=u64::MAX]);
        assert_eq!(set.ranges(), [0..=3, 5..=6, u64::MAX..=u64::MAX]);
        assert!(set.contains(3) && !set.contains(4) && set.contains(u64::MAX));
        assert!(set.intersects(&(4..=5)) && !set.intersects(&(7..=100)));
    }

    #[test]
    fn nothing_is_below_the_least() {
        let all = i128::MIN..=i128::MAX;
        assert!(RangeSet::of(Comparison::Less, i128::MIN..=i128::MIN, &all).is_empty());
        assert!(RangeSet::<i128>::full().complement().is_empty());
        assert_eq!(RangeSet::<i128>::empty().complement(), RangeSet::full());
    }
}
