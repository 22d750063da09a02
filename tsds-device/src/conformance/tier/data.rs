//! Columns that make the codec take every mode, form and trick.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int32Type, Int64Type, TimestampNanosecondType, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, Float32Array, Float64Array, Int32Array, Int64Array, TimestampNanosecondArray,
    UInt32Array, UInt64Array,
};
use tsds_traits::{ColumnId, Comparison, Predicate, Value};

use crate::conformance::Numbers;

/// Rows, and the lengths of blocks.
pub(crate) const SHAPES: &[(usize, &[usize])] = &[
    (1, &[1]),
    (2, &[1]),
    (130, &[129]),
    (300, &[300]),
    (700, &[31, 32, 33, 127, 128]),
    (2_050, &[2_049]),
    (5_000, &[2_048, 300, 2_000]),
    (9_000, &[9_000]),
];

const SPECIAL: [u64; 8] = [
    0x8000_0000_0000_0000,
    0x7ff0_0000_0000_0000,
    0xfff0_0000_0000_0000,
    0x7ff8_0000_0000_1234,
    0xfff8_0000_0000_0001,
    0x0000_0000_0000_0001,
    0x7fef_ffff_ffff_ffff,
    0x7ff0_0000_0000_0001,
];

fn special(number: u64) -> f64 {
    f64::from_bits(SPECIAL[number as usize % 8])
}

/// A name, and what a row with some noise holds.
type Values<R, V> = (&'static str, fn(R, u64) -> V);

/// The time, and a column for every way in which values are stored.
pub(crate) fn columns(rows: usize, seed: u64) -> Vec<(&'static str, ArrayRef)> {
    let mut columns: Vec<(&'static str, ArrayRef)> = vec![(
        "time",
        Arc::new(TimestampNanosecondArray::from_iter_values(walk(rows, seed, |numbers| {
            1_000_000_000 + numbers.below(3) as i64 * 1_000_000
        }))),
    )];
    let doubles: [Values<u64, f64>; 14] =
        [
            ("tenths", |row, noise| (200 + row % 90 - noise % 3) as f64 / 10.0),
            ("negative tenths", |row, noise| (row as f64 - (noise % 500) as f64) / 10.0),
            ("many places", |_, noise| (noise >> 14) as f64 / 1e18),
            ("whole", |row, noise| (row * 1_000 + noise % 7) as f64),
            ("computed", |row, _| 0.1 * row as f64 + 0.2),
            ("thirtieths", |row, _| (600 + row * 7 % 400) as f64 / 30.0),
            ("single", |_, noise| f64::from(((noise % 9_000) as f64 / 100.0) as f32)),
            ("with exceptions", |row, noise| {
                if row % 23 == 4 { special(noise) } else { (row + noise % 9) as f64 / 100.0 }
            }),
            ("few values", |_, noise| ((noise % 12) as f64).sqrt()),
            ("few odd values", |_, noise| special(noise)),
            ("constant", |_, _| -0.0),
            ("near one", |_, noise| -1.0 + (noise >> 34) as f64 / (1i64 << 53) as f64),
            ("near zero", |row, noise| f64::from_bits(noise % 100) * if row % 2 == 0 { 1.0 } else { -1.0 }),
            ("noise", |_, noise| f64::from_bits(noise)),
        ];
    for (name, value) in doubles {
        let mut numbers = Numbers(seed ^ name.len() as u64);
        let array = Float64Array::from_iter((0..rows as u64).map(|row| {
            let value = value(row, numbers.next());
            (name != "with exceptions" || row % 17 != 3).then_some(value)
        }));
        columns.push((name, Arc::new(array)));
    }
    let singles: [Values<u64, f32>; 4] = [
        ("single hundredths", |row, noise| ((1_000 + row * 7 % 90 + noise % 5) as f64 / 100.0) as f32),
        ("single quarters", |row, noise| {
            if row % 50 == 7 { f32::from_bits(0xffc0_0123) } else { (noise % 1_000) as f32 / -4.0 }
        }),
        ("single near one", |_, noise| 1.0 + (noise % 4_000) as f32 / 8_388_608.0),
        ("single noise", |_, noise| f32::from_bits(noise as u32)),
    ];
    for (name, value) in singles {
        let mut numbers = Numbers(seed ^ name.len() as u64);
        let array = Float32Array::from_iter_values((0..rows as u64).map(|row| value(row, numbers.next())));
        columns.push((name, Arc::new(array)));
    }
    columns.extend(integers(rows, seed));
    columns
}

fn integers(rows: usize, seed: u64) -> Vec<(&'static str, ArrayRef)> {
    let long: [Values<i64, i64>; 10] = [
        ("flat", |_, noise| (noise % 1_000) as i64 - 500),
        ("line", |row, noise| row * 60_001 + (noise % 5) as i64),
        ("cubes", |row, noise| row.wrapping_mul(row).wrapping_mul(row) * 77 + (noise % 2) as i64),
        ("scaled", |row, noise| 7 + (row * 60 + (noise % 3) as i64) * 1_000_000_000),
        ("scaled cubes", |row, _| (row * row * row + row % 2) * -250 - 1),
        ("few wide ones", |row, noise| if row % 37 == 5 { (noise >> 20) as i64 } else { (noise % 8) as i64 }),
        ("many wide ones", |row, noise| (noise % if row % 5 == 2 { 1 << 40 } else { 8 }) as i64),
        ("wide", |_, noise| (noise >> 7) as i64),
        ("wrapping", |_, noise| i64::MAX.wrapping_add((noise % 9) as i64 - 4)),
        ("regular", |row, _| i64::MAX.wrapping_add(row.wrapping_mul(-3))),
    ];
    let mut columns: Vec<(&'static str, ArrayRef)> = Vec::new();
    for (name, value) in long {
        let mut numbers = Numbers(seed ^ name.len() as u64);
        let array = Int64Array::from_iter_values((0..rows as i64).map(|row| value(row, numbers.next())));
        columns.push((name, Arc::new(array)));
    }
    let mut numbers = Numbers(seed);
    columns.push((
        "signed",
        Arc::new(Int32Array::from_iter((0..rows as i32).map(|row| {
            let value = row - 2_000 + (numbers.next() % 11) as i32;
            (row % 13 != 0).then_some(value)
        }))),
    ));
    let array = UInt32Array::from_iter_values((0..rows as u32).map(|row| u32::MAX - 7 * row));
    columns.push(("counting down", Arc::new(array)));
    let array =
        UInt64Array::from_iter_values((0..rows as u64).map(|row| (1 << 63) + row * 3 + numbers.next() % 3));
    columns.push(("large", Arc::new(array)));
    columns
}

/// What sensors send: a regular time, decimals that walk, a counter, and a few states.
pub(crate) fn readings(rows: usize) -> Vec<(&'static str, ArrayRef)> {
    let decimals = |seed, step: u64| {
        let walked = walk(rows, seed, |numbers| numbers.below(2 * step + 1) as i64 - step as i64);
        Arc::new(Float64Array::from_iter_values(walked.map(|number| number as f64 / 100.0))) as ArrayRef
    };
    let mut numbers = Numbers(5);
    vec![
        (
            "time",
            Arc::new(TimestampNanosecondArray::from_iter_values(
                (0..rows as i64).map(|row| row * 1_000_000_000),
            )),
        ),
        ("temperature", decimals(1, 20)),
        ("pressure", decimals(2, 900)),
        (
            "counter",
            Arc::new(Int64Array::from_iter_values(walk(rows, 3, |numbers| numbers.below(50) as i64))),
        ),
        ("state", Arc::new(Int32Array::from_iter_values((0..rows).map(|_| numbers.below(4) as i32)))),
    ]
}

fn walk(rows: usize, seed: u64, step: impl Fn(&mut Numbers) -> i64) -> impl Iterator<Item = i64> {
    let mut numbers = Numbers(seed);
    let mut place = 1_700_000_000i64;
    (0..rows).map(move |_| {
        place += step(&mut numbers);
        place
    })
}

/// Comparisons with values of the column, and the tests that have no literal.
pub(crate) fn predicates(column: ColumnId, array: &ArrayRef, seed: u64) -> Vec<Predicate> {
    let mut numbers = Numbers(seed);
    let mut predicates = vec![Predicate::Not(Box::new(Predicate::IsNull(column)))];
    if array.data_type().is_floating() {
        predicates.push(Predicate::IsNan(column));
        predicates.push(Predicate::Not(Box::new(Predicate::IsNan(column))));
    }
    for comparison in Comparison::ALL {
        let row = numbers.below(array.len() as u64) as usize;
        if let Some(value) = value(array, row) {
            predicates.push(Predicate::Compare { column, comparison, value });
        }
    }
    let values: Vec<Value> =
        (0..4).filter_map(|_| value(array, numbers.below(array.len() as u64) as usize)).collect();
    predicates.push(Predicate::In { column, values, has_null: false });
    predicates
}

/// The value of a row.
pub(crate) fn value(array: &ArrayRef, row: usize) -> Option<Value> {
    if array.is_null(row) {
        return None;
    }
    macro_rules! as_value {
        ($($type:ty => $value:expr),*) => {
            $(if let Some(array) = array.as_primitive_opt::<$type>() {
                #[allow(clippy::redundant_closure_call, reason = "one closure for each type")]
                return Some(($value)(array.value(row)));
            })*
        };
    }
    as_value!(
        Float64Type => Value::F64, Float32Type => Value::F32, Int64Type => Value::Int, UInt64Type => Value::UInt,
        TimestampNanosecondType => Value::Int, Int32Type => |value: i32| Value::Int(value.into()),
        UInt32Type => |value: u32| Value::UInt(value.into())
    );
    None
}
