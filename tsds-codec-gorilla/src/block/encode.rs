//! Values into a block.

use std::borrow::Cow;

use super::choose::{Choice, write_values};
use super::header::{HEADER_LEN, Header, Mode, NULLS, Shape};
use crate::ints;
use crate::values::Kind;

/// What is to be encoded: at most [`super::MAX_ROWS`] values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockInput<'a> {
    pub(crate) kind: Kind,
    pub(crate) lanes: &'a [i64],
    /// One bit for every row, lowest first, set where it is not null; `None` if no row is null.
    pub(crate) validity: Option<&'a [u64]>,
}

/// Appends a block, and returns how its values are stored.
pub(crate) fn encode_block(input: BlockInput<'_>, choice: Choice, out: &mut Vec<u8>) -> Mode {
    let BlockInput { kind, lanes, validity } = input;
    let start = out.len();
    out.resize(start + HEADER_LEN, 0);
    let mut nulls = 0;
    let mut lanes = Cow::Borrowed(lanes);
    if let Some(validity) = validity {
        nulls = NULLS;
        write_bits(lanes.len(), |row| is_set(validity, row), out);
        fill_nulls(lanes.to_mut(), validity);
    }
    let shape = match kind {
        Kind::Boolean => {
            write_bits(lanes.len(), |row| lanes[row] != 0, out);
            Shape::new(Mode::Bits)
        }
        _ => write_values(kind, &lanes, choice, out),
    };
    let header = Header { kind, shape: Shape { flags: shape.flags | nulls, ..shape }, rows: lanes.len() };
    header.write(&mut out[start..]);
    shape.mode
}

/// The most bytes that a block can have.
pub(crate) fn max_block_len(kind: Kind, rows: usize) -> usize {
    // A stream of bits has at most a bit for every row, or patches that take less, and a directory.
    let bits = 64 + rows.div_ceil(8) + 3 * rows.div_ceil(ints::MINI) + 16;
    let values = match kind {
        Kind::Boolean => bits,
        _ => rows * kind.width(),
    };
    HEADER_LEN + bits + values
}

fn is_set(bits: &[u64], row: usize) -> bool {
    bits.get(row / 64).is_none_or(|word| word >> (row % 64) & 1 == 1)
}

fn write_bits(rows: usize, bit: impl Fn(usize) -> bool, out: &mut Vec<u8>) {
    let bits: Vec<i64> = (0..rows).map(|row| bit(row).into()).collect();
    let set = bits.iter().filter(|bit| **bit == 1).count();
    ints::encode_centred(&bits, i64::from(set * 2 > rows), out);
}

/// Gives nulls, whose values are free, those of the rows before them, which cost least.
fn fill_nulls(lanes: &mut [i64], validity: &[u64]) {
    let mut before = (0..lanes.len()).find(|row| is_set(validity, *row)).map_or(0, |row| lanes[row]);
    for (row, lane) in lanes.iter_mut().enumerate() {
        if is_set(validity, row) {
            before = *lane;
        } else {
            *lane = before;
        }
    }
}
