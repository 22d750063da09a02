//! All that a block can be asked.

use std::ops::{Range, RangeInclusive};

use tsds_codec_gorilla::{Block, Damaged, Kind};

/// Lanes; of booleans, 0 and 1.
pub type Values = Result<Vec<i64>, Damaged>;

/// The answers.
#[derive(Debug, PartialEq)]
pub struct Seen {
    pub whole: Values,
    pub part: Values,
    pub validity: Result<Option<Vec<u64>>, Damaged>,
    pub selected: Result<Vec<u64>, Damaged>,
}

/// Asks for everything.
pub fn everything(block: &Block<'_>, part: Range<usize>, ranges: &[RangeInclusive<i64>]) -> Seen {
    Seen {
        whole: values(block, 0..block.rows()),
        part: values(block, part),
        validity: block.validity(),
        selected: block.select(ranges),
    }
}

/// The values of a range.
pub fn values(block: &Block<'_>, range: Range<usize>) -> Values {
    if block.kind() == Kind::Boolean {
        let words = block.bits()?;
        return Ok(range.map(|row| (words[row / 64] >> (row % 64) & 1) as i64).collect());
    }
    let mut lanes = vec![0; range.len()];
    block.read_lanes(range, &mut lanes)?;
    Ok(lanes)
}

/// Some range within `rows`, which the last bytes say.
pub fn part(bytes: &[u8], rows: usize) -> Range<usize> {
    let end = |at: usize| {
        bytes
            .rchunks(2)
            .nth(at)
            .map_or(0, |pair| usize::from(pair[0]) * 37 + usize::from(pair[pair.len() - 1]))
    };
    let (a, b) = (end(0) % (rows + 1), end(1) % (rows + 1));
    a.min(b)..a.max(b)
}
