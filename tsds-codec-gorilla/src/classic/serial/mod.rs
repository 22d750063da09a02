//! The interoperable layout: the first value as it is, then code after code, as one string of bits.

mod floats;
mod string;
#[cfg(test)]
mod tests;
mod times;

use string::{AHEAD, BitString, byte_at};

pub(super) use string::Serial;

use super::bits::{BitWriter, MOST_WORDS};
use super::code::{Code, Encoder, Known};
use crate::error::{Damaged, Result};

/// Values that are encoded before their words are appended.
const BATCH: usize = 32;

/// Bytes that the bits of the codes of all values but the first make, with the first one.
pub(super) fn bytes_for<C: Code>(values: usize, code_bits: u64) -> usize {
    if values == 0 {
        return 0;
    }
    usize::try_from((u64::from(C::VALUE_BITS).saturating_add(code_bits)).div_ceil(8)).unwrap_or(usize::MAX)
}

/// Appends the values to `out`.
pub(super) fn encode<C: Code>(values: &[C::Value], out: &mut Vec<u8>) {
    let Some((&first, others)) = values.split_first() else { return };
    let mut words = [0; BATCH * 2 + MOST_WORDS];
    let mut writer = BitWriter::default();
    let mut at = 0;
    writer.put(C::bits(first), C::VALUE_BITS, &mut words, &mut at);
    let mut encoder = C::encoder(Known { value: C::bits(first), state: C::BEGIN });
    let mut append = |words: &[u64]| out.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    for batch in others.chunks(BATCH) {
        for &value in batch {
            writer.put_code(encoder.code(C::bits(value)), &mut words, &mut at);
        }
        append(&words[..at]);
        at = 0;
    }
    append(&words[..at]);
    let (word, bits) = writer.unfinished();
    out.extend_from_slice(&word.to_be_bytes()[..bits.div_ceil(8) as usize]);
}

/// Decodes as many values as `out` has room for, which must be all of them.
#[inline(always)]
pub(super) fn decode<C: Serial>(bytes: &[u8], out: &mut [C::Value]) -> Result<()> {
    let Some((first, others)) = out.split_first_mut() else {
        return if bytes.is_empty() { Ok(()) } else { Err(Damaged::new("bytes where there are no values")) };
    };
    let mut head = [0; 8];
    head.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    let mut known = Known { value: u64::from_be_bytes(head) >> (64 - C::VALUE_BITS), state: C::BEGIN };
    *first = C::value(known.value);

    let mut string = BitString { bytes, position: C::VALUE_BITS.into() };
    let rest = read_while_long::<C>(&mut string, &mut known, others);
    let mut position = string.position;
    if !rest.is_empty() {
        // What is near the end, with zeros after it. If that is not all, then codes went on well beyond the end.
        let start = byte_at(position).min(bytes.len());
        let mut padded = [0; 2 * AHEAD];
        padded.iter_mut().zip(bytes.get(start..).unwrap_or_default()).for_each(|(to, from)| *to = *from);
        let before = start as u64 * 8;
        let mut string = BitString { bytes: &padded, position: position.wrapping_sub(before) };
        read_while_long::<C>(&mut string, &mut known, rest);
        position = string.position.wrapping_add(before);
    }

    let unused = (bytes.len() as u64 * 8).checked_sub(position);
    let Some(unused @ 0..8) = unused else {
        return Err(Damaged::new("codes do not end with the bytes"));
    };
    if bytes.last().is_some_and(|last| u32::from(*last).trailing_zeros() < unused as u32) {
        return Err(Damaged::new("bits are set after the last code"));
    }
    Ok(())
}

/// Decodes for as long as enough bytes lie ahead, and returns what is left to be decoded.
#[inline(always)]
fn read_while_long<'o, C: Serial>(
    string: &mut BitString<'_>,
    known: &mut Known,
    mut out: &'o mut [C::Value],
) -> &'o mut [C::Value] {
    loop {
        let done = C::read_many(string, known, out);
        out = out.get_mut(done..).unwrap_or_default();
        if !string.is_long() {
            return out;
        }
        let Some(slot) = out.split_off_first_mut() else { return out };
        let Some(next) = string.read_one::<C>(*known) else { return out };
        *known = next;
        *slot = C::value(known.value);
    }
}
