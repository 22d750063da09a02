//! What the model answers: which rows match, in which order they come, and what functions give.

use std::cmp::Ordering;

use arrow_schema::DataType;
use proptest::prelude::*;
use tsds_engine::query::{Expr, Literal, col};
use tsds_engine::traits::Function;

use super::super::table::{Cell, HOST, ModelColumn, ModelRow, ModelSchema, RACK, TIME};

#[derive(Clone, Debug)]
pub enum Condition {
    /// Of a column at some place: which comparison, with which literals.
    One(u8, u8, u8),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
}

pub fn condition() -> impl Strategy<Value = Condition> {
    let one = (any::<u8>(), any::<u8>(), any::<u8>())
        .prop_map(|(column, comparison, literal)| Condition::One(column, comparison, literal));
    one.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Condition::And(a.into(), b.into())),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Condition::Or(a.into(), b.into())),
            inner.prop_map(|inner| Condition::Not(inner.into())),
        ]
    })
}

pub fn sorted_cmp(a: &Cell, b: &Cell, descending: bool, nulls_first: bool) -> Ordering {
    match (a.is_null(), b.is_null()) {
        (true, true) => Ordering::Equal,
        (false, false) if descending => b.total_cmp(a),
        (false, false) => a.total_cmp(b),
        (a_is_null, _) if a_is_null == nulls_first => Ordering::Less,
        _ => Ordering::Greater,
    }
}

/// Literals of every type, many of them beyond or between the values of narrower ones.
fn literal(data_type: &DataType, which: u8) -> Cell {
    let ints = [-129, -128, -1, 0, 3, 127, 128, 255, 300, 65_536, 5_000_000_000];
    let floats = [-0.4, 0.1, f64::from(0.1f32), 0.0, 0.125, 1e300, -1e300, 0.30000001];
    let which = usize::from(which);
    match data_type {
        DataType::Boolean => Cell::Bool(which.is_multiple_of(2)),
        DataType::Float32 | DataType::Float64 => Cell::Float(floats[which % floats.len()]),
        DataType::Utf8 => Cell::Text(format!("t{}", which % 4)),
        DataType::Dictionary(_, _) => Cell::Text(format!("host-{}", which % 4)),
        _ => Cell::Int(ints[which % ints.len()]),
    }
}

fn engine_literal(cell: &Cell, data_type: &DataType) -> Literal {
    match (cell, data_type) {
        (Cell::Int(value), DataType::Timestamp(_, _)) => Literal::Time(i128::from(*value) * 1_000_000),
        (Cell::Int(value), _) => (*value).into(),
        (Cell::Float(value), _) => (*value).into(),
        (Cell::Bool(value), _) => (*value).into(),
        (Cell::Text(value), _) => value.as_str().into(),
        (Cell::Null, _) => Literal::Null,
    }
}

/// Comparison number eight is whether the column is null, seven a list.
fn one(column: &ModelColumn, comparison: u8, which: u8) -> (u8, Cell, Cell) {
    let data_type = &column.data_type;
    (comparison % 9, literal(data_type, which), literal(data_type, which / 3 + 1))
}

pub fn filter(condition: &Condition, schema: &ModelSchema) -> Expr {
    match condition {
        Condition::One(place, comparison, which) => {
            let column = schema.at(*place);
            let (comparison, first, second) = one(column, *comparison, *which);
            let literal = |cell: &Cell| engine_literal(cell, &column.data_type);
            let name = col(column.name.as_str());
            match comparison {
                0 => name.eq(literal(&first)),
                1 => name.not_eq(literal(&first)),
                2 => name.lt(literal(&first)),
                3 => name.lt_eq(literal(&first)),
                4 => name.gt(literal(&first)),
                5 => name.gt_eq(literal(&first)),
                6 => name.is_in([literal(&first), literal(&second)]),
                7 => name.is_in([literal(&first), Literal::Null]),
                _ => name.is_null(),
            }
        }
        Condition::And(a, b) => filter(a, schema).and(filter(b, schema)),
        Condition::Or(a, b) => filter(a, schema).or(filter(b, schema)),
        Condition::Not(inner) => filter(inner, schema).not(),
    }
}

/// True, false or null.
pub fn truth(condition: &Condition, schema: &ModelSchema, row: &ModelRow) -> Option<bool> {
    match condition {
        Condition::One(place, comparison, which) => {
            let column = schema.at(*place);
            let (comparison, first, second) = one(column, *comparison, *which);
            let cell = row.cell(column.id);
            if comparison == 8 {
                return Some(cell.is_null());
            }
            if cell.is_null() {
                return None;
            }
            let with = |other: &Cell| match (cell, other) {
                // Zeros of both signs are equal.
                (Cell::Float(a), Cell::Float(b)) => a.partial_cmp(b).unwrap(),
                (a, b) => a.total_cmp(b),
            };
            Some(match comparison {
                0 => with(&first).is_eq(),
                1 => with(&first).is_ne(),
                2 => with(&first).is_lt(),
                3 => with(&first).is_le(),
                4 => with(&first).is_gt(),
                5 => with(&first).is_ge(),
                6 => with(&first).is_eq() || with(&second).is_eq(),
                _ if with(&first).is_eq() => true,
                _ => return None,
            })
        }
        Condition::And(a, b) => match (truth(a, schema, row), truth(b, schema, row)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        },
        Condition::Or(a, b) => match (truth(a, schema, row), truth(b, schema, row)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        },
        Condition::Not(inner) => truth(inner, schema, row).map(|value| !value),
    }
}

pub fn functions(column: &ModelColumn) -> Vec<Function> {
    let mut functions = vec![Function::Count, Function::Min, Function::Max, Function::First, Function::Last];
    if column.data_type.is_numeric() {
        functions.extend([Function::Sum, Function::Avg]);
    }
    functions
}

pub fn aggregate(function: Function, column: &ModelColumn, rows: &[&ModelRow]) -> Cell {
    let mut found: Vec<(&Cell, &ModelRow)> = rows.iter().map(|row| (row.cell(column.id), *row)).collect();
    found.retain(|(cell, _)| !cell.is_null());
    let extreme = |cell: Option<&(&Cell, &ModelRow)>| cell.map_or(Cell::Null, |(cell, _)| (*cell).clone());
    match function {
        Function::Count => Cell::Int(found.len() as i64),
        Function::Min => extreme(found.iter().min_by(|(a, _), (b, _)| a.total_cmp(b))),
        Function::Max => extreme(found.iter().max_by(|(a, _), (b, _)| a.total_cmp(b))),
        Function::First | Function::Last => {
            // Stable: equal rows stay in the order of arrival.
            found.sort_by(|(_, a), (_, b)| {
                let by = |column: u32| a.cell(column).total_cmp(b.cell(column));
                by(TIME).then_with(|| by(HOST)).then_with(|| by(RACK))
            });
            extreme(if function == Function::First { found.first() } else { found.last() })
        }
        _ if found.is_empty() => Cell::Null,
        _ => {
            // All of these sums are exact in 64 bits.
            let number = |cell: &Cell| match cell {
                Cell::Int(value) => *value as f64,
                Cell::Float(value) => *value,
                other => panic!("{other:?}"),
            };
            let sum: f64 = found.iter().map(|(cell, _)| number(cell)).fold(0.0, |sum, value| sum + value);
            match (function, &found[0].0) {
                (Function::Avg, _) => Cell::Float(sum / found.len() as f64),
                (_, Cell::Int(_)) => Cell::Int(sum as i64),
                _ => Cell::Float(sum),
            }
        }
    }
}
