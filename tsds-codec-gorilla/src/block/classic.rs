//! Values in the codes of the Gorilla paper.

use crate::classic::{
    ClassicLayout, decode_floats32, decode_floats64, decode_times, encode_floats32, encode_floats64,
    encode_times, encoded_len_floats32, encoded_len_floats64, encoded_len_times, layout_of_floats32,
    layout_of_floats64, layout_of_times, most_lanes_log2,
};
use crate::error::Result;
use crate::isa::Isa;
use crate::simd::{Kernel, Narrow, vectorize};
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
    let mut bits = 0usize;
    for start in (0..lanes.len()).step_by(LOOKED_AT) {
        // Codes tell of the values before.
        let some = &lanes[start.saturating_sub(2)..lanes.len().min(start + LOOKED_AT)];
        let before = start.min(2);
        bits += match kind.is_float() {
            true => vectorize(Isa::best(), LeastOfFloats(&some[before.saturating_sub(1)..])),
            false => vectorize(Isa::best(), LeastOfTimes(some)),
        } as usize;
        if bits >= limit {
            return true;
        }
    }
    false
}

/// The bits that the codes of all floats but the first take at least.
struct LeastOfFloats<'a>(&'a [i64]);

impl Kernel for LeastOfFloats<'_> {
    type Output = u64;

    #[inline(always)]
    fn run<S: Narrow>(self, _: S) -> u64 {
        let Some((_, others)) = self.0.split_first() else { return 0 };
        let pairs = self.0.iter().zip(others);
        pairs.fold(0, |bits, (one, other)| {
            let xor = one ^ other;
            // The lowest bit that is set, whose leading zeros vectors count as well.
            let lowest = xor & xor.wrapping_neg();
            let meaningful = u64::from(lowest.leading_zeros()).wrapping_sub(xor.leading_zeros().into());
            bits.wrapping_add(if xor == 0 { 1 } else { meaningful.wrapping_add(3) })
        })
    }
}

/// The bits that the codes of all times but the first two take at least.
struct LeastOfTimes<'a>(&'a [i64]);

impl Kernel for LeastOfTimes<'_> {
    type Output = u64;

    #[inline(always)]
    fn run<S: Narrow>(self, _: S) -> u64 {
        let [_, later @ ..] = self.0 else { return 0 };
        let [_, last @ ..] = later else { return 0 };
        self.0.iter().zip(later).zip(last).fold(0, |bits, ((one, other), third)| {
            let expected = other.wrapping_mul(2).wrapping_sub(*one);
            bits.wrapping_add(if expected == *third { 1 } else { 9 })
        })
    }
}

fn bits64(lanes: &[i64]) -> Vec<u64> {
    lanes.iter().map(|lane| *lane as u64).collect()
}

fn bits32(lanes: &[i64]) -> Vec<u32> {
    lanes.iter().map(|lane| *lane as u32).collect()
}
