//! Reading a string of bits.

use crate::classic::code::{Code, Known, Read};

/// How many bytes may be looked at, from that on which the next bit is in.
pub(super) const AHEAD: usize = 24;

/// A string of bits, of which some have been read.
pub(in crate::classic) struct BitString<'a> {
    pub(super) bytes: &'a [u8],
    /// Bits that have been read.
    pub(super) position: u64,
}

/// Codes that are read faster one after the other than by themselves.
pub(in crate::classic) trait Serial: Code {
    /// Decodes as many of the next values as it can, and returns how many. Whoever calls it must decode the next one otherwise if
    /// [`AHEAD`] bytes lie ahead and that is not all.
    fn read_many(string: &mut BitString<'_>, known: &mut Known, out: &mut [Self::Value]) -> usize;
}

impl BitString<'_> {
    /// Whether so many bytes lie ahead that any code can be read.
    #[inline(always)]
    pub(super) fn is_long(&self) -> bool {
        byte_at(self.position).checked_add(AHEAD).is_some_and(|end| end <= self.bytes.len())
    }

    /// Reads one code of any length, if so many bytes lie ahead.
    pub(super) fn read_one<C: Code>(&mut self, known: Known) -> Option<Known> {
        let Read { mut known, length } = C::read(window(self.bytes, self.position)?, known);
        if C::LONGEST > 64 && length > 64 {
            let beyond = window(self.bytes, self.position.wrapping_add(64))?;
            known = C::read_rest(beyond >> (128 - length), known);
        }
        self.position = self.position.wrapping_add(length.into());
        Some(known)
    }
}

/// The byte that a bit is in.
#[inline(always)]
pub(super) fn byte_at(position: u64) -> usize {
    usize::try_from(position / 8).unwrap_or(usize::MAX)
}

/// The 64 bits from a position on, if there are nine bytes.
#[inline(always)]
pub(super) fn window(bytes: &[u8], position: u64) -> Option<u64> {
    let at = byte_at(position);
    let [eight @ .., ninth] = bytes.get(at..at.wrapping_add(9))?.first_chunk::<9>()?;
    let shift = (position % 8) as u32;
    Some(u64::from_be_bytes(*eight) << shift | u64::from(*ninth) << shift >> 8)
}

/// At least 57 of the bits that come after the 64 from a position on, if there are 16 bytes; below them zeros.
#[inline(always)]
pub(super) fn following(bytes: &[u8], position: u64) -> Option<u64> {
    let at = byte_at(position);
    let eight = bytes.get(at.wrapping_add(8)..at.wrapping_add(16))?.first_chunk()?;
    Some(u64::from_be_bytes(*eight) << (position % 8))
}
