//! Reads a block by what its layout says and by the formulas of `docs/formats/gorilla.md`, bit by bit and row by row.

use tsds_codec_gorilla::{Block, ClassicLayout, Form, IntegersLayout, Kind, Layout};

/// The values of a block; `None` for damage.
pub fn read(bytes: &[u8], block: &Block<'_>) -> Option<Vec<i64>> {
    if let Ok(Some(layout)) = block.validity_layout() {
        assert_eq!(integers(bytes, &layout).len(), block.rows());
    }
    let kind = block.kind();
    Some(match block.layout().ok()? {
        Layout::Raw(offset) => {
            (0..block.rows()).map(|row| raw(kind, &bytes[offset + row * kind.width()..])).collect()
        }
        Layout::Progression { first, step } => {
            (0..block.rows() as i64).map(|row| first.wrapping_add(row.wrapping_mul(step))).collect()
        }
        Layout::Integers(layout) => {
            integers(bytes, &layout).into_iter().map(|place| lane(kind, place)).collect()
        }
        Layout::Decimal { numbers, divisor, single, corrections, exception_rows, exceptions, .. } => {
            let corrections = corrections.map(|layout| integers(bytes, &layout));
            let quotient = |(row, number): (usize, i64)| {
                let quotient = number as f64 / divisor;
                let quotient = if single { f64::from(quotient as f32) } else { quotient };
                let correction = corrections.as_ref().map_or(0, |all| all[row]);
                let corrected = (quotient.to_bits() as i64).wrapping_add(correction);
                match kind {
                    Kind::Float32 => i64::from((f64::from_bits(corrected as u64) as f32).to_bits()),
                    _ => corrected,
                }
            };
            let mut values: Vec<i64> =
                integers(bytes, &numbers).into_iter().enumerate().map(quotient).collect();
            for (row, exception) in exception_rows.iter().zip(exceptions) {
                values[*row as usize] = *exception;
            }
            values
        }
        Layout::Dictionary { lanes, codes, .. } => {
            let look_up = |code: i64| usize::try_from(code).ok().and_then(|code| lanes.get(code)).copied();
            return integers(bytes, &codes).into_iter().map(look_up).collect();
        }
        Layout::Bits(layout) => integers(bytes, &layout).into_iter().map(|bit| i64::from(bit == 1)).collect(),
        // Places of any distance lead to the same values.
        Layout::Classic { .. } => {
            let step = 1 + bytes.len() % 150;
            classic(kind, block.rows(), &block.classic_layout(step).ok()??)
        }
        _ => return None,
    })
}

/// Decodes the codes of the paper from each place on.
fn classic(kind: Kind, rows: usize, layout: &ClassicLayout) -> Vec<i64> {
    let bits = |at: u64, width: u32| {
        (at..at + u64::from(width)).fold(0u64, |value, at| {
            let word = layout.words.get((at / 32) as usize).copied().unwrap_or(0);
            value << 1 | u64::from(word >> (31 - at % 32) & 1)
        })
    };
    let width: u32 = if kind == Kind::Float32 { 32 } else { 64 };
    let ends = layout.places.iter().skip(1).map(|place| place.row).chain([rows]);
    let mut values = Vec::new();
    for (place, end) in layout.places.iter().zip(ends) {
        assert_eq!(place.row, values.len(), "a place follows the rows before it");
        let (mut value, mut state, mut at) = (place.value, place.state, place.bit);
        values.push(value as i64);
        for _ in place.row + 1..end {
            let is = |bit: u64| bits(at + bit, 1) == 1;
            if kind.is_float() {
                if !is(0) {
                    at += 1;
                } else {
                    let sizes = 5 + width.ilog2();
                    if is(1) {
                        state = bits(at + 2, sizes);
                        at += u64::from(sizes);
                    }
                    let (leading, length) = (state / u64::from(width), state as u32 % width + 1);
                    let changes = bits(at + 2, length) << (width - length);
                    value ^= changes >> leading;
                    at += 2 + u64::from(length);
                }
            } else {
                let ones = (0..4).take_while(|bit| is(*bit)).count();
                let (control, payload, least) =
                    [(1, 0, 0), (2, 7, 63), (3, 9, 255), (4, 12, 2047), (4, 64, 0)][ones];
                state = state.wrapping_add(bits(at + control, payload)).wrapping_sub(least);
                value = value.wrapping_add(state);
                at += control + u64::from(payload);
            }
            values.push(value as i64);
        }
    }
    values
}

/// The lane of a value as Arrow lays it out.
fn raw(kind: Kind, bytes: &[u8]) -> i64 {
    let width = kind.width();
    let unsigned = bits(bytes, 0, width as u32 * 8) as i64;
    let unused = 64 - 8 * width;
    match kind {
        Kind::Int8 | Kind::Int16 | Kind::Int32 => unsigned << unused >> unused,
        _ => unsigned,
    }
}

/// The lane at a place in the order of a type.
fn lane(kind: Kind, place: i64) -> i64 {
    match kind {
        Kind::Float64 if place < 0 => place ^ i64::MAX,
        Kind::Float32 if (place as i32) < 0 => i64::from((place as i32 ^ i32::MAX) as u32),
        Kind::Float32 => i64::from(place as u32),
        _ => place,
    }
}

fn unzigzag(number: u64) -> i64 {
    if number & 1 == 0 { (number >> 1) as i64 } else { !((number >> 1) as i64) }
}

fn bits(bytes: &[u8], at: usize, width: u32) -> u64 {
    (at..at + width as usize).rev().fold(0, |value, at| value << 1 | u64::from(bytes[at / 8] >> (at % 8) & 1))
}

fn integers(bytes: &[u8], layout: &IntegersLayout) -> Vec<i64> {
    let mut values = Vec::new();
    let (factor, offset) = layout.scale;
    for mini in &layout.minis {
        let width = mini.width;
        let at = |row: usize| mini.offset * 8 + row * width as usize;
        let mut numbers: Vec<u64> = (0..mini.rows).map(|row| bits(bytes, at(row), width)).collect();
        let mut rows: Vec<usize> = if mini.patches > 18 {
            (0..128).filter(|row| bits(bytes, mini.positions_offset * 8 + row, 1) == 1).collect()
        } else {
            (0..mini.patches).map(|at| bits(bytes, mini.positions_offset * 8 + 7 * at, 7) as usize).collect()
        };
        rows.sort_unstable();
        rows.dedup();
        if rows.len() == mini.patches {
            for (at, row) in rows.into_iter().enumerate() {
                let at = mini.patches_offset * 8 + at * mini.patch_width as usize;
                let upper = bits(bytes, at, mini.patch_width).wrapping_add(1);
                if let Some(number) = numbers.get_mut(row) {
                    *number = number.wrapping_add(upper << width);
                }
            }
        }
        let (mut sum, mut sum_of_sums) = (0i64, 0i64);
        for (row, number) in (0i64..).zip(numbers) {
            let change = unzigzag(number);
            sum = sum.wrapping_add(change);
            sum_of_sums = sum_of_sums.wrapping_add(sum);
            let value = match layout.form {
                Form::Flat => mini.base.wrapping_add(number as i64),
                Form::Centred => layout.centre.wrapping_add(change),
                Form::Delta => mini.base.wrapping_add(layout.centre.wrapping_mul(row)).wrapping_add(sum),
                Form::DeltaOfDelta => {
                    mini.base.wrapping_add(mini.step.wrapping_mul(row)).wrapping_add(sum_of_sums)
                }
                _ => unreachable!("a form that this reader does not know"),
            };
            values.push(value.wrapping_mul(factor).wrapping_add(offset));
        }
    }
    values
}
