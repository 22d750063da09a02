//! Predicates by Kleene's logic.

use tsds_traits::{ColumnId, Comparison, Predicate, TableSchema, Value};

/// A row with the schema that says which value is which column's.
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a> {
    /// The schema.
    pub schema: &'a TableSchema,
    /// A value or null for each column of the schema.
    pub row: &'a [Option<Value>],
}

impl<'a> Columns<'a> {
    /// The value of a column; null for a column that the schema lacks.
    pub fn value(&self, column: ColumnId) -> Option<&'a Value> {
        self.row.get(self.schema.index_of(column)?)?.as_ref()
    }
}

/// What a predicate is on a row: true, false or null.
pub fn evaluate(predicate: &Predicate, row: Columns<'_>) -> Option<bool> {
    match predicate {
        Predicate::Constant(answer) => *answer,
        Predicate::Compare { column, comparison, value } => {
            Some(compare(row.value(*column)?, *comparison, value))
        }
        Predicate::In { values, has_null: false, .. } if values.is_empty() => Some(false),
        Predicate::In { column, values, has_null } => {
            let own = row.value(*column)?;
            if values.iter().any(|value| compare(own, Comparison::Equal, value)) {
                Some(true)
            } else if *has_null {
                None
            } else {
                Some(false)
            }
        }
        Predicate::IsNull(column) => Some(row.value(*column).is_none()),
        Predicate::IsNan(column) => Some(row.value(*column)?.is_nan()),
        Predicate::And(parts) => {
            let answers: Vec<_> = parts.iter().map(|part| evaluate(part, row)).collect();
            if answers.contains(&Some(false)) {
                Some(false)
            } else if answers.contains(&None) {
                None
            } else {
                Some(true)
            }
        }
        Predicate::Or(parts) => {
            let answers: Vec<_> = parts.iter().map(|part| evaluate(part, row)).collect();
            if answers.contains(&Some(true)) {
                Some(true)
            } else if answers.contains(&None) {
                None
            } else {
                Some(false)
            }
        }
        Predicate::Not(inner) => evaluate(inner, row).map(|answer| !answer),
        // The generators build none of the kinds that may be added.
        _ => None,
    }
}

/// Compares as SQL does: floats by IEEE, everything else by its only order.
fn compare(left: &Value, comparison: Comparison, right: &Value) -> bool {
    match (left, right) {
        (Value::Bool(a), Value::Bool(b)) => holds(comparison, a, b),
        (Value::Int(a), Value::Int(b)) => holds(comparison, a, b),
        (Value::UInt(a), Value::UInt(b)) => holds(comparison, a, b),
        (Value::F32(a), Value::F32(b)) => holds(comparison, a, b),
        (Value::F64(a), Value::F64(b)) => holds(comparison, a, b),
        (Value::Text(a), Value::Text(b)) => holds(comparison, a.as_bytes(), b.as_bytes()),
        (Value::Decimal(a), Value::Decimal(b)) => holds(comparison, a, b),
        // Bound literals have the column's class.
        _ => false,
    }
}

/// Rust's operators on floats are IEEE's.
fn holds<T: PartialOrd + ?Sized>(comparison: Comparison, a: &T, b: &T) -> bool {
    match comparison {
        Comparison::Equal => a == b,
        Comparison::NotEqual => a != b,
        Comparison::Less => a < b,
        Comparison::LessOrEqual => a <= b,
        Comparison::Greater => a > b,
        Comparison::GreaterOrEqual => a >= b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::schemas;

    fn on_value(value: Option<f64>, predicate: &Predicate) -> Option<bool> {
        let schema = schemas::sensors().unwrap();
        let row = [Some(Value::Text("a".into())), Some(Value::Int(0)), value.map(Value::F64), None];
        evaluate(predicate, Columns { schema: &schema, row: &row })
    }

    fn value_column() -> ColumnId {
        schemas::sensors().unwrap().column_named("value").unwrap().id
    }

    fn compared(value: Option<f64>, comparison: Comparison, literal: f64) -> Option<bool> {
        let column = value_column();
        on_value(value, &Predicate::Compare { column, comparison, value: Value::F64(literal) })
    }

    #[test]
    fn floats_compare_by_ieee() {
        assert_eq!(compared(Some(-0.0), Comparison::Equal, 0.0), Some(true));
        assert_eq!(compared(Some(-0.0), Comparison::Less, 0.0), Some(false));
        assert_eq!(compared(Some(f64::NAN), Comparison::Equal, f64::NAN), Some(false));
        assert_eq!(compared(Some(f64::NAN), Comparison::NotEqual, f64::NAN), Some(true));
        assert_eq!(compared(Some(1.0), Comparison::NotEqual, f64::NAN), Some(true));
        assert_eq!(compared(Some(1.0), Comparison::Greater, f64::NAN), Some(false));
        assert_eq!(compared(None, Comparison::NotEqual, f64::NAN), None);
    }

    #[test]
    fn a_list_with_a_null_is_never_false() {
        let list = |values: &[f64], has_null| Predicate::In {
            column: value_column(),
            values: values.iter().copied().map(Value::F64).collect(),
            has_null,
        };
        assert_eq!(on_value(Some(1.0), &list(&[1.0], true)), Some(true));
        assert_eq!(on_value(Some(2.0), &list(&[1.0], true)), None);
        assert_eq!(on_value(Some(2.0), &list(&[1.0], false)), Some(false));
        assert_eq!(on_value(None, &list(&[1.0], false)), None);
        assert_eq!(on_value(None, &list(&[], false)), Some(false));
        assert_eq!(on_value(Some(2.0), &list(&[], true)), None);
    }

    #[test]
    fn and_or_not_carry_null() {
        let constant = Predicate::Constant;
        let and = |a, b| on_value(None, &Predicate::And(vec![constant(a), constant(b)]));
        let or = |a, b| on_value(None, &Predicate::Or(vec![constant(a), constant(b)]));
        assert_eq!((and(None, Some(false)), and(None, Some(true))), (Some(false), None));
        assert_eq!((or(None, Some(true)), or(None, Some(false))), (Some(true), None));
        assert_eq!(on_value(None, &Predicate::Not(Box::new(constant(None)))), None);
        assert_eq!(on_value(None, &Predicate::And(vec![])), Some(true));
        assert_eq!(on_value(None, &Predicate::Or(vec![])), Some(false));
    }
}
