//! Bound predicates: what a filter looks like when it reaches a tier.

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

impl Comparison {
    /// Every comparison.
    pub const ALL: [Self; 6] =
        [Self::Equal, Self::NotEqual, Self::Less, Self::LessOrEqual, Self::Greater, Self::GreaterOrEqual];

    /// Whether `a comparison b` is true: of floats as IEEE says.
    pub fn holds<T: PartialOrd + ?Sized>(self, a: &T, b: &T) -> bool {
        match self {
            Self::Equal => a == b,
            Self::NotEqual => a != b,
            Self::Less => a < b,
            Self::LessOrEqual => a <= b,
            Self::Greater => a > b,
            Self::GreaterOrEqual => a >= b,
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_distinct_and_sorted() {
        let a = Predicate::IsNull(ColumnId(2));
        let both =
            Predicate::And(vec![a.clone(), Predicate::Not(Box::new(Predicate::IsNan(ColumnId(1)))), a]);
        assert_eq!(both.columns(), [ColumnId(1), ColumnId(2)]);
    }
}
