//! Values into a block.

use std::borrow::Cow;

use super::choose::{ModeChoice, write_values};
use super::header::{HEADER_LEN, Header, MAX_ROWS, Mode, NULLS, Shape};
use crate::ints;
use crate::values::{Kind, is_set};

/// What is to be encoded: at most [`super::MAX_ROWS`] values.
#[derive(Clone, Copy, Debug)]
pub struct Column<'a> {
    /// What the values are.
    pub kind: Kind,
    /// The values: integers as they are, those without a sign with zeros above, floats as their bits, booleans as 0 or 1.
    /// Those of null rows can be anything and change nothing.
    pub lanes: &'a [i64],
    /// One bit for every row, lowest first, set where it is not null; `None` if no row is null.
    pub validity: Option<&'a [u64]>,
}

/// Appends a block with the values of a column, and returns how they are stored; `None`, and nothing appended, for more
/// than [`MAX_ROWS`] values. The bytes depend on the values and nulls only.
///
/// ```
/// use tsds_codec_gorilla::{Block, Column, Kind, Mode, ModeChoice, encode};
///
/// let temperatures: Vec<i64> = (0..1000).map(|i| (f64::from(i % 300) / 10.0).to_bits() as i64).collect();
/// let column = Column { kind: Kind::Float64, lanes: &temperatures, validity: None };
/// let mut bytes = Vec::new();
/// assert_eq!(encode(column, ModeChoice::Shortest, &mut bytes), Some(Mode::Decimal));
/// assert!(bytes.len() < 200);
///
/// let block = Block::parse(&bytes)?;
/// let mut some = vec![0; 10];
/// block.read_lanes(500..510, &mut some)?;
/// assert_eq!(some, temperatures[500..510]);
/// # Ok::<(), tsds_codec_gorilla::Damaged>(())
/// ```
pub fn encode(column: Column<'_>, choice: ModeChoice, out: &mut Vec<u8>) -> Option<Mode> {
    let Column { kind, lanes, validity } = column;
    if lanes.len() > MAX_ROWS {
        return None;
    }
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
        _ => write_values(kind, &lanes, validity, choice, out),
    };
    let header = Header { kind, shape: Shape { flags: shape.flags | nulls, ..shape }, rows: lanes.len() };
    header.write(&mut out[start..]);
    Some(shape.mode)
}

/// The most bytes that a block of so many rows can have.
pub fn max_block_len(kind: Kind, rows: usize) -> usize {
    // A stream of bits has at most a bit for every row, or patches that take less, and a directory.
    let bits = 64 + rows.div_ceil(8) + 3 * rows.div_ceil(ints::MINI) + 16;
    let values = match kind {
        Kind::Boolean => bits,
        _ => rows * kind.width(),
    };
    HEADER_LEN + bits + values
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
