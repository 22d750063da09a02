//! Bytes and bits: a cursor over untrusted bytes, variable-length integers, packed arrays.

mod pack;
mod packed;
mod reader;

pub(crate) use pack::{bit_width, pack_into, packed_len};
pub(crate) use packed::{Packed, write_packed};
pub(crate) use reader::Reader;

/// The widest value that a window of eight bytes at any bit offset holds.
pub(crate) const MAX_NARROW: u32 = 57;

/// Appends `value` as LEB128.
pub(crate) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends `value` as LEB128, small magnitudes in few bytes.
pub(crate) fn put_signed(value: i64, out: &mut Vec<u8>) {
    put_varint(zigzag(value), out);
}

/// 0, -1, 1, -2, … become 0, 1, 2, 3, …
#[inline(always)]
pub(crate) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The opposite of [`zigzag`].
#[inline(always)]
pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
