//! What lock-step decoding keeps of each lane.

use super::schedule::{Division, Supply};
use crate::classic::code::Known;

/// A word of the array.
pub(super) type Word = [u8; 8];

/// The state of `LANES` lanes between two steps, each field an array of its own so that vectors of lanes can be loaded.
#[repr(C, align(64))]
pub(super) struct Lanes<const LANES: usize> {
    /// The word that a lane's next bit is in.
    pub(super) current: [u64; LANES],
    /// The word after it.
    pub(super) next: [u64; LANES],
    /// Where in the current word the next bit is: 0 to 63 from the highest.
    pub(super) position: [u64; LANES],
    pub(super) value: [u64; LANES],
    pub(super) state: [u64; LANES],
    /// Steps in which the lane takes words from the array.
    pub(super) supplied: [u64; LANES],
    /// The first row.
    pub(super) start: [usize; LANES],
    /// Its highest bit is set once a code was read that no encoder writes.
    pub(super) flaw: u64,
    /// Words taken from the array. More than there are if codes go on beyond the end: what is taken there is zero.
    pub(super) taken: usize,
}

impl<const LANES: usize> Lanes<LANES> {
    /// Before the first step, each lane with its first two words.
    pub(super) fn new(
        division: Division,
        known: [Known; LANES],
        supply: &[Supply; LANES],
        words: &[Word],
    ) -> Self {
        let mut lanes = Self {
            current: [0; LANES],
            next: [0; LANES],
            position: [0; LANES],
            value: known.map(|known| known.value),
            state: known.map(|known| known.state),
            supplied: supply.map(|supply| supply.steps() as u64),
            start: std::array::from_fn(|lane| division.start(lane)),
            flaw: 0,
            taken: 0,
        };
        let mut take = |supply: &Supply| match supply {
            Supply::None => 0,
            Supply::Steps(_) => {
                let word = word(words, lanes.taken);
                lanes.taken += 1;
                word
            }
        };
        for (current, supply) in lanes.current.iter_mut().zip(supply) {
            *current = take(supply);
        }
        for (next, supply) in lanes.next.iter_mut().zip(supply) {
            *next = take(supply);
        }
        lanes
    }

    /// Whether all the bits that no code was read from are zero.
    pub(super) fn is_used_up(&self) -> bool {
        let unread = |lane: usize| self.current[lane] << self.position[lane] | self.next[lane];
        (0..LANES).all(|lane| unread(lane) == 0)
    }
}

/// A word, or zeros beyond the end.
#[inline(always)]
pub(super) fn word(words: &[Word], at: usize) -> u64 {
    words.get(at).map_or(0, |word| u64::from_le_bytes(*word))
}
