//! Bound predicates: what a filter looks like when it reaches a tier.

use std::ops::RangeInclusive;

use crate::{ColumnId, Value};

/// How a column is compared with a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// A predicate bound to one schema version: columns by id, literals already of the column's class and never null.
///
/// Each row gives true, false or null by Kleene's logic, and a filter keeps the rows that are true. Comparisons on floats
/// are IEEE's: `-0.0 = 0.0`, and a NaN on either side makes every comparison false but [`Comparison::NotEqual`], which is
/// true. Text compares bytewise. A null in the column makes a comparison, [`Predicate::In`] and [`Predicate::IsNan`] null.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Predicate {
    /// The same for every row: `Some(true)`, `Some(false)` or null.
    Constant(Option<bool>),
    /// `column comparison literal`.
    Compare {
        /// The column.
        column: ColumnId,
        /// The comparison.
        comparison: Comparison,
        /// The literal, of the column's class.
        value: Value,
    },
    /// `column IN (values…)`: true where one value is [`Comparison::Equal`]; else null if the list had a null or the column is
    /// null; else false. A list without values and without null is false, on nulls too.
    In {
        /// The column.
        column: ColumnId,
        /// The non-null members, of the column's class, in any order, duplicates allowed.
        values: Vec<Value>,
        /// Whether the list held a null.
        has_null: bool,
    },
    /// Whether the column is null. Never null itself.
    IsNull(ColumnId),
    /// Whether a value is NaN: null on null, else false on columns that are no floats.
    IsNan(ColumnId),
    /// True if all are, false if one is, else null. Empty: true.
    And(Vec<Predicate>),
    /// True if one is, false if all are, else null. Empty: false.
    Or(Vec<Predicate>),
    /// Swaps true and false; null stays.
    Not(Box<Predicate>),
}

impl Predicate {
    /// Calls `visit` with the id of every column that the predicate reads; one column may come several times.
    pub fn visit_columns(&self, visit: &mut impl FnMut(ColumnId)) {
        match self {
            Self::Constant(_) => {}
            Self::Compare { column, .. }
            | Self::In { column, .. }
            | Self::IsNull(column)
            | Self::IsNan(column) => {
                visit(*column);
            }
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.visit_columns(visit)),
            Self::Not(inner) => inner.visit_columns(visit),
        }
    }

    /// The distinct columns that the predicate reads, by id.
    pub fn columns(&self) -> Vec<ColumnId> {
        let mut columns = Vec::new();
        self.visit_columns(&mut |column| columns.push(column));
        columns.sort_unstable();
        columns.dedup();
        columns
    }
}

/// A set of order-preserving keys ([`Value::order_key`]) as ascending, disjoint, non-adjacent inclusive ranges.
///
/// Every comparison, IN list and NaN test on a column folds into one such set on the host, so that a codec or a device
/// kernel compares unsigned integers and nothing else. Integers and timestamps of every width are widened to 64 bits first;
/// booleans are 0 and 1; `f32` alone has a 32-bit key, in the low half.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct KeySet {
    ranges: Vec<RangeInclusive<u64>>,
}

impl KeySet {
    /// The set that holds nothing.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The set that holds every key.
    pub fn full() -> Self {
        Self { ranges: vec![0..=u64::MAX] }
    }

    /// The union of any ranges, in any order, overlapping or empty (`start > end`).
    pub fn from_ranges(ranges: impl IntoIterator<Item = RangeInclusive<u64>>) -> Self {
        let mut sorted: Vec<_> = ranges.into_iter().filter(|range| range.start() <= range.end()).collect();
        sorted.sort_unstable_by_key(|range| *range.start());
        let mut merged: Vec<RangeInclusive<u64>> = Vec::with_capacity(sorted.len());
        for range in sorted {
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
    pub fn ranges(&self) -> &[RangeInclusive<u64>] {
        &self.ranges
    }

    /// Whether the set holds nothing.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether the set holds `key`.
    pub fn contains(&self, key: u64) -> bool {
        let after = self.ranges.partition_point(|range| *range.start() <= key);
        after > 0 && key <= *self.ranges[after - 1].end()
    }

    /// Whether the set holds a key of `range`.
    pub fn intersects(&self, range: &RangeInclusive<u64>) -> bool {
        let after = self.ranges.partition_point(|own| own.start() <= range.end());
        after > 0 && self.ranges[after - 1].end() >= range.start()
    }

    /// Every key that is not in the set.
    #[must_use]
    pub fn complement(&self) -> Self {
        let mut ranges = Vec::with_capacity(self.ranges.len() + 1);
        let mut next = Some(0u64);
        for range in &self.ranges {
            if let Some(start) = next
                && start < *range.start()
            {
                ranges.push(start..=range.start() - 1);
            }
            next = range.end().checked_add(1);
        }
        if let Some(start) = next {
            ranges.push(start..=u64::MAX);
        }
        Self { ranges }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_merge_when_they_touch() {
        let set = KeySet::from_ranges([5..=6, 0..=1, 2..=3, RangeInclusive::new(9, 8), u64::MAX..=u64::MAX]);
        assert_eq!(set.ranges(), [0..=3, 5..=6, u64::MAX..=u64::MAX]);
        assert!(set.contains(3) && !set.contains(4) && set.contains(u64::MAX));
        assert!(set.intersects(&(4..=5)) && !set.intersects(&(7..=100)));
    }

    #[test]
    fn the_complement_of_the_complement_is_the_set() {
        for set in [
            KeySet::empty(),
            KeySet::full(),
            KeySet::from_ranges([0..=0, 7..=9]),
            KeySet::from_ranges([3..=u64::MAX]),
        ] {
            assert_eq!(set.complement().complement(), set);
            assert!(
                [0, 3, 7, 9, 10, u64::MAX]
                    .iter()
                    .all(|key| set.contains(*key) != set.complement().contains(*key))
            );
        }
    }

    #[test]
    fn columns_are_distinct_and_sorted() {
        let a = Predicate::IsNull(ColumnId(2));
        let both =
            Predicate::And(vec![a.clone(), Predicate::Not(Box::new(Predicate::IsNan(ColumnId(1)))), a]);
        assert_eq!(both.columns(), [ColumnId(1), ColumnId(2)]);
    }
}
