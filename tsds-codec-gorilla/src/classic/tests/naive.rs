//! Decoding bit by bit, as sections 4.1.1 and 4.1.2 of the paper describe it.

use std::collections::VecDeque;

/// Bits that are read from the front; after the last come zeros.
#[derive(Clone, Default)]
pub(super) struct Bits(pub(super) VecDeque<bool>);

impl Bits {
    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        Self(bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte << bit & 0x80 != 0)).collect())
    }

    pub(super) fn of_word(word: u64) -> Self {
        Self::of_bytes(&word.to_be_bytes())
    }

    fn bit(&mut self) -> bool {
        self.0.pop_front().unwrap_or(false)
    }

    pub(super) fn number(&mut self, bits: u32) -> u64 {
        (0..bits).fold(0, |number, _| number << 1 | u64::from(self.bit()))
    }
}

/// A decoder of the values after one that is known.
pub(super) trait Decoder {
    fn next(&mut self, bits: &mut Bits) -> u64;
}

/// "We calculate the delta of deltas."
pub(super) struct Times {
    pub(super) time: u64,
    pub(super) delta: u64,
}

impl Decoder for Times {
    fn next(&mut self, bits: &mut Bits) -> u64 {
        let change = if !bits.bit() {
            0
        } else if !bits.bit() {
            // Between -63 and 64.
            bits.number(7) as i64 - 63
        } else if !bits.bit() {
            // Between -255 and 256.
            bits.number(9) as i64 - 255
        } else if !bits.bit() {
            // Between -2047 and 2048.
            bits.number(12) as i64 - 2047
        } else {
            bits.number(64) as i64
        };
        self.delta = self.delta.wrapping_add(change as u64);
        self.time = self.time.wrapping_add(self.delta);
        self.time
    }
}

/// "We XOR the value with the previous value."
pub(super) struct Floats {
    pub(super) width: u32,
    pub(super) value: u64,
    pub(super) leading: u32,
    pub(super) meaningful: u32,
}

impl Floats {
    pub(super) fn new(width: u32, value: u64) -> Self {
        Self { width, value, leading: 0, meaningful: width }
    }
}

impl Decoder for Floats {
    fn next(&mut self, bits: &mut Bits) -> u64 {
        if !bits.bit() {
            return self.value;
        }
        if bits.bit() {
            self.leading = bits.number(5) as u32;
            self.meaningful = bits.number(self.width.ilog2()) as u32 + 1;
        }
        let trailing = self.width - self.leading - self.meaningful;
        self.value ^= bits.number(self.meaningful) << trailing;
        self.value
    }
}

/// The values of the layout without lanes, of which the first is `width` bits long and raw. All bits must be used but for zeros
/// that make the last byte whole.
pub(super) fn serial<D: Decoder>(
    bytes: &[u8],
    rows: usize,
    width: u32,
    decoder: impl Fn(u64) -> D,
) -> Vec<u64> {
    let mut bits = Bits::of_bytes(bytes);
    if rows == 0 {
        assert!(bytes.is_empty());
        return Vec::new();
    }
    let first = bits.number(width);
    let mut decoder = decoder(first);
    let mut values = vec![first];
    values.extend((1..rows).map(|_| decoder.next(&mut bits)));
    assert!(bits.0.len() < 8 && !bits.0.contains(&true));
    values
}
