//! What the kernels should compute, in the plainest way.

use std::cmp::Ordering;

use tsds_traits::{ColumnId, Comparison, Predicate, SortKey, TableSchema, Value};

use crate::common::Row;

/// Compares rows by sort keys, value by value.
pub(crate) fn compare_rows(schema: &TableSchema, keys: &[SortKey], a: &Row, b: &Row) -> Ordering {
    for key in keys {
        let index = schema.index_of(key.column).unwrap();
        let ordering = match (&a[index], &b[index]) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => {
                if key.nulls_first {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
            (Some(_), None) => {
                if key.nulls_first {
                    Ordering::Greater
                } else {
                    Ordering::Less
                }
            }
            (Some(a), Some(b)) => {
                if key.descending {
                    b.cmp(a)
                } else {
                    a.cmp(b)
                }
            }
        };
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
    Ordering::Equal
}

/// The order of rows in a segment.
pub(crate) fn storage_keys(schema: &TableSchema) -> Vec<SortKey> {
    let key = |column| SortKey { column, descending: false, nulls_first: true };
    schema.sort_columns().into_iter().map(key).collect()
}

/// What a predicate says of a row, by definition.
pub(crate) fn kleene(schema: &TableSchema, predicate: &Predicate, row: &Row) -> Option<bool> {
    let cell = |id: &ColumnId| row[schema.index_of(*id).unwrap()].as_ref();
    match predicate {
        Predicate::Constant(value) => *value,
        Predicate::Compare { column, comparison, value } => Some(compares(cell(column)?, *comparison, value)),
        Predicate::In { column, values, has_null } => {
            if values.is_empty() && !has_null {
                return Some(false);
            }
            let cell = cell(column)?;
            let equal = |value| compares(cell, Comparison::Equal, value);
            if values.iter().any(equal) { Some(true) } else { (!has_null).then_some(false) }
        }
        Predicate::IsNull(column) => Some(cell(column).is_none()),
        Predicate::IsNan(column) => Some(cell(column)?.is_nan()),
        Predicate::And(parts) => {
            let values: Vec<_> = parts.iter().map(|part| kleene(schema, part, row)).collect();
            if values.contains(&Some(false)) {
                Some(false)
            } else {
                (!values.contains(&None)).then_some(true)
            }
        }
        Predicate::Or(parts) => {
            let values: Vec<_> = parts.iter().map(|part| kleene(schema, part, row)).collect();
            if values.contains(&Some(true)) { Some(true) } else { (!values.contains(&None)).then_some(false) }
        }
        Predicate::Not(inner) => kleene(schema, inner, row).map(|value| !value),
        other => panic!("no model of {other:?}"),
    }
}

fn compares(cell: &Value, comparison: Comparison, literal: &Value) -> bool {
    let ordering = match (cell, literal) {
        (Value::F64(a), Value::F64(b)) => a.partial_cmp(b),
        (Value::F32(a), Value::F32(b)) => a.partial_cmp(b),
        (a, b) => Some(a.cmp(b)),
    };
    match comparison {
        Comparison::Equal => ordering == Some(Ordering::Equal),
        Comparison::NotEqual => ordering != Some(Ordering::Equal),
        Comparison::Less => ordering == Some(Ordering::Less),
        Comparison::LessOrEqual => matches!(ordering, Some(Ordering::Less | Ordering::Equal)),
        Comparison::Greater => ordering == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => matches!(ordering, Some(Ordering::Greater | Ordering::Equal)),
    }
}
