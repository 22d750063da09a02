//! Values in the codes of the Gorilla paper.

use crate::classic::{
    ClassicLayout, decode_floats32, decode_floats64, decode_times, encode_floats32, encode_floats64,
    encode_times, encoded_len_floats32, encoded_len_floats64, encoded_len_times, layout_of_floats32,
    layout_of_floats64, layout_of_times, most_lanes_log2,
};
use crate::error::Result;
use crate::isa::Isa;
use crate::values::Kind;

/// Appends values in 2^`lanes_log2` lanes, or as many as their number allows, and returns the logarithm of the number of
/// lanes that it took.
pub(super) fn write(kind: Kind, lanes: &[i64], lanes_log2: u8, out: &mut Vec<u8>) -> u8 {
    let most = most_lanes_log2(lanes.len());
    // Fewer than eight lanes are not worth a vector.
    let lanes_log2 = if u32::from(lanes_log2) < 3 { 0 } else { u32::from(lanes_log2).min(most) };
    match kind {
        Kind::Float64 => encode_floats64(&bits64(lanes), lanes_log2, out),
        Kind::Float32 => encode_floats32(&bits32(lanes), lanes_log2, out),
        _ => encode_times(lanes, lanes_log2, out),
    }
    lanes_log2 as u8
}

/// All values, into `out`.
pub(super) fn read(kind: Kind, bytes: &[u8], lanes_log2: u8, isa: Isa, out: &mut [i64]) -> Result<()> {
    let lanes_log2 = u32::from(lanes_log2);
    match kind {
        Kind::Float64 => {
            let mut bits = vec![0; out.len()];
            decode_floats64(bytes, lanes_log2, &mut bits, isa)?;
            out.iter_mut().zip(bits).for_each(|(lane, bits)| *lane = bits as i64);
            Ok(())
        }
        Kind::Float32 => {
            let mut bits = vec![0; out.len()];
            decode_floats32(bytes, lanes_log2, &mut bits, isa)?;
            out.iter_mut().zip(bits).for_each(|(lane, bits)| *lane = i64::from(bits));
            Ok(())
        }
        _ => decode_times(bytes, lanes_log2, out, isa),
    }
}

/// Where values can be decoded from.
pub(super) fn layout(
    kind: Kind,
    bytes: &[u8],
    lanes_log2: u8,
    rows: usize,
    step: usize,
) -> Result<ClassicLayout> {
    let lanes_log2 = u32::from(lanes_log2);
    match kind {
        Kind::Float64 => layout_of_floats64(bytes, lanes_log2, rows, step),
        Kind::Float32 => layout_of_floats32(bytes, lanes_log2, rows, step),
        _ => layout_of_times(bytes, lanes_log2, rows, step),
    }
}

/// How long values are in the codes of the paper, in one lane, if that is less than `limit`.
pub(super) fn len_below(kind: Kind, lanes: &[i64], limit: usize) -> Option<usize> {
    if are_at_least(kind, lanes, limit.saturating_mul(8)) {
        return None;
    }
    let len = match kind {
        Kind::Float64 => encoded_len_floats64(&bits64(lanes)),
        Kind::Float32 => encoded_len_floats32(&bits32(lanes)),
        _ => encoded_len_times(lanes),
    };
    (len < limit).then_some(len)
}

/// How many values are looked at before it is asked whether that is enough.
const LOOKED_AT: usize = 256;

/// Whether the codes take no fewer bits than `limit`: most often few values say so. The codes take at least 1 bit for what was
/// foretold; else 9 for a time, and 2 and those that differ for a float.
fn are_at_least(kind: Kind, lanes: &[i64], limit: usize) -> bool {
    let cost_of_float = |pair: &[i64]| match (pair[0] ^ pair[1]) as u64 {
        0 => 1,
        xor => 66 - xor.leading_zeros() - xor.trailing_zeros(),
    };
    let cost_of_time = |three: &[i64]| {
        let expected = three[1].wrapping_mul(2).wrapping_sub(three[0]);
        if expected == three[2] { 1u32 } else { 9 }
    };
    let mut bits = 0usize;
    for start in (0..lanes.len()).step_by(LOOKED_AT) {
        // Codes tell of the values before.
        let some = &lanes[start.saturating_sub(2)..lanes.len().min(start + LOOKED_AT)];
        let before = start.min(2);
        bits += match kind.is_float() {
            true => {
                some[before.saturating_sub(1)..].windows(2).map(|pair| cost_of_float(pair) as usize).sum()
            }
            false => some.windows(3).map(|three| cost_of_time(three) as usize).sum::<usize>(),
        };
        if bits >= limit {
            return true;
        }
    }
    false
}

fn bits64(lanes: &[i64]) -> Vec<u64> {
    lanes.iter().map(|lane| *lane as u64).collect()
}

fn bits32(lanes: &[i64]) -> Vec<u32> {
    lanes.iter().map(|lane| *lane as u32).collect()
}
