//! What lock-step decoding keeps of each lane.

use super::schedule::Supply;
use crate::classic::code::Known;

/// A word of the array that lanes share.
pub(in crate::classic) type Word = [u8; 8];

/// The state of `LANES` lanes between two steps, each field an array of its own so that vectors of lanes can be loaded.
#[repr(C, align(64))]
pub(super) struct Lanes<const LANES: usize> {
    /// The word that a lane's next bit is in.
    pub(super) current: [u64; LANES],
    /// The word after it.
    pub(super) next: [u64; LANES],
    /// The word after that, which nothing is read from yet: in a register it need not have arrived.
    pub(super) ahead: [u64; LANES],
    /// Where in the current word the next bit is: 0 to 63 from the highest.
    pub(super) position: [u64; LANES],
    pub(super) value: [u64; LANES],
    pub(super) state: [u64; LANES],
    /// What all lanes' state is after the first step, until it is done, and if it is not what it was.
    pub(super) state_after_first: Option<u64>,
    /// Steps in which the lane takes words from the array.
    pub(super) supplied: [u64; LANES],
    /// Steps until the first lane takes no more words.
    pub(super) all_supplied: usize,
    /// Words taken from the array. More than there are if codes go on beyond the end: what is taken there is zero.
    pub(super) taken: usize,
}

impl<const LANES: usize> Lanes<LANES> {
    /// Before the first step, each lane with its first two words.
    pub(super) fn new(
        known: [Known; LANES],
        state_after_first: Option<u64>,
        supply: &[Supply; LANES],
        words: &[Word],
    ) -> Self {
        let mut taken = 0;
        let mut take = |supply: Supply| {
            if supply == Supply::None {
                return 0;
            }
            taken += 1;
            word(words, taken - 1)
        };
        Self {
            current: supply.map(&mut take),
            next: supply.map(&mut take),
            ahead: supply.map(&mut take),
            position: [0; LANES],
            value: known.map(|known| known.value),
            state: known.map(|known| known.state),
            state_after_first,
            supplied: supply.map(|supply| supply.steps() as u64),
            all_supplied: supply.iter().map(|supply| supply.steps()).min().unwrap_or(0),
            taken,
        }
    }

    /// Whether all bits that are in no code are zero.
    pub(super) fn is_used_up(&self) -> bool {
        let unread =
            |lane: usize| self.current[lane] << self.position[lane] | self.next[lane] | self.ahead[lane];
        (0..LANES).fold(0, |all, lane| all | unread(lane)) == 0
    }
}

/// A word, or zeros beyond the end.
#[inline(always)]
pub(super) fn word(words: &[Word], at: usize) -> u64 {
    words.get(at).map_or(0, |word| u64::from_le_bytes(*word))
}
