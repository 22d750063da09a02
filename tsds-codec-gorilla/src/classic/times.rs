//! Times and other integers: the delta of deltas in five buckets.

use super::code::{Code, Coded, Encoder, Known, Read};

/// Codes of the deltas of deltas. All arithmetic wraps, so every sequence of integers can be coded.
pub(super) struct Times;

/// How a range of deltas of deltas is written. The payload is the delta of deltas plus `offset`: what the range begins with is
/// written as zero.
pub(super) struct Bucket {
    control: u64,
    control_bits: u32,
    payload_bits: u32,
    pub(super) offset: u64,
}

const fn bucket(control: u64, control_bits: u32, payload_bits: u32, offset: u64) -> Bucket {
    Bucket { control, control_bits, payload_bits, offset }
}

pub(super) const BUCKETS: [Bucket; 5] = [
    bucket(0b0, 1, 0, 0),
    bucket(0b10, 2, 7, 63),
    bucket(0b110, 3, 9, 255),
    bucket(0b1110, 4, 12, 2047),
    bucket(0b1111, 4, 64, 0),
];

/// The bucket of a delta of deltas.
#[inline(always)]
fn bucket_of(change: u64) -> usize {
    let beyond = |bucket: usize| {
        let Bucket { payload_bits, offset, .. } = BUCKETS[bucket];
        usize::from(change.wrapping_add(offset) >> payload_bits != 0)
    };
    usize::from(change != 0) + beyond(1) + beyond(2) + beyond(3)
}

/// Bits of the code of a delta of deltas.
#[inline(always)]
fn length_of(change: u64) -> u64 {
    let beyond = |bucket: usize, more: u64| {
        let Bucket { payload_bits, offset, .. } = BUCKETS[bucket];
        if change.wrapping_add(offset) >> payload_bits != 0 { more } else { 0 }
    };
    let first = if change != 0 { 8 } else { 0 };
    1 + first + beyond(1, 3) + beyond(2, 4) + beyond(3, 52)
}

/// Bits of the codes of all values but the first.
#[inline(always)]
pub(super) fn length_of_all(values: &[i64]) -> u64 {
    let &[first, second, ..] = values else { return 0 };
    let mut length = length_of(second.wrapping_sub(first).cast_unsigned());
    for three in values.windows(3) {
        let &[before, last, value] = three else { continue };
        let change = value.wrapping_sub(last).wrapping_sub(last.wrapping_sub(before));
        length = length.wrapping_add(length_of(change.cast_unsigned()));
    }
    length
}

/// For each four bits that a code can begin with: in bytes 0 and 1 by how much to shift left and then right to leave the
/// payload, in byte 2 the bits of the code, above them the bucket's offset.
pub(super) static BY_NIBBLE: [u64; 16] = by_nibble();

const fn by_nibble() -> [u64; 16] {
    let mut table = [0; 16];
    let mut nibble: u8 = 0;
    while nibble < 16 {
        let ones = (nibble << 4).leading_ones();
        let bucket = &BUCKETS[ones as usize];
        // Of a lone zero bit the bit itself is shifted down: no shift by 64 is needed.
        let left = if ones == 0 { 0 } else { bucket.control_bits };
        let right = if ones == 0 { 63 } else { 64 - bucket.payload_bits };
        let bits = bucket.control_bits + bucket.payload_bits;
        table[nibble as usize] =
            left as u64 | (right as u64) << 8 | (bits as u64) << 16 | bucket.offset << 32;
        nibble += 1;
    }
    table
}

impl Code for Times {
    type Value = i64;
    type Encoder = TimeEncoder;

    const VALUE_BITS: u32 = 64;
    const LONGEST: u32 = 68;
    const BEGIN: u64 = 0;

    #[inline(always)]
    fn bits(value: i64) -> u64 {
        value.cast_unsigned()
    }

    #[inline(always)]
    fn value(bits: u64) -> i64 {
        bits.cast_signed()
    }

    #[inline(always)]
    fn encoder(known: Known) -> TimeEncoder {
        TimeEncoder(known)
    }

    #[inline(always)]
    fn read(window: u64, known: Known) -> Read {
        let how = BY_NIBBLE[(window >> 60) as usize];
        let payload = window.wrapping_shl(how as u32).wrapping_shr((how >> 8) as u32);
        let state = known.state.wrapping_add(payload).wrapping_sub(how >> 32);
        let known = Known { value: known.value.wrapping_add(state), state };
        Read { known, length: (how >> 16) as u32 & 0xff }
    }

    #[inline(always)]
    fn repeat(known: Known) -> Known {
        Known { value: known.value.wrapping_add(known.state), ..known }
    }

    #[inline(always)]
    fn read_rest(rest: u64, known: Known) -> Known {
        Known { value: known.value.wrapping_add(rest), state: known.state.wrapping_add(rest) }
    }
}

/// Turns times into codes.
pub(super) struct TimeEncoder(Known);

impl Encoder for TimeEncoder {
    #[inline(always)]
    fn code(&mut self, value: u64) -> Coded {
        let delta = value.wrapping_sub(self.0.value);
        let change = delta.wrapping_sub(self.0.state);
        self.0 = Known { value, state: delta };
        let Bucket { control, control_bits, payload_bits, offset } = BUCKETS[bucket_of(change)];
        // Of the empty payload, the change is zero and so is the offset.
        Coded { control, control_bits, payload: change.wrapping_add(offset), payload_bits }
    }
}
