//! Lock-step decoding on any processor.

use std::hint::select_unpredictable;
use std::ops::Range;

use super::state::{Lanes, Word, word};
use crate::classic::code::{Code, Known};

/// Zeros that all lanes must have ahead for them to be decoded at once.
const WORTHWHILE: usize = 4;

/// Decodes some steps of all lanes.
#[inline(always)]
pub(super) fn steps<C: Code, const LANES: usize>(
    lanes: &mut Lanes<LANES>,
    words: &[Word],
    out: &mut [C::Value],
    steps: Range<usize>,
) {
    let supplied = lanes.supplied.iter().fold(usize::MAX, |least, &supplied| least.min(supplied as usize));
    let idle_from = supplied.clamp(steps.start, steps.end);
    supplied_or_idle::<C, LANES, false>(lanes, words, out, steps.start..idle_from);
    supplied_or_idle::<C, LANES, true>(lanes, words, out, idle_from..steps.end);
}

/// Decodes one step of the first lanes.
pub(super) fn step_of_first<C: Code, const LANES: usize>(
    lanes: &mut Lanes<LANES>,
    count: usize,
    words: &[Word],
    out: &mut [C::Value],
    at: usize,
) {
    step::<C, LANES, true>(lanes, count, words, out, at);
}

/// `IDLE` says that there may be lanes that take no more words.
#[inline(always)]
fn supplied_or_idle<C: Code, const LANES: usize, const IDLE: bool>(
    lanes: &mut Lanes<LANES>,
    words: &[Word],
    out: &mut [C::Value],
    steps: Range<usize>,
) {
    let mut at = steps.start;
    while at < steps.end {
        let bits = step::<C, LANES, IDLE>(lanes, LANES, words, out, at);
        at += 1;
        // A bit for each lane: nothing changed. Often it goes on like that.
        while bits == LANES as u64 && at < steps.end {
            let zeros = zeros_ahead(lanes).min(steps.end - at);
            if zeros < WORTHWHILE {
                break;
            }
            repeat::<C, LANES, IDLE>(lanes, words, out, at..at + zeros);
            at += zeros;
        }
    }
}

/// Decodes one step of the first `count` lanes. Returns how many bits their codes have.
#[inline(always)]
fn step<C: Code, const LANES: usize, const IDLE: bool>(
    lanes: &mut Lanes<LANES>,
    count: usize,
    words: &[Word],
    out: &mut [C::Value],
    at: usize,
) -> u64 {
    let mut bits: u64 = 0;
    let mut rest = [0; LANES];
    let mut is_longer = false;
    for lane in 0..count.min(LANES) {
        let known = Known { value: lanes.value[lane], state: lanes.state[lane] };
        let read = C::read(lanes.window(lane), known);
        let mut length = read.length;
        bits = bits.wrapping_add(length.into());
        if C::LONGEST > 64 && length > 64 {
            rest[lane] = length - 64;
            is_longer = true;
            length = 64;
        }
        lanes.flaw |= read.flaw;
        lanes.set::<C>(lane, read.known, out, at);
        lanes.advance::<IDLE>(lane, length.into(), words, at);
    }
    if C::LONGEST > 64 && is_longer {
        for lane in (0..count.min(LANES)).filter(|&lane| rest[lane] > 0) {
            let known = Known { value: lanes.value[lane], state: lanes.state[lane] };
            let known = C::read_rest(lanes.window(lane) >> (64 - rest[lane]), known);
            lanes.set::<C>(lane, known, out, at);
            lanes.advance::<IDLE>(lane, rest[lane].into(), words, at);
        }
    }
    bits
}

/// How many codes all lanes have ahead that are one zero bit, as long as no lane takes a word between them.
#[inline(always)]
fn zeros_ahead<const LANES: usize>(lanes: &Lanes<LANES>) -> usize {
    let ahead = |lane: usize| (64 - lanes.position[lane]).min(lanes.window(lane).leading_zeros().into());
    (0..LANES).fold(64, |least, lane| least.min(ahead(lane))) as usize
}

/// Decodes zero bits in all lanes.
#[inline(always)]
fn repeat<C: Code, const LANES: usize, const IDLE: bool>(
    lanes: &mut Lanes<LANES>,
    words: &[Word],
    out: &mut [C::Value],
    steps: Range<usize>,
) {
    for lane in 0..LANES {
        let mut known = Known { value: lanes.value[lane], state: lanes.state[lane] };
        let start = lanes.start[lane];
        for slot in out.get_mut(start + steps.start..start + steps.end).unwrap_or_default() {
            known = C::read(0, known).known;
            *slot = C::value(known.value);
        }
        lanes.value[lane] = known.value;
        lanes.advance::<IDLE>(lane, steps.len() as u64, words, steps.end - 1);
    }
}

impl<const LANES: usize> Lanes<LANES> {
    /// A lane's next 64 bits.
    #[inline(always)]
    fn window(&self, lane: usize) -> u64 {
        let position = self.position[lane] as u32;
        // Two shifts, since the next word may have no part in it.
        self.current[lane].wrapping_shl(position) | (self.next[lane] >> 1).wrapping_shr(position ^ 63)
    }

    #[inline(always)]
    fn set<C: Code>(&mut self, lane: usize, known: Known, out: &mut [C::Value], at: usize) {
        self.value[lane] = known.value;
        self.state[lane] = known.state;
        if let Some(slot) = out.get_mut(self.start[lane].wrapping_add(at)) {
            *slot = C::value(known.value);
        }
    }

    /// Goes on by 1 to 64 bits, and if they reach into the next word or up to it, then a word is taken.
    #[inline(always)]
    fn advance<const IDLE: bool>(&mut self, lane: usize, bits: u64, words: &[Word], step: usize) {
        let position = self.position[lane].wrapping_add(bits);
        let crossed = position >= 64;
        let takes = crossed && (!IDLE || (step as u64) < self.supplied[lane]);
        let offered = word(words, self.taken);
        let taken = if IDLE { select_unpredictable(takes, offered, 0) } else { offered };
        self.current[lane] = select_unpredictable(crossed, self.next[lane], self.current[lane]);
        self.next[lane] = select_unpredictable(crossed, taken, self.next[lane]);
        self.position[lane] = position % 64;
        self.taken = self.taken.wrapping_add(usize::from(takes));
    }
}
