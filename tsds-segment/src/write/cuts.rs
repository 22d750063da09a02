//! Where a segment is cut into blocks.

use std::ops::Range;

use crate::format::{MAX_BLOCK_ROWS, OWN_BLOCK_ROWS};

/// The most bytes of text, over all columns, that a block of several rows may have. Keeps what is encoded, decoded and later
/// encrypted in one piece small, and 32-bit offsets far from their end.
pub(super) const MAX_BLOCK_TEXT: u64 = 16 << 20;

/// Cuts `rows` rows, whose series start at `series_starts`, into blocks: a series of [`OWN_BLOCK_ROWS`] or more has blocks of
/// its own, shorter ones share blocks and are whole in one; no block has more than [`MAX_BLOCK_ROWS`].
///
/// `text` gives the bytes of text in a range of rows. A block with more than `max_text` is cut further, wherever it must be.
pub(super) fn cut(
    rows: u32,
    series_starts: &[u32],
    max_text: u64,
    text: impl Fn(Range<u32>) -> u64,
) -> Vec<Range<u32>> {
    let mut blocks = Vec::new();
    let mut shared: Range<u32> = 0..0;
    let ends = series_starts.iter().skip(1).copied().chain([rows]);
    for (start, end) in series_starts.iter().copied().zip(ends) {
        let own = end - start >= OWN_BLOCK_ROWS;
        if own || end - shared.start > MAX_BLOCK_ROWS {
            push(&mut blocks, shared.clone());
            shared = start..start;
        }
        if own {
            let mut from = start;
            while from < end {
                let to = end.min(from.saturating_add(MAX_BLOCK_ROWS));
                push(&mut blocks, from..to);
                from = to;
            }
            shared = end..end;
        } else {
            shared.end = end;
        }
    }
    push(&mut blocks, shared);
    blocks.into_iter().flat_map(|block| split_by_text(block, max_text, &text)).collect()
}

fn push(blocks: &mut Vec<Range<u32>>, block: Range<u32>) {
    if !block.is_empty() {
        blocks.push(block);
    }
}

/// Halves a block until every part has few enough bytes of text or one row.
fn split_by_text(block: Range<u32>, max_text: u64, text: &impl Fn(Range<u32>) -> u64) -> Vec<Range<u32>> {
    let (mut done, mut todo) = (Vec::new(), vec![block]);
    while let Some(part) = todo.pop() {
        if part.len() <= 1 || text(part.clone()) <= max_text {
            done.push(part);
        } else {
            let middle = part.start + part.len() as u32 / 2;
            todo.push(middle..part.end);
            todo.push(part.start..middle);
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn starts(lengths: &[u32]) -> (u32, Vec<u32>) {
        let mut end = 0;
        let mut starts = Vec::new();
        for length in lengths {
            starts.push(end);
            end += length;
        }
        (end, starts)
    }

    fn block_rows(lengths: &[u32]) -> Vec<u32> {
        let (rows, starts) = starts(lengths);
        cut(rows, &starts, 1, |_| 0).into_iter().map(|block| block.end - block.start).collect()
    }

    #[test]
    fn long_series_have_their_own_blocks_and_short_ones_share() {
        assert_eq!(block_rows(&[255, 255, 256, 1, 2]), [510, 256, 3]);
        assert_eq!(block_rows(&[16_384, 16_385, 5]), [16_384, 16_384, 1, 5]);
        assert_eq!(block_rows(&[1; 20_000]), [16_384, 3_616]);
        assert_eq!(block_rows(&[255; 65]), [255 * 64, 255]);
    }

    #[test]
    fn much_text_cuts_a_block_further() {
        assert_eq!(cut(8, &[0], 3, |rows| rows.len() as u64), [0..2, 2..4, 4..6, 6..8]);
        assert_eq!(cut(2, &[0], 3, |_| 1_000), [0..1, 1..2]);
    }

    proptest! {
        #[test]
        fn blocks_tile_the_rows_and_keep_series_together(
            lengths in prop::collection::vec(prop_oneof![1u32..300, 1u32..40_000], 1..40)
        ) {
            let (rows, starts) = starts(&lengths);
            let blocks = cut(rows, &starts, 1, |_| 0);
            let mut end = 0;
            for block in &blocks {
                prop_assert_eq!(block.start, end);
                prop_assert!(!block.is_empty() && block.len() <= MAX_BLOCK_ROWS as usize);
                end = block.end;
            }
            prop_assert_eq!(end, rows);
            for (start, len) in starts.iter().zip(&lengths) {
                let touching: Vec<_> =
                    blocks.iter().filter(|block| block.start < start + len && *start < block.end).collect();
                if *len >= OWN_BLOCK_ROWS {
                    prop_assert!(touching.iter().all(|b| *start <= b.start && b.end <= start + len));
                    prop_assert_eq!(touching.len(), len.div_ceil(MAX_BLOCK_ROWS) as usize);
                } else {
                    prop_assert_eq!(touching.len(), 1);
                }
            }
        }
    }
}
