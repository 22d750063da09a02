//! The interoperable layout: the first value as it is, then code after code, as one string of bits.

use super::bits::{BitWriter, MOST_WORDS};
use super::code::{Code, Encoder, Known};
use crate::error::{Damaged, Result};

/// Values that are encoded before their words are appended.
const BATCH: usize = 32;

/// Zero bits that are decoded at once.
const WORTHWHILE: usize = 8;

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
pub(super) fn decode<C: Code>(bytes: &[u8], out: &mut [C::Value]) -> Result<()> {
    let Some((first, others)) = out.split_first_mut() else {
        return if bytes.is_empty() { Ok(()) } else { Err(Damaged::new("bytes where there are no values")) };
    };
    let mut known = Known { value: window(bytes, 0) >> (64 - C::VALUE_BITS), state: C::BEGIN };
    *first = C::value(known.value);
    let mut position = u64::from(C::VALUE_BITS);

    let mut others = others;
    while !others.is_empty() {
        let seen = window(bytes, position);
        let zeros = (seen.leading_zeros() as usize).min(others.len());
        if zeros >= WORTHWHILE {
            for slot in others.split_off_mut(..zeros).unwrap_or_default() {
                known = C::repeat(known);
                *slot = C::value(known.value);
            }
            position = position.wrapping_add(zeros as u64);
            continue;
        }
        let read = C::read(seen, known);
        known = read.known;
        position = position.wrapping_add(read.length.into());
        if C::LONGEST > 64 && read.length > 64 {
            let rest = read.length - 64;
            let after = position.wrapping_sub(rest.into());
            known = C::read_rest(window(bytes, after) >> (64 - rest), known);
        }
        if let Some(slot) = others.split_off_first_mut() {
            *slot = C::value(known.value);
        }
    }

    let unused = (bytes.len() as u64 * 8).checked_sub(position);
    let Some(unused @ 0..8) = unused else {
        return Err(Damaged::new("codes do not end with the bytes"));
    };
    if unused > 0 && window(bytes, position) != 0 {
        return Err(Damaged::new("bits are set after the last code"));
    }
    Ok(())
}

/// The 64 bits from a position on; beyond the end there are zeros.
#[inline(always)]
pub(super) fn window(bytes: &[u8], position: u64) -> u64 {
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
