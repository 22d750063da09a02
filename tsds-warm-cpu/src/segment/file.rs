//! A segment that is read from its file, block by block.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use tsds_segment::ColumnDecoder;
use tsds_traits::{
    CodecLookup, Column, ColumnId, ColumnStats, EncodedBlock, EncodedColumn, Error, ReadMeter, Result,
    SegmentMeta, SegmentSource,
};

use super::{Body, Cuts, Group, Part, Piece, Room};

/// Blocks that are not needed are read all the same if fewer rows lie between two that are: one read of more costs less than
/// two reads.
const READ_THROUGH_ROWS: u64 = 32_768;

/// A segment that is not in memory.
#[derive(Debug)]
pub(crate) struct FileSegment {
    source: Arc<dyn SegmentSource>,
    cuts: Cuts,
    /// The columns that the request reads.
    columns: Vec<FileColumn>,
    codecs: Arc<dyn CodecLookup>,
}

#[derive(Debug)]
struct FileColumn {
    column: Column,
    block_stats: Vec<ColumnStats>,
    /// Made of the dictionary that comes with the first blocks.
    decoder: Mutex<Option<Arc<ColumnDecoder>>>,
}

impl FileSegment {
    /// `None` where the source has no blocks. No I/O.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a column that the segment lacks; `Corrupt` where columns are cut differently.
    pub(crate) fn new(
        source: &Arc<dyn SegmentSource>,
        columns: &[ColumnId],
        codecs: &Arc<dyn CodecLookup>,
        group_bytes: u64,
    ) -> Result<Option<Self>> {
        let (meta, schema) = (source.meta(), source.schema());
        // The time column, which every segment has, says how the others are cut where the request reads none.
        let Some(layout) = source.layout(schema.time_column().id)? else { return Ok(None) };
        let room = Room::new(meta, schema, columns, group_bytes);
        let cuts = Cuts::of_layout(meta, room, &layout)?;
        let mut opened = Vec::with_capacity(columns.len());
        for id in columns {
            let missing =
                || Error::invalid_input("segment lacks a column that is asked for").with("column", id);
            let column = schema.column(*id).ok_or_else(missing)?.clone();
            let Some(layout) = source.layout(*id)? else { return Ok(None) };
            if Cuts::of_layout(meta, room, &layout)? != cuts {
                return Err(Error::corrupt("columns of a segment are cut differently")
                    .with("segment", meta.id)
                    .with("column", &column.name));
            }
            let block_stats = layout.into_iter().map(|block| block.stats).collect();
            opened.push(FileColumn { column, block_stats, decoder: Mutex::default() });
        }
        Ok(Some(Self { source: Arc::clone(source), cuts, columns: opened, codecs: Arc::clone(codecs) }))
    }

    pub(crate) fn meta(&self) -> &Arc<SegmentMeta> {
        self.source.meta()
    }

    pub(crate) fn cuts(&self) -> &Cuts {
        &self.cuts
    }

    pub(crate) fn block_stats(&self, column: ColumnId, block: usize) -> Option<&ColumnStats> {
        let column = self.columns.iter().find(|own| own.column.id == column)?;
        column.block_stats.get(block)
    }

    /// Reads the blocks of a column that are in `rows`: ranges of whole blocks, ascending, relative to the group.
    ///
    /// # Errors
    ///
    /// `Corrupt`; as for I/O.
    pub(crate) async fn load(
        &self,
        column: ColumnId,
        group: &Group,
        rows: &[Range<usize>],
        meter: &ReadMeter,
    ) -> Result<Part> {
        let opened = self.columns.iter().find(|own| own.column.id == column);
        let opened = opened.ok_or_else(|| {
            Error::internal("a column was not opened with its segment").with("column", column)
        })?;
        let mut pieces = Vec::new();
        let mut decoder = None;
        for reach in reaches(group, rows) {
            let encoded = self.source.blocks(column, reach.clone()).await?;
            let encoded =
                encoded.ok_or_else(|| self.damaged("segment has a layout but no blocks", column))?;
            let bytes = encoded.blocks.iter().map(|block| block.bytes.len() as u64).sum();
            meter.bytes_read(bytes);
            meter.blocks_read(encoded.blocks.len() as u64);
            decoder = Some(self.decoder(opened, &encoded)?);
            for block in encoded.blocks {
                pieces.push(self.piece(group, block, &pieces, column)?);
            }
        }
        let decoder = decoder.ok_or_else(|| Error::internal("no rows to load were named"))?;
        Ok(Part::new(decoder, pieces))
    }

    fn decoder(&self, opened: &FileColumn, encoded: &EncodedColumn) -> Result<Arc<ColumnDecoder>> {
        let slot = || opened.decoder.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(decoder) = &*slot() {
            return Ok(Arc::clone(decoder));
        }
        // Without the lock: two readers may both decode the dictionary, which does no harm.
        let decoder =
            ColumnDecoder::new(Arc::clone(&self.codecs), &opened.column, encoded.dictionary.as_ref())?;
        Ok(Arc::clone(slot().get_or_insert(Arc::new(decoder))))
    }

    /// A block as what it must be: one of the group, whole, after those before it.
    fn piece(&self, group: &Group, block: EncodedBlock, before: &[Piece], column: ColumnId) -> Result<Piece> {
        let start = block.layout.first_row;
        let rows = start..start.saturating_add(u64::from(block.layout.rows));
        let known = group.blocks.clone().any(|known| self.cuts.block(known) == rows);
        let inside = start.checked_sub(group.rows.start).filter(|_| known);
        let Some(first) = inside.map(|first| first as usize) else {
            return Err(self.damaged("segment gives other blocks than its layout", column));
        };
        if before.last().is_some_and(|last| first < last.rows.end) {
            return Err(self.damaged("segment gives blocks out of order", column));
        }
        Ok(Piece { rows: first..first + block.layout.rows as usize, body: Body::Encoded(block) })
    }

    fn damaged(&self, what: &'static str, column: ColumnId) -> Error {
        Error::corrupt(what).with("segment", self.meta().id).with("column", column)
    }
}

/// The rows of the segment to be read for `rows` of a group.
fn reaches(group: &Group, rows: &[Range<usize>]) -> Vec<Range<u64>> {
    let mut reaches: Vec<Range<u64>> = Vec::new();
    for rows in rows {
        let rows = group.rows.start + rows.start as u64..group.rows.start + rows.end as u64;
        match reaches.last_mut() {
            Some(last) if rows.start.saturating_sub(last.end) < READ_THROUGH_ROWS => {
                last.end = rows.end.max(last.end)
            }
            _ => reaches.push(rows),
        }
    }
    reaches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_rows_are_read_in_one_go_and_far_ones_apart() {
        let group = Group { index: 1, blocks: 4..9, rows: 1_000..101_000 };
        let reach = |rows: &[Range<usize>]| reaches(&group, rows);
        assert_eq!(reach(&[0..10, 20..30]), std::slice::from_ref(&(1_000..1_030)));
        assert_eq!(reach(&[0..10, 90_000..90_001]), [1_000..1_010, 91_000..91_001]);
        assert!(reach(&[]).is_empty());
    }
}
