//! Which rows a block holds.

use std::ops::Range;

/// Where series begin in a block, relative to it, ascending, starting with 0: a block that begins inside a series begins a
/// run of its own.
pub(crate) fn run_starts(series_starts: &[u32], block: &Range<u32>) -> Vec<u32> {
    let from = series_starts.partition_point(|start| *start <= block.start);
    let upto = series_starts.partition_point(|start| *start < block.end);
    let inner = series_starts.get(from..upto).unwrap_or_default();
    [0].into_iter().chain(inner.iter().map(|start| start - block.start)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_starts_are_relative_and_begin_with_zero() {
        assert_eq!(run_starts(&[0, 3, 5, 9], &(3..9)), [0, 2]);
        assert_eq!(run_starts(&[0, 3, 5, 9], &(4..12)), [0, 1, 5]);
        assert_eq!(run_starts(&[0], &(7..8)), [0]);
    }
}
