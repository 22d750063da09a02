//! Values of one width, one after the other, lowest bit first.

use super::MAX_NARROW;

/// The narrowest width that holds `value` and that can be packed: 58 to 63 bits take 64.
#[inline(always)]
pub(crate) fn bit_width(value: u64) -> u32 {
    let bits = 64 - value.leading_zeros();
    if bits > MAX_NARROW { 64 } else { bits }
}

/// How many bytes `count` values of `width` bits take.
#[inline(always)]
pub(crate) fn packed_len(count: usize, width: u32) -> usize {
    count.wrapping_mul(width as usize).div_ceil(8)
}

/// Appends the lowest `width` bits of every value. What is above them is ignored; spare bits of the last byte are zero.
pub(crate) fn pack_into(values: &[u64], width: u32, out: &mut Vec<u8>) {
    if width == 0 {
        return;
    }
    if width == 64 {
        values.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
        return;
    }
    let end = out.len() + packed_len(values.len(), width);
    out.reserve(packed_len(values.len(), width) + 8);
    let mask = (1u64 << width) - 1;
    let (mut word, mut filled) = (0u64, 0u32);
    for value in values {
        let value = value & mask;
        word |= value << filled;
        filled += width;
        if filled >= 64 {
            out.extend_from_slice(&word.to_le_bytes());
            filled -= 64;
            // At most `width - 1` bits are left over, so the shift is at least 1 and at most 57.
            word = if filled == 0 { 0 } else { value >> (width - filled) };
        }
    }
    out.extend_from_slice(&word.to_le_bytes());
    out.truncate(end);
}
