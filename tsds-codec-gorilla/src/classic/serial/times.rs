//! A string of times.

use super::string::{BitString, Serial, byte_at, window};
use crate::classic::code::Known;
use crate::classic::times::{BY_NIBBLE, Times};

/// Codes that are read between two looks at the bytes: as many as have 56 bits together, if none is an escape.
const AT_ONCE: usize = 3;

/// Zero bits that are decoded at once.
const WORTHWHILE: u32 = 12;

/// Windows that begin with an escape are no less.
const ESCAPES: u64 = 0b1111 << 60;
const ESCAPE_CONTROL: u64 = 4;
const ESCAPE_PAYLOAD: u64 = 64;

/// For each three bits that a code can begin with, how many bits it has less one, in a byte. Of escapes it says what is true of the
/// bucket before.
const LENGTHS: u64 = lengths();

const fn lengths() -> u64 {
    let mut lengths = 0;
    let mut begin = 0;
    while begin < 8 {
        let length = BY_NIBBLE[begin * 2] >> 16 & 0xff;
        lengths |= (length - 1) << (8 * begin);
        begin += 1;
    }
    lengths
}

/// Bits that have been taken from the bytes.
struct Buffer {
    /// The next bits from the highest on. Below those that count there are bits that come after them, or zeros.
    bits: u64,
    /// How many count: at most 63.
    count: u32,
    /// The byte after those that are in it.
    next: usize,
}

impl Buffer {
    /// From a position on; empty if there are no more bytes.
    #[inline(always)]
    fn at(bytes: &[u8], position: u64) -> Self {
        let (at, read) = (byte_at(position), (position % 8) as u32);
        match bytes.get(at) {
            Some(byte) => Self { bits: u64::from(*byte) << 56 << read, count: 8 - read, next: at + 1 },
            None => Self { bits: 0, count: 0, next: at },
        }
    }

    /// Takes bytes until at least 56 bits count.
    #[inline(always)]
    fn fill(&mut self, bytes: &[u8]) -> Option<()> {
        let word = bytes.get(self.next..)?.first_chunk::<8>()?;
        self.bits |= u64::from_be_bytes(*word) >> self.count;
        self.next = self.next.wrapping_add((63u32.wrapping_sub(self.count) / 8) as usize);
        self.count |= 56;
        Some(())
    }

    /// Goes on by less than 64 bits, which count.
    #[inline(always)]
    fn skip(&mut self, bits: u32) {
        self.bits = self.bits.wrapping_shl(bits);
        self.count = self.count.wrapping_sub(bits);
    }

    /// Goes on by one bit and those that the lowest byte of `more` says, together less than 64, which count.
    #[inline(always)]
    fn skip_one_and(&mut self, more: u32) {
        // What is above the byte does not matter to a shift.
        self.bits = (self.bits << 1).wrapping_shl(more);
        self.count = self.count.wrapping_sub(1).wrapping_sub(more & 0xff);
    }

    /// The position of the next bit.
    #[inline(always)]
    fn position(&self) -> u64 {
        (self.next as u64).wrapping_mul(8).wrapping_sub(self.count.into())
    }
}

impl Serial for Times {
    /// On its own, so that everything is in registers.
    #[inline(never)]
    fn read_many(string: &mut BitString<'_>, known: &mut Known, mut out: &mut [i64]) -> usize {
        let bytes = string.bytes;
        let rows = out.len();
        let Known { mut value, state: mut delta } = *known;
        let mut buffer = Buffer::at(bytes, string.position);
        'fill: while !out.is_empty() && buffer.fill(bytes).is_some() {
            if buffer.bits >> (64 - WORTHWHILE) == 0 {
                let zeros = (buffer.bits.leading_zeros().min(buffer.count) as usize).min(out.len());
                for slot in out.split_off_mut(..zeros).unwrap_or_default() {
                    value = value.wrapping_add(delta);
                    *slot = value.cast_signed();
                }
                buffer.skip(zeros as u32);
                continue;
            }
            for _ in 0..AT_ONCE {
                let Some(slot) = out.first_mut() else { break 'fill };
                let how = if buffer.bits < ESCAPES {
                    BY_NIBBLE[(buffer.bits >> 60) as usize]
                } else {
                    let payload = buffer.position().wrapping_add(ESCAPE_CONTROL);
                    let Some(change) = window(bytes, payload) else { break 'fill };
                    delta = delta.wrapping_add(change);
                    value = value.wrapping_add(delta);
                    *slot = value.cast_signed();
                    out.split_off_first_mut();
                    buffer = Buffer::at(bytes, payload.wrapping_add(ESCAPE_PAYLOAD));
                    continue 'fill;
                };
                let payload = buffer.bits.wrapping_shl(how as u32).wrapping_shr((how >> 8) as u32);
                delta = delta.wrapping_add(payload).wrapping_sub(how >> 32);
                value = value.wrapping_add(delta);
                *slot = value.cast_signed();
                out.split_off_first_mut();
                let more = LENGTHS.wrapping_shr((buffer.bits >> 58) as u32 & 0b111_000);
                buffer.skip_one_and(more as u32);
            }
        }
        *known = Known { value, state: delta };
        string.position = buffer.position();
        rows - out.len()
    }
}
