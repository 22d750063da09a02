//! Values of any kind, from any bytes, through every mode.

use tsds_codec_gorilla::{Block, Column, Isa, Kind, Mode, ModeChoice, encode, place};

use super::observe;

/// Any bytes are values: every mode gives them back, on every instruction set.
pub fn round_trip(data: &[u8]) {
    let Some((&[kind, how, nulls], data)) = data.split_first_chunk() else { return };
    let kind = Kind::ALL[usize::from(kind) % Kind::ALL.len()];
    let lanes = lanes(kind, how, data);
    let validity = (nulls % 2 == 1).then(|| validity(nulls, lanes.len()));
    let column = Column { kind, lanes: &lanes, validity: validity.as_deref() };
    let choices = Mode::ALL.map(ModeChoice::Only).into_iter().chain([ModeChoice::Shortest]);
    let classic = [0, 3, 4, 5].map(|lanes_log2| ModeChoice::Classic { lanes_log2 });
    for choice in choices.chain(classic) {
        let mut bytes = vec![0xaa; 3];
        let mode = encode(column, choice, &mut bytes).expect("few values");
        check(&bytes[3..], mode, &column);
    }
}

fn check(bytes: &[u8], mode: Mode, column: &Column<'_>) {
    let rows = column.lanes.len();
    let is_valid = |row: usize| column.validity.is_none_or(|words| words[row / 64] >> (row % 64) & 1 == 1);
    let expected: Vec<_> = (0..rows).map(|row| is_valid(row).then_some(column.lanes[row])).collect();
    let part = observe::part(bytes, rows);
    let bound = column.lanes.get(part.start).map_or(0, |lane| place(column.kind, *lane));
    for isa in Isa::available() {
        let block = Block::parse_with(bytes, isa).expect("what was encoded is sound");
        assert_eq!((block.kind(), block.mode(), block.rows()), (column.kind, mode, rows));
        let validity = block.validity().expect("what was encoded is sound");
        let is_valid =
            |row: usize| validity.as_ref().is_none_or(|words| words[row / 64] >> (row % 64) & 1 == 1);
        for range in [0..rows, part.clone()] {
            let values = observe::values(&block, range.clone()).expect("what was encoded is sound");
            let values: Vec<_> =
                range.clone().zip(values).map(|(row, value)| is_valid(row).then_some(value)).collect();
            assert_eq!(values, expected[range], "{mode:?} {isa}");
        }
        let found = block.select(&[bound..=i64::MAX]).expect("what was encoded is sound");
        for (row, lane) in expected.iter().enumerate() {
            let wanted = lane.is_some_and(|lane| place(column.kind, lane) >= bound);
            assert_eq!(found[row / 64] >> (row % 64) & 1 == 1, wanted, "row {row}, {mode:?} {isa}");
        }
    }
}

/// One value for every few bytes: as they are, as steps, as decimals, as few different ones, each cut to the kind.
fn lanes(kind: Kind, how: u8, data: &[u8]) -> Vec<i64> {
    let width = [1, 2, 4, 8][usize::from(how) % 4];
    // Every mini-block and lane sees many values, and the fuzzer many runs.
    let numbers = data.chunks_exact(width).take(2200).map(|bytes| {
        let number = bytes.iter().rev().fold(0i64, |all, byte| all << 8 | i64::from(*byte));
        number << (64 - 8 * width) >> (64 - 8 * width)
    });
    let mut sum = 0i64;
    let mut next = |number: i64| {
        sum = sum.wrapping_add(number);
        match how / 4 % 8 {
            0 => number,
            1 => sum,
            2 => sum.wrapping_mul(1 + i64::from(how / 32) * 500),
            3 => of_float(kind, number as f64 / 10f64.powi(i32::from(how / 32))),
            4 => of_float(kind, sum as f64 / 10f64.powi(i32::from(how / 32))),
            5 => of_float(kind, sum as f64 * 0.1),
            6 => of_float(kind, f64::from((number as f64 / 100.0) as f32)),
            _ => of_float(kind, sum as f64 / f64::from(how / 32).mul_add(2.0, 3.0) / 10.0),
        }
    };
    numbers.map(|number| cut(kind, next(number))).collect()
}

fn of_float(kind: Kind, value: f64) -> i64 {
    match kind {
        Kind::Float64 => value.to_bits() as i64,
        Kind::Float32 => i64::from((value as f32).to_bits()),
        _ => value as i64,
    }
}

/// A lane that a value of the kind can have.
fn cut(kind: Kind, lane: i64) -> i64 {
    match kind {
        Kind::Int8 => i64::from(lane as i8),
        Kind::Int16 => i64::from(lane as i16),
        Kind::Int32 => i64::from(lane as i32),
        Kind::UInt8 => i64::from(lane as u8),
        Kind::UInt16 => i64::from(lane as u16),
        Kind::UInt32 | Kind::Float32 => i64::from(lane as u32),
        Kind::Boolean => lane & 1,
        _ => lane,
    }
}

/// Nulls in runs and alone.
fn validity(nulls: u8, rows: usize) -> Vec<u64> {
    let word = |at: usize| match (usize::from(nulls) + at) % 5 {
        0 => u64::MAX,
        1 => u64::from(nulls).wrapping_mul(0x0101_0102_0408_1020),
        2 => 0,
        3 => !(1 << (nulls % 64)),
        _ => u64::MAX << (nulls % 64),
    };
    (0..rows.div_ceil(64)).map(word).collect()
}
