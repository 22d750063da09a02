//! Sets of decimals of one scale, as key sets are sets of numbers that have 64 bits.

use std::ops::RangeInclusive;

use tsds_traits::Comparison;

/// A set of decimals, counted in units of their column's scale, as ascending, disjoint, non-adjacent inclusive ranges.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct DecimalSet {
    ranges: Vec<RangeInclusive<i128>>,
}

impl DecimalSet {
    /// The set that holds nothing.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The set that holds every decimal.
    pub fn full() -> Self {
        Self { ranges: vec![i128::MIN..=i128::MAX] }
    }

    /// The decimals for which `decimal comparison literal` is true.
    pub fn of(comparison: Comparison, literal: i128) -> Self {
        let below = || literal.checked_sub(1).map(|last| i128::MIN..=last);
        let above = || literal.checked_add(1).map(|first| first..=i128::MAX);
        let ranges: Vec<_> = match comparison {
            Comparison::Equal => vec![literal..=literal],
            Comparison::NotEqual => below().into_iter().chain(above()).collect(),
            Comparison::Less => below().into_iter().collect(),
            Comparison::LessOrEqual => vec![i128::MIN..=literal],
            Comparison::Greater => above().into_iter().collect(),
            Comparison::GreaterOrEqual => vec![literal..=i128::MAX],
        };
        Self { ranges }
    }

    /// The set of exactly these decimals.
    pub fn of_members(members: impl IntoIterator<Item = i128>) -> Self {
        Self::from_ranges(members.into_iter().map(|member| member..=member).collect())
    }

    fn from_ranges(mut ranges: Vec<RangeInclusive<i128>>) -> Self {
        ranges.sort_unstable_by_key(|range| *range.start());
        let mut merged: Vec<RangeInclusive<i128>> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match merged.last_mut() {
                Some(last) if *range.start() <= last.end().saturating_add(1) => {
                    *last = *last.start()..=(*last.end()).max(*range.end());
                }
                _ => merged.push(range),
            }
        }
        Self { ranges: merged }
    }

    /// The ranges, ascending, disjoint and non-adjacent.
    pub fn ranges(&self) -> &[RangeInclusive<i128>] {
        &self.ranges
    }

    /// Whether the set holds nothing.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether the set holds `value`.
    pub fn contains(&self, value: i128) -> bool {
        let after = self.ranges.partition_point(|range| *range.start() <= value);
        after
            .checked_sub(1)
            .and_then(|index| self.ranges.get(index))
            .is_some_and(|range| value <= *range.end())
    }

    /// Whether the set holds a decimal of `range`.
    pub fn intersects(&self, range: &RangeInclusive<i128>) -> bool {
        let after = self.ranges.partition_point(|own| own.start() <= range.end());
        let last = after.checked_sub(1).and_then(|index| self.ranges.get(index));
        last.is_some_and(|own| own.end() >= range.start())
    }

    /// Every decimal that is not in the set.
    #[must_use]
    pub fn complement(&self) -> Self {
        let mut ranges = Vec::with_capacity(self.ranges.len() + 1);
        let mut next = Some(i128::MIN);
        for range in &self.ranges {
            if let Some(start) = next
                && start < *range.start()
            {
                ranges.push(start..=range.start() - 1);
            }
            next = range.end().checked_add(1);
        }
        ranges.extend(next.map(|start| start..=i128::MAX));
        Self { ranges }
    }

    /// The decimals of either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::from_ranges(self.ranges.iter().chain(&other.ranges).cloned().collect())
    }

    /// The decimals of both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.complement().union(&other.complement()).complement()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COMPARISONS: [Comparison; 6] = [
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ];

    fn holds(a: i128, comparison: Comparison, b: i128) -> bool {
        match comparison {
            Comparison::Equal => a == b,
            Comparison::NotEqual => a != b,
            Comparison::Less => a < b,
            Comparison::LessOrEqual => a <= b,
            Comparison::Greater => a > b,
            Comparison::GreaterOrEqual => a >= b,
        }
    }

    fn any_value() -> impl Strategy<Value = i128> {
        prop_oneof![
            -3..=3i128,
            any::<i128>(),
            proptest::sample::select(vec![i128::MIN, i128::MIN + 1, i128::MAX - 1, i128::MAX])
        ]
    }

    proptest! {
        #[test]
        fn sets_hold_what_arithmetic_says(a in any_value(), b in any_value(), c in any_value()) {
            for comparison in COMPARISONS {
                let one = DecimalSet::of(comparison, b);
                let other = DecimalSet::of_members([b, c]);
                let (in_one, in_other) = (holds(a, comparison, b), a == b || a == c);
                prop_assert_eq!(one.contains(a), in_one);
                prop_assert_eq!(other.contains(a), in_other);
                prop_assert_eq!(one.complement().contains(a), !in_one);
                prop_assert_eq!(one.union(&other).contains(a), in_one || in_other);
                prop_assert_eq!(one.intersection(&other).contains(a), in_one && in_other);
                prop_assert_eq!(one.intersects(&(a..=a)), in_one);
                prop_assert_eq!(one.complement().complement(), one);
            }
        }
    }

    #[test]
    fn nothing_is_below_the_least() {
        assert!(DecimalSet::of(Comparison::Less, i128::MIN).is_empty());
        assert!(DecimalSet::full().complement().is_empty());
        assert_eq!(DecimalSet::empty().complement(), DecimalSet::full());
    }
}
