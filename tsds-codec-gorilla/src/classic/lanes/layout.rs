//! The bits of each lane in a string of its own.

use super::head::{Headed, read_supply};
use super::schedule::{AHEAD, Division};
use super::state::{Word, word};
use crate::classic::code::Known;
use crate::classic::places::{ClassicLayout, ClassicPlace, read};
use crate::error::{Damaged, Result};

/// Bits of a word.
const WORD_BITS: u64 = 64;

/// A lane on its way through its codes.
struct Lane {
    /// The words that it has taken.
    words: Vec<u64>,
    /// How many bits of them are decoded.
    bit: u64,
    /// In how many steps it takes words.
    supplied: usize,
    known: Known,
    places: Vec<ClassicPlace>,
}

/// The words that have not been taken.
struct Array<'a> {
    words: &'a [Word],
    taken: usize,
}

impl Array<'_> {
    fn next(&mut self) -> u64 {
        self.taken += 1;
        word(self.words, self.taken - 1)
    }
}

impl Lane {
    /// The 64 bits from a bit on; beyond the words that it has there are zeros.
    fn window(&self, bit: u64) -> u64 {
        let (at, shift) = ((bit / WORD_BITS) as usize, (bit % WORD_BITS) as u32);
        let word = |at: usize| self.words.get(at).copied().unwrap_or(0);
        // Two shifts, since the next word may have no part in it.
        word(at) << shift | word(at + 1) >> 1 >> (63 - shift)
    }

    /// Goes on by 1 to 64 bits, and takes a word if that is to the next one.
    fn advance(&mut self, bits: u64, step: usize, array: &mut Array<'_>) {
        let before = self.bit / WORD_BITS;
        self.bit += bits;
        if self.bit / WORD_BITS > before && step < self.supplied {
            self.words.push(array.next());
        }
    }
}

/// As [`crate::classic::places::layout`], of `LANES` lanes.
pub(in crate::classic) fn layout<C: Headed, const LANES: usize>(
    mut bytes: &[u8],
    rows: usize,
    step: usize,
) -> Result<ClassicLayout> {
    let division = Division::new(rows, LANES);
    let head = C::read_head(&mut bytes)?;
    let supply = read_supply::<LANES>(&mut bytes, division.steps())?;
    let (words, []) = bytes.as_chunks() else { return Err(Damaged::new("its words are not whole")) };
    let mut array = Array { words, taken: 0 };
    let mut lanes: Vec<Lane> = (0..LANES)
        .map(|lane| Lane {
            words: Vec::with_capacity(words.len() / LANES),
            bit: 0,
            supplied: supply.get(lane).map_or(0, |supply| supply.steps()),
            known: C::before_first(head, division.start(lane)),
            places: Vec::with_capacity(division.steps().div_ceil(step)),
        })
        .collect();
    for _ in 0..AHEAD {
        for (lane, _) in lanes.iter_mut().zip(&supply).filter(|(_, supply)| supply.is_there()) {
            lane.words.push(array.next());
        }
    }
    for own in 0..division.steps() {
        let count = if own < division.each { LANES } else { division.longer };
        let mut rests = [0; LANES];
        for (lane, rest) in lanes.iter_mut().zip(&mut rests).take(count) {
            let code = read::<C>(lane.known, |more| lane.window(lane.bit + more));
            lane.known = code.known;
            *rest = u64::from(code.length).saturating_sub(WORD_BITS);
            lane.advance(u64::from(code.length) - *rest, own, &mut array);
        }
        for (lane, rest) in lanes.iter_mut().zip(rests).filter(|(_, rest)| *rest > 0) {
            lane.advance(rest, own, &mut array);
        }
        for (number, lane) in lanes.iter_mut().enumerate().take(count) {
            if let (0, Some(state)) = (own, C::state_after_first(head)) {
                lane.known.state = state;
            }
            if own % step == 0 {
                let row = division.start(number) + own;
                let Known { value, state } = lane.known;
                lane.places.push(ClassicPlace { row, value, state, bit: lane.bit });
            }
        }
    }
    if array.taken != words.len() {
        return Err(Damaged::new("codes do not end with the words"));
    }
    Ok(joined(lanes))
}

/// The strings of all lanes one after the other.
fn joined(lanes: Vec<Lane>) -> ClassicLayout {
    let mut layout = ClassicLayout { words: Vec::new(), places: Vec::new() };
    for mut lane in lanes {
        let start = layout.words.len() as u64 * u64::from(u32::BITS);
        // What was taken ahead has no bits; zeros that codes end in were not there to be taken.
        lane.words.resize(lane.bit.div_ceil(WORD_BITS) as usize, 0);
        layout.words.extend(lane.words.iter().flat_map(|word| [(word >> 32) as u32, *word as u32]));
        layout
            .places
            .extend(lane.places.iter().map(|place| ClassicPlace { bit: start + place.bit, ..*place }));
    }
    layout
}
