//! What statistics say about a predicate.

use std::ops::RangeInclusive;

use tsds_traits::{ColumnId, ColumnStats, KeySet, Predicate, Value};

use super::fold::fold_is_nan;
use super::test::Test;

/// How many of some rows match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No row matches, for certain.
    None,
    /// Some rows may match.
    Some,
    /// Every row matches, for certain.
    All,
}

/// Judges `rows` rows by the statistics of their columns, where there are any. Never calls a match `None`, nor a
/// mismatch `All`: bounds need not be exact, and what is unknown is [`Verdict::Some`].
pub fn verdict<'a>(
    predicate: &Predicate,
    stats: &dyn Fn(ColumnId) -> Option<&'a ColumnStats>,
    rows: u64,
) -> Verdict {
    Test::is_true(predicate).map_or(Verdict::Some, |test| judge(&test, stats, rows))
}

pub(super) fn judge<'a>(
    test: &Test,
    stats: &dyn Fn(ColumnId) -> Option<&'a ColumnStats>,
    rows: u64,
) -> Verdict {
    if rows == 0 {
        return Verdict::None;
    }
    let leaf = |column: ColumnId, judge: fn(&Test, &ColumnStats, u64) -> Verdict| {
        stats(column).map_or(Verdict::Some, |stats| judge(test, stats, rows))
    };
    match test {
        Test::Constant(true) => Verdict::All,
        Test::Constant(false) => Verdict::None,
        Test::All(parts) => parts.iter().fold(Verdict::All, |so_far, part| match so_far {
            Verdict::None => Verdict::None,
            _ => match judge(part, stats, rows) {
                Verdict::All => so_far,
                verdict => verdict,
            },
        }),
        Test::Any(parts) => parts.iter().fold(Verdict::None, |so_far, part| match so_far {
            Verdict::All => Verdict::All,
            _ => match judge(part, stats, rows) {
                Verdict::None => so_far,
                verdict => verdict,
            },
        }),
        Test::Null(column) => leaf(*column, |_, stats, rows| share(stats.null_count, rows)),
        Test::NotNull(column) => leaf(*column, |_, stats, rows| share(stats.null_count, rows).opposite()),
        Test::Keys(column, _) | Test::Text(column, _) | Test::Decimal(column, _) | Test::Nan(column, _) => {
            leaf(*column, of_values)
        }
    }
}

impl Verdict {
    fn opposite(self) -> Self {
        match self {
            Self::None => Self::All,
            Self::Some => Self::Some,
            Self::All => Self::None,
        }
    }

    /// The verdict on two kinds of rows together.
    fn and_also(self, other: Self) -> Self {
        if self == other { self } else { Self::Some }
    }
}

fn share(count: u64, rows: u64) -> Verdict {
    match count {
        0 => Verdict::None,
        count if count >= rows => Verdict::All,
        _ => Verdict::Some,
    }
}

/// The verdict on a set of values: on the rows that are null, NaN and neither, each kind of which may be absent.
fn of_values(test: &Test, stats: &ColumnStats, rows: u64) -> Verdict {
    let nulls = share(stats.null_count, rows);
    if nulls == Verdict::All {
        return Verdict::None;
    }
    let mut verdict = in_bounds(test, stats.min.as_ref(), stats.max.as_ref());
    if nulls == Verdict::Some {
        verdict = verdict.and_also(Verdict::None);
    }
    if stats.has_nan {
        verdict = verdict.and_also(of_nans(test, stats));
    }
    verdict
}

/// The verdict on rows that are NaN.
fn of_nans(test: &Test, stats: &ColumnStats) -> Verdict {
    match (test, stats.min.as_ref().or(stats.max.as_ref())) {
        (Test::Nan(_, true), _) => Verdict::All,
        (Test::Nan(_, false), _) => Verdict::None,
        (Test::Keys(_, set), Some(bound)) => in_set(set, fold_is_nan(bound.class()).ranges()),
        _ => Verdict::Some,
    }
}

/// The verdict on rows between two bounds that are neither null nor NaN. There may be no such row: then the bounds are
/// missing, and nothing is decided.
fn in_bounds(test: &Test, min: Option<&Value>, max: Option<&Value>) -> Verdict {
    match (test, min, max) {
        (Test::Nan(_, nan), Some(_), Some(_)) => {
            if *nan {
                Verdict::None
            } else {
                Verdict::All
            }
        }
        (Test::Text(_, set), Some(Value::Text(min)), Some(Value::Text(max))) => {
            if !set.intersects(min, max) {
                Verdict::None
            } else if set.covers(min, max) {
                Verdict::All
            } else {
                Verdict::Some
            }
        }
        (Test::Decimal(_, set), min, max) => {
            let bound = |value: Option<&Value>, unknown| match value {
                None => Some(unknown),
                Some(Value::Decimal(value)) => Some(*value),
                Some(_) => None,
            };
            match (bound(min, i128::MIN), bound(max, i128::MAX)) {
                (Some(low), Some(high)) if low <= high && (min.is_some() || max.is_some()) => {
                    if !set.intersects(&(low..=high)) {
                        Verdict::None
                    } else if min.is_some() && max.is_some() && !set.complement().intersects(&(low..=high)) {
                        Verdict::All
                    } else {
                        Verdict::Some
                    }
                }
                _ => Verdict::Some,
            }
        }
        (Test::Keys(_, set), Some(min), Some(max)) => match (min.order_key(), max.order_key()) {
            (Some(low), Some(high)) if min.class() == max.class() && low <= high => {
                in_set(set, &[low..=high])
            }
            _ => Verdict::Some,
        },
        (Test::Keys(_, set), Some(min), None) => match min.order_key() {
            Some(low) if !set.intersects(&(low..=u64::MAX)) => Verdict::None,
            _ => Verdict::Some,
        },
        (Test::Keys(_, set), None, Some(max)) => match max.order_key() {
            Some(high) if !set.intersects(&(0..=high)) => Verdict::None,
            _ => Verdict::Some,
        },
        _ => Verdict::Some,
    }
}

/// The verdict on rows whose keys are spread over `ranges`.
fn in_set(set: &KeySet, ranges: &[RangeInclusive<u64>]) -> Verdict {
    let outside = set.complement();
    if ranges.iter().all(|range| !set.intersects(range)) {
        Verdict::None
    } else if ranges.iter().all(|range| !outside.intersects(range)) {
        Verdict::All
    } else {
        Verdict::Some
    }
}
