//! The bit codes of the Gorilla paper, of whole columns: times and other integers as deltas of deltas, floats XORed.
//!
//! Pelkonen et al., "Gorilla: A Fast, Scalable, In-Memory Time Series Database", VLDB 2015, sections 4.1.1 and 4.1.2. Where it
//! leaves off:
//!
//! - Times are not in seconds, and any integer may be coded: the last bucket has 64 bits instead of 32, and arithmetic wraps.
//! - Of a delta of deltas in a bucket, the difference to the least one of that bucket is written.
//! - The first value is written as it is, and the first delta is one like all others, after a delta of zero.
//! - 32-bit floats have 5 bits for the count of meaningful bits.
//!
//! `docs/formats/gorilla-classic.md` has both layouts: one string of bits for everybody to read, and lanes that are decoded in
//! lock-step.

mod bits;
mod code;
mod floats;
mod lanes;
mod places;
mod serial;
#[cfg(test)]
mod tests;
mod times;

use floats::{Floats32, Floats64};
use lanes::{Decoded, Headed};
pub use places::{ClassicLayout, ClassicPlace};
use serial::Serial;
use times::Times;

use crate::error::{Damaged, Result};
use crate::isa::Isa;

/// Rows that a lane has at least.
const ROWS_PER_LANE: usize = 64;

/// The largest `lanes_log2` that so many rows may be laid out with; 3 to 5 stand for 8 to 32 lanes, 0 for the layout that has
/// none.
pub(crate) fn most_lanes_log2(rows: usize) -> u32 {
    let fits = |&lanes_log2: &u32| rows >> lanes_log2 >= ROWS_PER_LANE && u32::try_from(rows).is_ok();
    [5, 4, 3].into_iter().find(fits).unwrap_or(0)
}

/// Bytes that [`encode_times`] appends without lanes.
pub(crate) fn encoded_len_times(values: &[i64]) -> usize {
    serial::bytes_for::<Times>(values.len(), times::length_of_all(values))
}

/// Bytes that [`encode_floats64`] appends without lanes.
pub(crate) fn encoded_len_floats64(values: &[u64]) -> usize {
    serial::bytes_for::<Floats64>(values.len(), floats::length_of_all::<Floats64, _>(values))
}

/// Bytes that [`encode_floats32`] appends without lanes.
pub(crate) fn encoded_len_floats32(values: &[u32]) -> usize {
    serial::bytes_for::<Floats32>(values.len(), floats::length_of_all::<Floats32, _>(values))
}

/// Appends integers. `lanes_log2` is not above [`most_lanes_log2`].
pub(crate) fn encode_times(values: &[i64], lanes_log2: u32, out: &mut Vec<u8>) {
    encode::<Times>(values, lanes_log2, out);
}

/// Appends the bits of 64-bit floats. `lanes_log2` is not above [`most_lanes_log2`].
pub(crate) fn encode_floats64(values: &[u64], lanes_log2: u32, out: &mut Vec<u8>) {
    encode::<Floats64>(values, lanes_log2, out);
}

/// Appends the bits of 32-bit floats. `lanes_log2` is not above [`most_lanes_log2`].
pub(crate) fn encode_floats32(values: &[u32], lanes_log2: u32, out: &mut Vec<u8>) {
    encode::<Floats32>(values, lanes_log2, out);
}

/// Decodes what [`encode_times`] appended: as many integers as `out` is long.
pub(crate) fn decode_times(bytes: &[u8], lanes_log2: u32, out: &mut [i64], isa: Isa) -> Result<()> {
    decode::<Times>(bytes, lanes_log2, out, isa)
}

/// Decodes what [`encode_floats64`] appended: as many floats as `out` is long.
pub(crate) fn decode_floats64(bytes: &[u8], lanes_log2: u32, out: &mut [u64], isa: Isa) -> Result<()> {
    decode::<Floats64>(bytes, lanes_log2, out, isa)
}

/// Decodes what [`encode_floats32`] appended: as many floats as `out` is long.
pub(crate) fn decode_floats32(bytes: &[u8], lanes_log2: u32, out: &mut [u32], isa: Isa) -> Result<()> {
    decode::<Floats32>(bytes, lanes_log2, out, isa)
}

/// Where integers can be decoded from: for each `step` rows of each lane.
pub(crate) fn layout_of_times(
    bytes: &[u8],
    lanes_log2: u32,
    rows: usize,
    step: usize,
) -> Result<ClassicLayout> {
    places::layout::<Times>(bytes, lanes_log2, rows, step)
}

/// Where 64-bit floats can be decoded from: for each `step` rows of each lane.
pub(crate) fn layout_of_floats64(
    bytes: &[u8],
    lanes_log2: u32,
    rows: usize,
    step: usize,
) -> Result<ClassicLayout> {
    places::layout::<Floats64>(bytes, lanes_log2, rows, step)
}

/// Where 32-bit floats can be decoded from: for each `step` rows of each lane.
pub(crate) fn layout_of_floats32(
    bytes: &[u8],
    lanes_log2: u32,
    rows: usize,
    step: usize,
) -> Result<ClassicLayout> {
    places::layout::<Floats32>(bytes, lanes_log2, rows, step)
}

fn encode<C: Headed>(values: &[C::Value], lanes_log2: u32, out: &mut Vec<u8>) {
    debug_assert!(lanes_log2 <= most_lanes_log2(values.len()), "too many lanes for so few rows");
    match lanes_log2 {
        0 => serial::encode::<C>(values, out),
        _ => lanes::encode::<C>(values, 1 << lanes_log2, out),
    }
}

fn decode<C: Decoded + Serial>(bytes: &[u8], lanes_log2: u32, out: &mut [C::Value], isa: Isa) -> Result<()> {
    if lanes_log2 > most_lanes_log2(out.len()) {
        return Err(Damaged::new("it has too many lanes for so few rows"));
    }
    match lanes_log2 {
        0 => serial::decode::<C>(bytes, out),
        3 => lanes::decode::<C, 8, 2, 1>(bytes, out, isa),
        4 => lanes::decode::<C, 16, 4, 2>(bytes, out, isa),
        5 => lanes::decode::<C, 32, 8, 4>(bytes, out, isa),
        _ => Err(Damaged::new("it has a number of lanes that no block has")),
    }
}
