//! Bitmaps of rows in 64-bit words, and the loops that narrow them.

use arrow_buffer::{BooleanBuffer, Buffer};

/// Which rows are still in: bit `i` of word `w` is row `64·w + i`. Bits beyond the last row are zero.
#[derive(Clone)]
pub(super) struct Mask {
    words: Vec<u64>,
    rows: usize,
}

impl Mask {
    /// Every row.
    pub(super) fn all(rows: usize) -> Self {
        let mut words = vec![u64::MAX; rows.div_ceil(64)];
        if let Some(last) = words.last_mut()
            && !rows.is_multiple_of(64)
        {
            *last = (1 << (rows % 64)) - 1;
        }
        Self { words, rows }
    }

    pub(super) fn clear(&mut self) {
        self.words.fill(0);
    }

    pub(super) fn is_clear(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Keeps the rows whose bit is set.
    pub(super) fn keep(&mut self, bits: &BooleanBuffer) {
        for (word, bits) in self.words.iter_mut().zip(bits.bit_chunks().iter_padded()) {
            *word &= bits;
        }
    }

    /// Keeps the rows whose bit is not set.
    pub(super) fn drop_set(&mut self, bits: &BooleanBuffer) {
        for (word, bits) in self.words.iter_mut().zip(bits.bit_chunks().iter_padded()) {
            *word &= !bits;
        }
    }

    /// Drops the rows of `other`.
    pub(super) fn subtract(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word &= !other);
    }

    /// Keeps the rows whose value passes. `values` has one value per row. Runs of 64 rows that are out already are not
    /// looked at.
    #[inline(always)]
    pub(super) fn keep_where<T: Copy>(&mut self, values: &[T], test: impl Fn(T) -> bool) {
        for (word, values) in self.words.iter_mut().zip(values.chunks(64)) {
            if *word == 0 {
                continue;
            }
            *word &= match <&[T; 64]>::try_from(values) {
                Ok(full) => word_of(full, &test),
                Err(_) => values
                    .iter()
                    .enumerate()
                    .fold(0, |bits, (row, value)| bits | u64::from(test(*value)) << row),
            };
        }
    }

    /// Keeps the rows whose number passes; asks only for rows that are still in.
    pub(super) fn keep_rows(&mut self, mut test: impl FnMut(usize) -> bool) {
        for (index, word) in self.words.iter_mut().enumerate() {
            let mut left = *word;
            while left != 0 {
                let bit = left.trailing_zeros();
                left &= left - 1;
                if !test(index * 64 + bit as usize) {
                    *word &= !(1 << bit);
                }
            }
        }
    }

    pub(super) fn finish(self) -> BooleanBuffer {
        BooleanBuffer::new(Buffer::from_vec(self.words), 0, self.rows)
    }
}

/// Tests 64 values without a branch: first into bytes, which the compiler vectorises, then eight bytes at a time into
/// eight bits by one multiplication.
#[inline(always)]
fn word_of<T: Copy>(values: &[T; 64], test: &impl Fn(T) -> bool) -> u64 {
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let mut flags = [0u8; 64];
    for (flag, value) in flags.iter_mut().zip(values) {
        *flag = u8::from(test(*value));
    }
    let mut word = 0;
    for (index, eight) in flags.as_chunks::<8>().0.iter().enumerate() {
        word |= (u64::from_le_bytes(*eight).wrapping_mul(GATHER) >> 56) << (index * 8);
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_agree_with_a_row_by_row_test_at_every_length() {
        for rows in [0, 1, 63, 64, 65, 127, 128, 200] {
            let values: Vec<u32> = (0..rows as u32).map(|row| row.wrapping_mul(2_654_435_761) % 7).collect();
            let mut mask = Mask::all(rows);
            mask.keep_where(&values, |value| value < 3);
            let bits = mask.finish();
            assert_eq!(bits.len(), rows);
            for (row, value) in values.iter().enumerate() {
                assert_eq!(bits.value(row), *value < 3, "row {row} of {rows}");
            }
        }
    }

    #[test]
    fn bitmaps_with_an_offset_are_read_at_their_offset() {
        let bits = BooleanBuffer::from_iter((0..200).map(|row| row % 3 == 0)).slice(5, 130);
        let (mut kept, mut dropped) = (Mask::all(130), Mask::all(130));
        kept.keep(&bits);
        dropped.drop_set(&bits);
        let (kept, dropped) = (kept.finish(), dropped.finish());
        for row in 0..130 {
            assert_eq!(kept.value(row), (row + 5) % 3 == 0);
            assert_eq!(dropped.value(row), (row + 5) % 3 != 0);
        }
    }
}
