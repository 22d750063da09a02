//! How the rows of a segment are cut: into blocks, as it was written, and into groups of blocks, the units of work.

use std::ops::Range;

use tsds_compute::expected_long_bytes;
use tsds_traits::{BlockLayout, ColumnId, Error, Result, SegmentMeta, TableSchema};

/// The most rows in a group of several blocks. Enough that handing a group to another thread costs nothing against working
/// on it, few enough that the answers of a few groups fit in memory.
pub(crate) const GROUP_ROWS: u64 = 131_072;
/// About how many bytes of plain rows a group has at most, where rows are wide.
const GROUP_BYTES: u64 = 32 << 20;
/// What long text and payload of a block of several rows come to at most: segment files are written so.
pub(crate) const LONG_BLOCK_BYTES: u64 = 16 << 20;
/// Rows differ: how many times as large as on an average a group may be.
const UNEVENNESS: u64 = 4;

/// How large the groups of a segment may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// About how many bytes.
    bytes: u64,
    /// What of the segment is long text and payload, of which some rows may have all.
    long_bytes: u64,
}

impl Room {
    /// For whatever may be asked of a segment.
    pub(crate) fn of_all(meta: &SegmentMeta, schema: &TableSchema) -> Self {
        let columns: Vec<ColumnId> = schema.columns().iter().map(|column| column.id).collect();
        Self::new(meta, schema, &columns, u64::MAX)
    }

    /// For groups of some columns that take `bytes`, or less.
    pub(crate) fn new(meta: &SegmentMeta, schema: &TableSchema, columns: &[ColumnId], bytes: u64) -> Self {
        Self { bytes: bytes.clamp(1, GROUP_BYTES), long_bytes: expected_long_bytes(meta, schema, columns) }
    }

    /// Without long text and payload.
    #[cfg(test)]
    pub(crate) fn of_numbers() -> Self {
        Self { bytes: GROUP_BYTES, long_bytes: 0 }
    }

    /// How many blocks a group may have, for they can all be as large as blocks become.
    fn blocks(self) -> u64 {
        let most = self.bytes.saturating_mul(UNEVENNESS);
        if self.long_bytes <= most { u64::MAX } else { (most / LONG_BLOCK_BYTES).max(1) }
    }
}

/// The blocks and groups of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cuts {
    /// The first row of every block, and the number of rows.
    starts: Box<[u64]>,
    /// The first block of every group, and the number of blocks.
    groups: Box<[usize]>,
}

/// Consecutive blocks of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// Which group of the segment it is.
    pub(crate) index: usize,
    pub(crate) blocks: Range<usize>,
    /// The rows in the segment.
    pub(crate) rows: Range<u64>,
}

impl Group {
    pub(crate) fn len(&self) -> usize {
        // Blocks have at most 2^32 rows, and a group more than GROUP_ROWS only if it is one block.
        (self.rows.end - self.rows.start) as usize
    }
}

impl Cuts {
    /// Blocks of these numbers of rows, in order.
    ///
    /// # Errors
    ///
    /// `Corrupt` if they are not the rows of the segment.
    pub(crate) fn new(
        meta: &SegmentMeta,
        room: Room,
        block_rows: impl IntoIterator<Item = u32>,
    ) -> Result<Self> {
        let mut starts = vec![0];
        let mut end = 0u64;
        for rows in block_rows {
            if rows == 0 {
                return Err(Error::corrupt("segment has a block without rows").with("segment", meta.id));
            }
            end = end.saturating_add(u64::from(rows));
            starts.push(end);
        }
        if end != meta.rows {
            return Err(Error::corrupt("blocks of a segment have another number of rows than its metadata")
                .with("segment", meta.id)
                .with("block_rows", end)
                .with("rows", meta.rows));
        }
        let row_bytes = (meta.plain_bytes / meta.rows.max(1)).max(1);
        let groups = group(&starts, (room.bytes / row_bytes).clamp(1, GROUP_ROWS), room.blocks());
        Ok(Self { starts: starts.into(), groups: groups.into() })
    }

    /// The blocks of a column's layout.
    ///
    /// # Errors
    ///
    /// `Corrupt` if they do not follow each other or are not the rows of the segment.
    pub(crate) fn of_layout(meta: &SegmentMeta, room: Room, layout: &[BlockLayout]) -> Result<Self> {
        let cuts = Self::new(meta, room, layout.iter().map(|block| block.rows))?;
        let follow = layout.iter().zip(&cuts.starts).all(|(block, start)| block.first_row == *start);
        if follow {
            return Ok(cuts);
        }
        Err(Error::corrupt("blocks of a segment do not follow each other").with("segment", meta.id))
    }

    /// How many blocks there are.
    pub(crate) fn blocks(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// The rows of a block in the segment; empty for a block that does not exist.
    pub(crate) fn block(&self, block: usize) -> Range<u64> {
        let start = |at: usize| self.starts.get(at).copied();
        start(block).zip(start(block + 1)).map_or(0..0, |(start, end)| start..end)
    }

    /// The rows of a block, relative to a group that has it.
    pub(crate) fn block_in(&self, group: &Group, block: usize) -> Range<usize> {
        let rows = self.block(block);
        (rows.start - group.rows.start) as usize..(rows.end - group.rows.start) as usize
    }

    /// The groups in order.
    pub(crate) fn groups(&self) -> impl Iterator<Item = Group> + '_ {
        (0..self.group_count()).filter_map(|index| self.group(index))
    }

    pub(crate) fn group_count(&self) -> usize {
        self.groups.len().saturating_sub(1)
    }

    pub(crate) fn group(&self, index: usize) -> Option<Group> {
        let blocks = *self.groups.get(index)?..*self.groups.get(index + 1)?;
        let rows = *self.starts.get(blocks.start)?..*self.starts.get(blocks.end)?;
        Some(Group { index, blocks, rows })
    }

    /// What this bookkeeping takes in memory.
    pub(crate) fn bytes(&self) -> u64 {
        (size_of_val(&*self.starts) + size_of_val(&*self.groups)) as u64
    }
}

/// Joins blocks while they have at most `most` rows together, and are at most so many.
fn group(starts: &[u64], most: u64, most_blocks: u64) -> Vec<usize> {
    let blocks = starts.len() - 1;
    let mut groups = vec![0];
    let mut first = 0;
    for block in 0..blocks {
        let is_full = starts[block + 1] - starts[first] > most || (block - first) as u64 >= most_blocks;
        if block > first && is_full {
            groups.push(block);
            first = block;
        }
    }
    groups.push(blocks);
    groups
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::segment::memory::tests::meta;

    #[test]
    fn small_blocks_share_a_group_and_large_ones_stay_whole() {
        let cuts =
            Cuts::new(&meta(400_000), Room::of_numbers(), [100_000, 31_072, 1, 200_000, 68_927]).unwrap();
        let groups: Vec<_> = cuts.groups().map(|group| group.rows).collect();
        assert_eq!(groups, [0..131_072, 131_072..131_073, 131_073..331_073, 331_073..400_000]);
        assert_eq!(cuts.block_in(&cuts.group(0).unwrap(), 1), 100_000..131_072);
    }

    #[test]
    fn wide_rows_make_small_groups() {
        let wide = SegmentMeta { plain_bytes: 100 * (1 << 20), ..meta(100) };
        let cuts = Cuts::new(&wide, Room::of_numbers(), [10; 10]).unwrap();
        assert_eq!(cuts.groups().map(|group| group.len()).collect::<Vec<_>>(), [30, 30, 30, 10]);
    }

    #[test]
    fn a_group_has_few_of_the_blocks_that_may_hold_all_payload() {
        let groups = |long_bytes, bytes| {
            let cuts = Cuts::new(&meta(200), Room { bytes, long_bytes }, [10; 20]).unwrap();
            cuts.groups().map(|group| group.blocks.len()).collect::<Vec<_>>()
        };
        assert_eq!(groups(128 << 20, GROUP_BYTES), [20]);
        assert_eq!(groups(129 << 20, GROUP_BYTES), [8, 8, 4]);
        assert_eq!(groups(65 << 20, 16 << 20), [4; 5]);
        assert_eq!(groups(1 << 30, 1 << 20), [1; 20]);
    }

    #[test]
    fn blocks_must_be_the_rows_of_the_segment() {
        assert!(Cuts::new(&meta(10), Room::of_numbers(), [5, 4]).is_err());
        assert!(Cuts::new(&meta(10), Room::of_numbers(), [5, 0, 5]).is_err());
        assert!(Cuts::new(&meta(10), Room::of_numbers(), [u32::MAX; 4]).is_err());
    }

    proptest! {
        #[test]
        fn groups_tile_the_blocks(rows in prop::collection::vec(1u32..60_000, 1..40)) {
            let total = rows.iter().map(|rows| u64::from(*rows)).sum();
            let cuts = Cuts::new(&meta(total), Room::of_numbers(), rows.iter().copied()).unwrap();
            let (mut block, mut row) = (0, 0);
            for group in cuts.groups() {
                prop_assert_eq!((group.blocks.start, group.rows.start), (block, row));
                prop_assert!(!group.blocks.is_empty() && (group.blocks.len() == 1 || group.len() <= 131_072));
                (block, row) = (group.blocks.end, group.rows.end);
            }
            prop_assert_eq!((block, row), (rows.len(), total));
        }
    }
}
