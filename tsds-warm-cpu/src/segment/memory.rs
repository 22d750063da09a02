//! A segment in memory.

use std::sync::Arc;

use tsds_traits::{ColumnId, ColumnStats, Error, Result, SegmentMeta, Value};

use super::{Cuts, Part};
use tsds_device::residency::{Charge, Held};

/// A segment in memory.
#[derive(Debug)]
pub(crate) struct MemorySegment {
    meta: Arc<SegmentMeta>,
    cuts: Cuts,
    columns: Vec<MemoryColumn>,
    bytes: u64,
    charge: Option<Charge>,
}

/// One column of it.
#[derive(Debug)]
pub(crate) struct MemoryColumn {
    pub(crate) column: ColumnId,
    /// One for each block.
    pub(crate) block_stats: Box<[ColumnStats]>,
    /// One for each group.
    pub(crate) group_stats: Box<[ColumnStats]>,
    /// One for each group.
    pub(crate) parts: Box<[Part]>,
    /// What values and dictionary take, without the statistics.
    pub(crate) value_bytes: u64,
}

impl MemoryColumn {
    /// What the column takes in memory.
    pub(crate) fn bytes(&self) -> u64 {
        let stats = self.block_stats.iter().chain(&self.group_stats).map(stats_bytes).sum::<u64>();
        self.value_bytes + stats + size_of_val(&*self.parts) as u64
    }
}

fn stats_bytes(stats: &ColumnStats) -> u64 {
    let text = |value: &Option<Value>| match value {
        Some(Value::Text(text)) => text.capacity(),
        _ => 0,
    };
    (size_of::<ColumnStats>() + text(&stats.min) + text(&stats.max)) as u64
}

impl MemorySegment {
    pub(crate) fn new(meta: Arc<SegmentMeta>, cuts: Cuts, columns: Vec<MemoryColumn>) -> Self {
        let bytes =
            size_of::<Self>() as u64 + cuts.bytes() + columns.iter().map(MemoryColumn::bytes).sum::<u64>();
        Self { meta, cuts, columns, bytes, charge: None }
    }

    pub(crate) fn meta(&self) -> &Arc<SegmentMeta> {
        &self.meta
    }

    pub(crate) fn cuts(&self) -> &Cuts {
        &self.cuts
    }

    pub(crate) fn block_stats(&self, column: ColumnId, block: usize) -> Option<&ColumnStats> {
        self.column(column)?.block_stats.get(block)
    }

    pub(crate) fn group_stats(&self, column: ColumnId, group: usize) -> Option<&ColumnStats> {
        self.column(column)?.group_stats.get(group)
    }

    /// A column of a group.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a column that the segment lacks.
    pub(crate) fn part(&self, column: ColumnId, group: usize) -> Result<Part> {
        let part = self.column(column).and_then(|column| column.parts.get(group)).cloned();
        part.ok_or_else(|| {
            Error::invalid_input("segment lacks a column that is asked for")
                .with("segment", self.meta.id)
                .with("column", column)
        })
    }

    fn column(&self, id: ColumnId) -> Option<&MemoryColumn> {
        self.columns.iter().find(|column| column.column == id)
    }
}

impl Held for MemorySegment {
    fn rows(&self) -> u64 {
        self.meta.rows
    }

    /// To the byte where buffers are concerned.
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn hold(&mut self, charge: Charge) {
        self.charge = Some(charge);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use arrow_array::{Array, ArrayRef};
    use tsds_compute::column_stats;
    use tsds_segment::ColumnDecoder;
    use tsds_traits::{
        ChunkRange, CodecSet, Column, KeyDomain, SchemaVersion, SegmentId, Sequence, SequenceInterval,
        TableId,
    };

    use super::super::{Body, Piece, Room, Segment};
    use super::*;

    /// A segment of these columns, cut into these blocks, several of which have about `group_rows` rows together.
    pub(crate) fn segment(columns: &[(Column, ArrayRef)], block_rows: &[u32], group_rows: u64) -> Segment {
        let rows = block_rows.iter().map(|rows| u64::from(*rows)).sum();
        let meta = SegmentMeta { plain_bytes: rows * ((32 << 20) / group_rows), ..meta(rows) };
        let cuts = Cuts::new(&meta, Room::of_numbers(), block_rows.iter().copied()).unwrap();
        let stats = |id, array: &ArrayRef, rows: std::ops::Range<u64>| {
            column_stats(id, &array.slice(rows.start as usize, (rows.end - rows.start) as usize)).unwrap()
        };
        let column = |(column, array): &(Column, ArrayRef)| {
            let decoder = Arc::new(ColumnDecoder::new(Arc::new(CodecSet::default()), column, None).unwrap());
            let part = |group: super::super::Group| {
                let body = Body::Values(array.slice(group.rows.start as usize, group.len()));
                Part::new(decoder.clone(), vec![Piece { rows: 0..group.len(), body }])
            };
            MemoryColumn {
                column: column.id,
                block_stats: (0..cuts.blocks())
                    .map(|block| stats(column.id, array, cuts.block(block)))
                    .collect(),
                group_stats: cuts.groups().map(|group| stats(column.id, array, group.rows)).collect(),
                parts: cuts.groups().map(part).collect(),
                value_bytes: 0,
            }
        };
        let columns = columns.iter().map(column).collect();
        Segment::Memory(Arc::new(MemorySegment::new(Arc::new(meta), cuts.clone(), columns)))
    }

    /// Metadata of a segment of so many narrow rows.
    pub(crate) fn meta(rows: u64) -> SegmentMeta {
        SegmentMeta {
            id: SegmentId::new(1),
            table: TableId(1),
            schema_version: SchemaVersion(1),
            chunk: ChunkRange { start: 0, end: 10 },
            key_domain: KeyDomain(0),
            interval: SequenceInterval::new(Sequence(0), Sequence(1)),
            rows,
            time_range: (0, 0),
            series: 1,
            plain_bytes: rows * 16,
            columns: Vec::new(),
        }
    }
}
