//! Values that a mode cannot express, each with its row.

use std::ops::Range;

/// Rows, which ascend, and lanes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exceptions {
    pub(crate) rows: Vec<i64>,
    pub(crate) lanes: Vec<i64>,
}

impl Exceptions {
    /// The exceptions among the rows of a range, with rows relative to it, and their lanes.
    pub(crate) fn within(&self, range: Range<usize>) -> impl Iterator<Item = (usize, i64)> + '_ {
        let first = self.rows.partition_point(|row| *row < range.start as i64);
        let rows = self.rows.iter().zip(&self.lanes).skip(first);
        let rows = rows.take_while(move |(row, _)| **row < range.end as i64);
        rows.map(move |(row, lane)| ((*row as usize).wrapping_sub(range.start), *lane))
    }
}
