//! Which rows of a batch count, walked in slices.

use arrow_buffer::bit_chunk_iterator::UnalignedBitChunk;
use arrow_buffer::bit_iterator::BitSliceIterator;
use arrow_buffer::{BooleanBuffer, NullBuffer};

/// The rows that a mask selects and that are not null; all of them if neither is given.
pub(super) struct Selection(Option<BooleanBuffer>);

impl Selection {
    pub(super) fn new(mask: Option<&BooleanBuffer>, nulls: Option<&NullBuffer>) -> Self {
        Self(match (mask, nulls) {
            (None, None) => None,
            (Some(mask), None) => Some(mask.clone()),
            (None, Some(nulls)) => Some(nulls.inner().clone()),
            (Some(mask), Some(nulls)) => Some(mask & nulls.inner()),
        })
    }

    /// How many rows of `start..end` count.
    pub(super) fn count(&self, start: usize, end: usize) -> usize {
        match &self.0 {
            None => end - start,
            Some(bits) => {
                UnalignedBitChunk::new(bits.values(), bits.offset() + start, end - start).count_ones()
            }
        }
    }

    /// Calls `visit` with each slice of `start..end` whose rows all count, in order.
    #[inline]
    pub(super) fn for_each_slice(&self, start: usize, end: usize, mut visit: impl FnMut(usize, usize)) {
        match &self.0 {
            None => visit(start, end),
            Some(bits) => BitSliceIterator::new(bits.values(), bits.offset() + start, end - start)
                .for_each(|(from, to)| visit(start + from, start + to)),
        }
    }
}
