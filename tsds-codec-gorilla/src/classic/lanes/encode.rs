//! Encoding one lane after another, and then putting their words into the order in which decoding takes them.

use super::head::{Headed, write_supply};
use super::schedule::{AHEAD, Division, Supply};
use crate::classic::bits::{BitWriter, MOST_WORDS};
use crate::classic::code::{Encoder, Known};

/// Values that are encoded before room is made for more words.
const BATCH: usize = 64;

/// Words of lanes, with when each is taken.
#[derive(Default)]
struct Words {
    words: Vec<u64>,
    /// Of each word its turn: 0 to 2 before the first step, then two turns in each step.
    turns: Vec<u32>,
}

/// The turn in which a lane takes the first word of those that it takes in a step.
fn turn_of_step(step: usize) -> u32 {
    (AHEAD + 2 * step) as u32
}

/// Appends the values to `out`, which have at least 64 rows for each lane.
pub(in crate::classic) fn encode<C: Headed>(values: &[C::Value], lanes: usize, out: &mut Vec<u8>) {
    let division = Division::new(values.len(), lanes);
    let steps = division.steps();
    let head = C::head_of(values, division, lanes);
    let mut all = Words::default();
    let mut supply = Vec::with_capacity(lanes);
    for lane in 0..lanes {
        let rows = division.rows(lane);
        supply.push(encode_lane::<C>(head, rows.start, values.get(rows).unwrap_or_default(), &mut all));
    }
    C::write(head, out);
    write_supply(&supply, steps, out);
    all.append_by_turn(steps, out);
}

/// Adds the words of a lane. Returns until when it takes words.
fn encode_lane<C: Headed>(head: C::Head, start: usize, values: &[C::Value], all: &mut Words) -> Supply {
    let lane_start = all.words.len();
    all.turns.extend(0..AHEAD as u32);
    let mut writer = BitWriter::default();
    let mut encoder = C::encoder(C::before_first(head, start));
    let mut words = [0; 2 * BATCH + MOST_WORDS];
    let mut turns = [0; 2 * BATCH + MOST_WORDS];
    let mut step = 0;
    for batch in values.chunks(BATCH) {
        let mut at = 0;
        for &value in batch {
            // Whenever a word is complete, another is taken.
            turns[at] = turn_of_step(step);
            turns[at + 1] = turn_of_step(step) + 1;
            writer.put_code(encoder.code(C::bits(value)), &mut words, &mut at);
            if step == 0
                && let Some(state) = C::state_after_first(head)
            {
                encoder = C::encoder(Known { value: C::bits(value), state });
            }
            step += 1;
        }
        all.words.extend_from_slice(&words[..at]);
        all.turns.extend_from_slice(&turns[..at]);
    }
    let (unfinished, _) = writer.unfinished();
    all.words.extend([unfinished, 0, 0]);
    all.drop_zeros(lane_start)
}

impl Words {
    /// Drops the zeros that a lane ends in.
    fn drop_zeros(&mut self, lane_start: usize) -> Supply {
        let words = self.words.get(lane_start..).unwrap_or_default();
        let turns = self.turns.get(lane_start..).unwrap_or_default();
        let needed = words.iter().rposition(|&word| word != 0).map_or(0, |last| last + 1);
        let (kept, supply) = match (needed, turns.get(needed.wrapping_sub(1))) {
            (0, _) => (0, Supply::None),
            (1..=AHEAD, _) => (AHEAD, Supply::Steps(0)),
            (_, turn) => {
                let step = turn.map_or(0, |turn| (turn - AHEAD as u32) / 2);
                // Whoever takes words in a step takes all of them.
                let more =
                    turns.iter().skip(needed).take_while(|&&turn| turn < turn_of_step(step as usize + 1));
                (needed + more.count(), Supply::Steps(step as usize + 1))
            }
        };
        self.words.truncate(lane_start + kept);
        self.turns.truncate(lane_start + kept);
        supply
    }

    /// Appends the words by turn, those of the same turn by lane, which is the order that they are in.
    fn append_by_turn(&self, steps: usize, out: &mut Vec<u8>) {
        let mut next_of_turn = vec![0; AHEAD + 2 * steps];
        for &turn in &self.turns {
            next_of_turn[turn as usize] += 1;
        }
        let mut before: usize = 0;
        for next in &mut next_of_turn {
            before += std::mem::replace(next, before);
        }
        let start = out.len();
        out.resize(start + 8 * self.words.len(), 0);
        let (slots, _) = out[start..].as_chunks_mut();
        for (&word, &turn) in self.words.iter().zip(&self.turns) {
            let next = &mut next_of_turn[turn as usize];
            slots[*next] = word.to_le_bytes();
            *next += 1;
        }
    }
}
