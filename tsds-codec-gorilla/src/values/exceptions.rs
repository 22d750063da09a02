//! Values that a mode cannot express, each with its row.

use std::ops::Range;

use crate::bits::{Packed, Reader, put_varint, write_packed};
use crate::error::{Damaged, Result};

/// Appends exceptions: rows ascend.
pub(crate) fn write_exceptions(exceptions: &[(u32, i64)], out: &mut Vec<u8>) {
    put_varint(exceptions.len() as u64, out);
    write_packed(exceptions.iter().map(|(row, _)| i64::from(*row)), out);
    write_packed(exceptions.iter().map(|(_, lane)| *lane), out);
}

/// Exceptions in untrusted bytes. Rows that do not ascend or lie outside are skipped or found in any order: what they
/// would replace is wrong, nothing else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exceptions<'a> {
    rows: Packed<'a>,
    lanes: Packed<'a>,
}

impl<'a> Exceptions<'a> {
    /// Reads the exceptions of a block with `rows` rows.
    pub(crate) fn parse(reader: &mut Reader<'a>, rows: usize) -> Result<Self> {
        let count = usize::try_from(reader.varint()?).ok().filter(|count| *count <= rows);
        let count = count.ok_or(Damaged::new("it has more exceptions than rows"))?;
        Ok(Self { rows: Packed::parse(reader, count)?, lanes: Packed::parse(reader, count)? })
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The exceptions among the rows of a range, with rows relative to it, and their lanes.
    pub(crate) fn within(&self, range: Range<usize>) -> impl Iterator<Item = (usize, i64)> + '_ {
        let rows = self.rows;
        let row = move |index| usize::try_from(rows.get(index)).unwrap_or(usize::MAX);
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if row(middle) < range.start { low = middle + 1 } else { high = middle }
        }
        let Range { start, end } = range;
        (low..self.len())
            .map_while(move |index| Some((row(index), index)).filter(|(row, _)| *row < end))
            .filter(move |(row, _)| *row >= start)
            .map(move |(row, index)| (row - start, self.lanes.get(index)))
    }
}
