//! Where decoding can begin: for those who decode many rows of a block at once, each thread some of them by itself.

use super::code::{Code, Known, Read};
use super::lanes::{self, Headed};
use super::most_lanes_log2;
use crate::error::{Damaged, Result};

/// The codes of a block of [`Mode::Classic`](crate::Mode): those of each lane in a string of its own, whatever they were interleaved with,
/// and places to begin at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassicLayout {
    /// The strings of all lanes, in the order of their rows, each from a new word on. Of a word the highest bit comes first. A block
    /// without lanes has one string.
    pub words: Vec<u32>,
    /// Ascending by rows: the first row of each lane is one, and each so many rows after it.
    pub places: Vec<ClassicPlace>,
}

/// A row from which on a lane can be decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassicPlace {
    /// The row in the block.
    pub row: usize,
    /// Its value: an integer, or the bits of a float.
    pub value: u64,
    /// Of integers the delta, to which the next code adds. Of floats the last window of meaningful bits: how many leading zeros it has, times 64
    /// (32 for floats of 32 bits), and its length less one.
    pub state: u64,
    /// The bit of the words with which the code of the next row begins, if it is not a place, too.
    pub bit: u64,
}

/// The strings and places of a block of `rows` rows, with a place for each `step` rows of a lane.
pub(super) fn layout<C: Headed>(
    bytes: &[u8],
    lanes_log2: u32,
    rows: usize,
    step: usize,
) -> Result<ClassicLayout> {
    if lanes_log2 > most_lanes_log2(rows) {
        return Err(Damaged::new("it has too many lanes for so few rows"));
    }
    let step = step.max(1);
    match lanes_log2 {
        0 => of_string::<C>(bytes, rows, step),
        3 => lanes::layout::<C, 8>(bytes, rows, step),
        4 => lanes::layout::<C, 16>(bytes, rows, step),
        5 => lanes::layout::<C, 32>(bytes, rows, step),
        _ => Err(Damaged::new("it has a number of lanes that no block has")),
    }
}

fn of_string<C: Code>(bytes: &[u8], rows: usize, step: usize) -> Result<ClassicLayout> {
    let mut known = Known { value: window(bytes, 0) >> (64 - C::VALUE_BITS), state: C::BEGIN };
    let mut bit = u64::from(C::VALUE_BITS);
    let mut places = Vec::with_capacity(rows.div_ceil(step));
    for row in 0..rows {
        if row > 0 {
            let Read { known: next, length } = read::<C>(known, |more| window(bytes, bit + more));
            known = next;
            bit += u64::from(length);
        }
        if row % step == 0 {
            places.push(ClassicPlace { row, value: known.value, state: known.state, bit });
        }
    }
    if rows > 0 && bit > bytes.len() as u64 * 8 {
        return Err(Damaged::new("codes do not end with the bytes"));
    }
    let word =
        |bytes: &[u8]| (0..4).fold(0, |word, at| word << 8 | u32::from(bytes.get(at).copied().unwrap_or(0)));
    let words = bytes.chunks(4).map(word).collect();
    Ok(ClassicLayout { words, places })
}

/// The next code, also a long one. `window` gives the 64 bits from so many further on.
pub(super) fn read<C: Code>(known: Known, window: impl Fn(u64) -> u64) -> Read {
    let read = C::read(window(0), known);
    if C::LONGEST <= 64 || read.length <= 64 {
        return read;
    }
    let rest = window(64).wrapping_shr(128u32.wrapping_sub(read.length));
    Read { known: C::read_rest(rest, read.known), ..read }
}

/// The 64 bits from a position on; beyond the end there are zeros.
#[inline(always)]
fn window(bytes: &[u8], position: u64) -> u64 {
    let shift = (position % 8) as u32;
    let at = usize::try_from(position / 8).unwrap_or(usize::MAX);
    let tail = bytes.get(at..).unwrap_or_default();
    if let Some(nine) = tail.first_chunk::<9>() {
        let [eight @ .., ninth] = nine;
        return u64::from_be_bytes(*eight) << shift | u64::from(*ninth) >> (8 - shift);
    }
    window_at_end(tail, shift)
}

#[cold]
#[inline(never)]
fn window_at_end(tail: &[u8], shift: u32) -> u64 {
    let mut padded = [0; 16];
    for (to, from) in padded.iter_mut().zip(tail) {
        *to = *from;
    }
    ((u128::from_be_bytes(padded) << shift) >> 64) as u64
}
