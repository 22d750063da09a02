//! What is left of a predicate when only its true rows matter.
//!
//! A filter keeps the rows for which a predicate is *true*, so null and false need no distinction at the root. Below a
//! NOT the question becomes which rows are *false*, and De Morgan's laws hold in Kleene's logic. Pushing the question
//! down to the leaves therefore gives a tree without NOT and without null: each leaf is a set of values, and every row is
//! in or out.

use tsds_traits::{ColumnId, Error, KeySet, Predicate, RangeSet, Result, Value};

use super::fold::{self, fold, fold_in};
use super::text_set::TextSet;

/// A test that every row passes or fails; the rows that pass are those for which the predicate is true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// The same for every row.
    Constant(bool),
    /// The column is not null and the value's order-preserving key is in the set.
    Keys(ColumnId, KeySet),
    /// The column is not null and the text is in the set.
    Text(ColumnId, TextSet),
    /// The column is not null and the decimal, in units of the column's scale, is in the set.
    Decimal(ColumnId, RangeSet<i128>),
    /// The column is not null, and is NaN if `true`, else is not NaN.
    Nan(ColumnId, bool),
    /// The column is null.
    Null(ColumnId),
    /// The column is not null.
    NotNull(ColumnId),
    /// Every part passes. At least two parts.
    All(Vec<Test>),
    /// One part passes. At least two parts.
    Any(Vec<Test>),
}

impl Test {
    /// The test for the rows where `predicate` is true.
    ///
    /// # Errors
    ///
    /// `InvalidInput` where an IN list mixes classes; `Unsupported` for a kind of predicate that is not known here.
    pub fn is_true(predicate: &Predicate) -> Result<Self> {
        Self::of(predicate, true)
    }

    /// The test for the rows where `predicate` is `wanted`, which null is not.
    fn of(predicate: &Predicate, wanted: bool) -> Result<Self> {
        Ok(match predicate {
            Predicate::Constant(value) => Self::Constant(*value == Some(wanted)),
            Predicate::Compare { column, comparison, value: Value::Text(text) } => {
                let set = TextSet::of(*comparison, text);
                Self::Text(*column, if wanted { set } else { set.complement() })
            }
            Predicate::Compare { column, comparison, value: Value::Decimal(value) } => {
                let set = RangeSet::of(*comparison, *value..=*value, &(i128::MIN..=i128::MAX));
                Self::Decimal(*column, if wanted { set } else { set.complement() })
            }
            Predicate::Compare { column, comparison, value } => {
                let set = fold(value.class(), *comparison, value)?;
                Self::Keys(*column, if wanted { set } else { fold::complement(value.class(), &set) })
            }
            Predicate::In { column, values, has_null } => {
                Self::of_members(*column, values, *has_null, wanted)?
            }
            Predicate::IsNull(column) if wanted => Self::Null(*column),
            Predicate::IsNull(column) => Self::NotNull(*column),
            Predicate::IsNan(column) => Self::Nan(*column, wanted),
            Predicate::And(parts) => Self::join(parts, wanted, wanted)?,
            Predicate::Or(parts) => Self::join(parts, wanted, !wanted)?,
            Predicate::Not(inner) => Self::of(inner, !wanted)?,
            other => return Err(unknown(other)),
        })
    }

    fn of_members(column: ColumnId, values: &[Value], has_null: bool, wanted: bool) -> Result<Self> {
        let Some(first) = values.first() else {
            // An empty list is false on every row; a list of nulls alone is null on every row.
            return Ok(Self::Constant(!wanted && !has_null));
        };
        if !wanted && has_null {
            return Ok(Self::Constant(false));
        }
        let decimal = |value: &Value| match value {
            Value::Decimal(value) => Some(*value),
            _ => None,
        };
        if let Some(decimals) = values.iter().map(decimal).collect::<Option<Vec<_>>>() {
            let set = RangeSet::of_members(decimals);
            return Ok(Self::Decimal(column, if wanted { set } else { set.complement() }));
        }
        let texts: Option<Vec<&str>> = values
            .iter()
            .map(|value| match value {
                Value::Text(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        Ok(match texts {
            Some(texts) => {
                let set = TextSet::of_members(texts);
                Self::Text(column, if wanted { set } else { set.complement() })
            }
            None => {
                let set = fold_in(first.class(), values)?;
                Self::Keys(column, if wanted { set } else { fold::complement(first.class(), &set) })
            }
        })
    }

    /// All parts if `all`, else one of them.
    fn join(parts: &[Predicate], wanted: bool, all: bool) -> Result<Self> {
        let mut joined = Vec::with_capacity(parts.len());
        for part in parts {
            match Self::of(part, wanted)? {
                Self::All(inner) if all => inner.into_iter().for_each(|part| add(&mut joined, part, all)),
                Self::Any(inner) if !all => inner.into_iter().for_each(|part| add(&mut joined, part, all)),
                part => add(&mut joined, part, all),
            }
        }
        // The neutral element changes nothing, the other constant decides.
        if joined.contains(&Self::Constant(!all)) {
            return Ok(Self::Constant(!all));
        }
        joined.retain(|part| *part != Self::Constant(all));
        Ok(match joined.len() {
            0 => Self::Constant(all),
            1 => joined.remove(0),
            _ if all => {
                joined.sort_by_key(Self::cost);
                Self::All(joined)
            }
            _ => Self::Any(joined),
        })
    }

    /// How dear it is to run, so that cheap parts of a conjunction come first.
    fn cost(&self) -> u32 {
        match self {
            Self::Constant(_) => 0,
            Self::Null(_) | Self::NotNull(_) => 1,
            Self::Keys(_, set) if set.ranges().len() <= 1 => 2,
            Self::Keys(_, _) | Self::Nan(_, _) => 3,
            Self::Decimal(_, _) => 4,
            Self::Text(_, _) => 5,
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().map(Self::cost).fold(1, |sum, cost| sum.saturating_add(cost))
            }
        }
    }

    /// The column of a leaf.
    pub fn column(&self) -> Option<ColumnId> {
        match self {
            Self::Keys(column, _)
            | Self::Text(column, _)
            | Self::Decimal(column, _)
            | Self::Nan(column, _)
            | Self::Null(column)
            | Self::NotNull(column) => Some(*column),
            Self::Constant(_) | Self::All(_) | Self::Any(_) => None,
        }
    }
}

/// Adds a part, joining the sets of one column: `t >= a AND t < b` becomes one range.
fn add(parts: &mut Vec<Test>, part: Test, all: bool) {
    for own in parts.iter_mut() {
        let holds_nothing = match (&mut *own, &part) {
            (Test::Keys(column, set), Test::Keys(other, more)) if column == other => {
                *set = if all { set.intersection(more) } else { set.union(more) };
                set.is_empty()
            }
            (Test::Text(column, set), Test::Text(other, more)) if column == other => {
                *set = if all { set.intersection(more) } else { set.union(more) };
                set.is_empty()
            }
            (Test::Decimal(column, set), Test::Decimal(other, more)) if column == other => {
                *set = if all { set.intersection(more) } else { set.union(more) };
                set.is_empty()
            }
            (own, part) if own == part => return,
            _ => continue,
        };
        if holds_nothing {
            *own = Test::Constant(false);
        }
        return;
    }
    parts.push(part);
}

pub(super) fn unknown(predicate: &Predicate) -> Error {
    Error::unsupported("predicate is of an unknown kind").with("predicate", format_args!("{predicate:?}"))
}
