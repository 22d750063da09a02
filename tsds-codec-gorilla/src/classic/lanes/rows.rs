//! Where decoded values go.

use super::schedule::Division;
use crate::classic::code::Code;

/// Steps that kernels decode at a time.
pub(super) const BATCH: usize = 8;

/// Words that a lane takes in a batch at most, if no code has more than 77 bits: so many are in the bits of eight, wherever in a
/// word they begin.
pub(super) const BATCH_WORDS: usize = (BATCH * 77).div_ceil(64);

/// The rows of each lane, and how many steps have been decoded.
pub(in crate::classic) struct Rows<'a, V, const LANES: usize> {
    lanes: [&'a mut [V]; LANES],
    /// Steps that all lanes have.
    steps: usize,
    done: usize,
}

impl<'a, V: Copy, const LANES: usize> Rows<'a, V, LANES> {
    pub(super) fn new(mut out: &'a mut [V], division: Division) -> Self {
        let lanes = std::array::from_fn(|lane| {
            let rows = division.rows(lane).len().min(out.len());
            out.split_off_mut(..rows).unwrap_or_default()
        });
        Self { lanes, steps: division.each, done: 0 }
    }

    /// How many steps have been decoded.
    pub(super) fn done(&self) -> usize {
        self.done
    }

    /// Steps of all lanes that have not been decoded.
    pub(super) fn left(&self) -> usize {
        self.steps - self.done
    }

    /// The rows of a lane in the next steps, which the lane must have.
    #[inline(always)]
    pub(super) fn next(&mut self, lane: usize, steps: usize) -> &mut [V] {
        self.lanes[lane].get_mut(self.done..self.done + steps).unwrap_or_default()
    }

    /// Stores the next steps of a lane, the first `count` of these.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(super) fn put(&mut self, lane: usize, count: usize, values: &[V; BATCH]) {
        match self.next(lane, count).first_chunk_mut() {
            Some(whole) => *whole = *values,
            None => self.next(lane, count).iter_mut().zip(values).for_each(|(slot, value)| *slot = *value),
        }
    }

    /// Goes on to the steps after the next ones.
    #[inline(always)]
    pub(super) fn advance(&mut self, steps: usize) {
        self.done += steps;
    }

    /// Stores a batch, by lane.
    #[inline(always)]
    pub(super) fn store<C: Code<Value = V>>(&mut self, batch: &[[u64; BATCH]; LANES]) {
        for (lane, values) in batch.iter().enumerate() {
            for (slot, &value) in self.next(lane, BATCH).iter_mut().zip(values) {
                *slot = C::value(value);
            }
        }
        self.advance(BATCH);
    }
}
