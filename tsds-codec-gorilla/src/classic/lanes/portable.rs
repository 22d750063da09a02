//! Lock-step decoding on any processor.

use std::hint::select_unpredictable;

use super::rows::{BATCH, BATCH_WORDS, Rows};
use super::state::{Lanes, Word, word};
use crate::classic::code::{Code, Known};

/// Decodes for as long as there are words enough and steps.
#[inline(always)]
pub(super) fn steps<C: Code, const LANES: usize>(
    lanes: &mut Lanes<LANES>,
    words: &[Word],
    rows: &mut Rows<'_, C::Value, LANES>,
) {
    while rows.left() > 0
        && let Some(words) = words.get(lanes.taken..)
        && words.len() >= words_needed(LANES)
    {
        if repeat::<C, LANES>(lanes, words, rows) {
            continue;
        }
        if rows.left() < BATCH {
            step_of_first::<C, LANES>(LANES, lanes, words, rows);
        } else if rows.done() + BATCH <= lanes.all_supplied {
            batch::<C, LANES, false>(lanes, words, rows);
        } else {
            batch::<C, LANES, true>(lanes, words, rows);
        }
    }
}

/// How many words a batch may look at: a power of two, so that the remainder of a division keeps within them.
pub(super) fn words_needed(lanes: usize) -> usize {
    (BATCH_WORDS * lanes).next_power_of_two()
}

/// Decodes one step of the first `count` lanes. The words are those that have not been taken.
pub(super) fn step_of_first<C: Code, const LANES: usize>(
    count: usize,
    lanes: &mut Lanes<LANES>,
    words: &[Word],
    rows: &mut Rows<'_, C::Value, LANES>,
) {
    let step = rows.done();
    let before = std::mem::take(&mut lanes.taken);
    let word = |taken: usize| word(words, taken);
    step_with::<C, LANES, true>(lanes, count, step, word, |lane, value| {
        if let Some(slot) = rows.next(lane, 1).first_mut() {
            *slot = C::value(value);
        }
    });
    lanes.taken += before;
    rows.advance(1);
}

/// Decodes a batch. The words are those that have not been taken; `IDLE` says that there may be lanes that take no more.
#[inline(always)]
fn batch<C: Code, const LANES: usize, const IDLE: bool>(
    lanes: &mut Lanes<LANES>,
    words: &[Word],
    rows: &mut Rows<'_, C::Value, LANES>,
) {
    let before = std::mem::take(&mut lanes.taken);
    let mut batch = [[0; BATCH]; LANES];
    #[expect(clippy::needless_range_loop, reason = "the step is a column of the batch")]
    for step in 0..BATCH {
        // No more words are taken than there are, but the compiler cannot know that.
        let word = |taken: usize| u64::from_le_bytes(words[taken % words_needed(LANES)]);
        step_with::<C, LANES, IDLE>(lanes, LANES, rows.done() + step, word, |lane, value| {
            batch[lane][step] = value;
        });
    }
    lanes.taken += before;
    rows.store::<C>(&batch);
}

#[inline(always)]
fn step_with<C: Code, const LANES: usize, const IDLE: bool>(
    lanes: &mut Lanes<LANES>,
    count: usize,
    step: usize,
    word: impl Fn(usize) -> u64,
    mut put: impl FnMut(usize, u64),
) {
    let mut rest = [0; LANES];
    let mut is_longer = false;
    let mut taken = lanes.taken;
    #[expect(clippy::needless_range_loop, reason = "the lane is a place in several arrays")]
    for lane in 0..count.min(LANES) {
        let known = Known { value: lanes.value[lane], state: lanes.state[lane] };
        let read = C::read(lanes.window(lane), known);
        let mut length = read.length;
        if C::LONGEST > 64 && length > 64 {
            rest[lane] = length - 64;
            is_longer = true;
            length = 64;
        }
        lanes.value[lane] = read.known.value;
        lanes.state[lane] = read.known.state;
        put(lane, read.known.value);
        lanes.advance::<IDLE>(lane, length, step, word(taken), &mut taken);
    }
    if C::LONGEST > 64 && is_longer {
        for lane in (0..count.min(LANES)).filter(|&lane| rest[lane] > 0) {
            let known = Known { value: lanes.value[lane], state: lanes.state[lane] };
            let known = C::read_rest(lanes.window(lane).wrapping_shr(64u32.wrapping_sub(rest[lane])), known);
            lanes.value[lane] = known.value;
            lanes.state[lane] = known.state;
            put(lane, known.value);
            lanes.advance::<IDLE>(lane, rest[lane], step, word(taken), &mut taken);
        }
    }
    lanes.taken = taken;
    if let Some(state) = lanes.state_after_first.take() {
        lanes.state = [state; LANES];
    }
}

/// If a batch and more are zero bits in all lanes, decodes those at once. The words are those that have not been taken.
#[inline(always)]
pub(super) fn repeat<C: Code, const LANES: usize>(
    lanes: &mut Lanes<LANES>,
    words: &[Word],
    rows: &mut Rows<'_, C::Value, LANES>,
) -> bool {
    let zeros = zeros_ahead(lanes).min(rows.left());
    if zeros < BATCH || lanes.state_after_first.is_some() {
        return false;
    }
    let last = rows.done() + zeros - 1;
    let mut taken = 0;
    for lane in 0..LANES {
        let mut known = Known { value: lanes.value[lane], state: lanes.state[lane] };
        for slot in rows.next(lane, zeros) {
            known = C::repeat(known);
            *slot = C::value(known.value);
        }
        lanes.value[lane] = known.value;
        lanes.advance::<true>(lane, zeros as u32, last, word(words, taken), &mut taken);
    }
    lanes.taken += taken;
    rows.advance(zeros);
    true
}

/// How many codes all lanes have ahead that are one zero bit, up to where a lane takes a word.
#[inline(always)]
fn zeros_ahead<const LANES: usize>(lanes: &Lanes<LANES>) -> usize {
    let ahead = |lane: usize| (64 - lanes.position[lane]).min(lanes.window(lane).leading_zeros().into());
    (0..LANES).fold(64, |least, lane| least.min(ahead(lane))) as usize
}

impl<const LANES: usize> Lanes<LANES> {
    /// A lane's next 64 bits.
    #[inline(always)]
    fn window(&self, lane: usize) -> u64 {
        let position = self.position[lane] as u32;
        // Two shifts, since the next word may have no part in it.
        self.current[lane].wrapping_shl(position) | self.next[lane].wrapping_shr(!position) >> 1
    }

    /// Goes on by 1 to 64 bits. If that is to the next word, then the word offered is taken.
    #[inline(always)]
    fn advance<const IDLE: bool>(
        &mut self,
        lane: usize,
        bits: u32,
        step: usize,
        offered: u64,
        taken: &mut usize,
    ) {
        let position = (self.position[lane] as u32).wrapping_add(bits);
        let crosses = position >= 64;
        let takes = crosses && (!IDLE || (step as u64) < self.supplied[lane]);
        let offered = if IDLE { select_unpredictable(takes, offered, 0) } else { offered };
        self.current[lane] = select_unpredictable(crosses, self.next[lane], self.current[lane]);
        self.next[lane] = select_unpredictable(crosses, self.ahead[lane], self.next[lane]);
        self.ahead[lane] = select_unpredictable(crosses, offered, self.ahead[lane]);
        self.position[lane] = u64::from(position % 64);
        *taken = taken.wrapping_add(usize::from(takes));
    }
}
