//! From rows, where a source has no blocks.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use tsds_compute::{RowOrder, code_text, column_stats, conform};
use tsds_device::residency::read_rows;
use tsds_segment::{ColumnDecoder, MAX_BLOCK_ROWS, OWN_BLOCK_ROWS};
use tsds_traits::{
    CodecLookup, Column, ColumnId, Result, SegmentMeta, SegmentSource, SortKey, TableSchema, ValueClass,
    World,
};

use super::{group_stats, owned};
use crate::segment::{Body, Cuts, MemoryColumn, MemorySegment, Part, Piece, Room, array_bytes};

/// Reads the rows of a segment and cuts them into blocks as a segment file does.
///
/// # Errors
///
/// As [`super::pin`].
pub(crate) async fn rows(
    world: &World,
    codecs: &Arc<dyn CodecLookup>,
    source: &dyn SegmentSource,
) -> Result<MemorySegment> {
    let batches = read_rows(source).await?;
    let rows = Rows {
        meta: Arc::clone(source.meta()),
        schema: Arc::clone(source.schema()),
        codecs: Arc::clone(codecs),
        batches,
    };
    (*world.executor).blocking(move || rows.pin()).await
}

struct Rows {
    meta: Arc<SegmentMeta>,
    schema: Arc<TableSchema>,
    codecs: Arc<dyn CodecLookup>,
    batches: Vec<RecordBatch>,
}

impl Rows {
    fn pin(mut self) -> Result<MemorySegment> {
        let room = Room::of_all(&self.meta, &self.schema);
        let cuts = Cuts::new(&self.meta, room, block_rows(&self.series_starts()?, self.count()))?;
        let schema = Arc::clone(&self.schema);
        let mut columns = Vec::with_capacity(schema.columns().len());
        for (index, column) in schema.columns().iter().enumerate().rev() {
            // From the last on, so that taking a column away does not move those that are left.
            let arrays = self.batches.iter_mut().map(|batch| batch.remove_column(index)).collect();
            columns.push(self.column(&cuts, column, arrays)?);
        }
        columns.reverse();
        Ok(MemorySegment::new(Arc::clone(&self.meta), cuts, columns))
    }

    fn count(&self) -> u64 {
        self.batches.iter().map(|batch| batch.num_rows() as u64).sum()
    }

    /// The first row of every series.
    fn series_starts(&self) -> Result<Vec<u64>> {
        let ids: Vec<ColumnId> = self.schema.columns().iter().map(|column| column.id).collect();
        let series = self.schema.series_indices().iter().filter_map(|index| ids.get(*index));
        let keys = series.map(|column| SortKey { column: *column, descending: false, nulls_first: true });
        let order = RowOrder::new(keys.collect());
        let (mut starts, mut first_row) = (Vec::new(), 0u64);
        let mut before = None;
        for batch in self.batches.iter().filter(|batch| batch.num_rows() > 0) {
            let keyed = order.prepare(&ids, batch)?;
            let goes_on =
                before.as_ref().is_some_and(|(last, row)| order.compare(last, *row, &keyed, 0).is_eq());
            if !goes_on {
                starts.push(first_row);
            }
            let changes =
                (1..keyed.rows()).filter(|row| order.compare(&keyed, row - 1, &keyed, *row).is_ne());
            starts.extend(changes.map(|row| first_row + row as u64));
            first_row += keyed.rows() as u64;
            before = Some((keyed, batch.num_rows() - 1));
        }
        Ok(starts)
    }

    /// Text as codes, or plain where hardly a text occurs twice.
    fn code(&self, arrays: Vec<ArrayRef>) -> Result<(Vec<ArrayRef>, Option<ArrayRef>)> {
        let most = usize::try_from(self.count() / 2).unwrap_or(usize::MAX);
        if let Some((coded, dictionary)) = code_text(&arrays, most)? {
            return Ok((coded, Some(dictionary)));
        }
        let plain = arrays.iter().map(|array| conform(array, &DataType::Utf8));
        Ok((plain.collect::<Result<_>>()?, None))
    }

    fn column(&self, cuts: &Cuts, column: &Column, arrays: Vec<ArrayRef>) -> Result<MemoryColumn> {
        let (arrays, dictionary) = match ValueClass::of(&column.data_type) {
            Some(ValueClass::Text) => self.code(arrays)?,
            _ => (arrays, None),
        };
        // Never asked to decode anything: every piece is an array.
        let decoder = Arc::new(ColumnDecoder::new(Arc::clone(&self.codecs), column, None)?);
        let mut value_bytes = dictionary.map_or(0, |dictionary| array_bytes(&dictionary));
        let mut parts = Vec::with_capacity(cuts.group_count());
        let mut block_stats = Vec::with_capacity(cuts.blocks());
        for group in cuts.groups() {
            let array = owned(slice(&arrays, &group.rows)?)?;
            for block in group.blocks.clone() {
                let rows = cuts.block_in(&group, block);
                block_stats.push(column_stats(column.id, &array.slice(rows.start, rows.len()))?);
            }
            value_bytes += array_bytes(&array) + size_of::<Piece>() as u64;
            let piece = Piece { rows: 0..group.len(), body: Body::Values(array) };
            parts.push(Part::new(Arc::clone(&decoder), vec![piece]));
        }
        Ok(MemoryColumn {
            column: column.id,
            group_stats: group_stats(cuts, &block_stats),
            block_stats: block_stats.into(),
            parts: parts.into(),
            value_bytes,
        })
    }
}

/// Some rows of consecutive arrays as one array.
fn slice(arrays: &[ArrayRef], rows: &Range<u64>) -> Result<ArrayRef> {
    let mut parts = Vec::new();
    let mut first = 0u64;
    for array in arrays {
        let end = first + array.len() as u64;
        let (from, upto) = (rows.start.max(first), rows.end.min(end));
        if from < upto {
            parts.push(array.slice((from - first) as usize, (upto - from) as usize));
        }
        first = end;
    }
    match &*parts {
        [only] => Ok(Arc::clone(only)),
        parts => {
            let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
            Ok(arrow_select::concat::concat(&parts)?)
        }
    }
}

/// How many rows each block has: as in segment files, a long series has blocks of its own and short ones share.
fn block_rows(series_starts: &[u64], rows: u64) -> Vec<u32> {
    let (own, most) = (u64::from(OWN_BLOCK_ROWS), u64::from(MAX_BLOCK_ROWS));
    let mut cuts = Vec::new();
    let mut shared = 0;
    let ends = series_starts.iter().skip(1).copied().chain([rows]);
    for (start, end) in series_starts.iter().copied().zip(ends) {
        let long = end - start >= own;
        if (long || end - shared > most) && start > shared {
            cuts.push(start - shared);
            shared = start;
        }
        while long && shared < end {
            let len = (end - shared).min(most);
            cuts.push(len);
            shared += len;
        }
    }
    if shared < rows {
        cuts.push(rows - shared);
    }
    cuts.into_iter().map(|rows| rows as u32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_series_have_their_own_blocks_and_short_ones_share() {
        let cut = |lengths: &[u64]| {
            let starts: Vec<u64> = (0..lengths.len()).map(|series| lengths[..series].iter().sum()).collect();
            block_rows(&starts, lengths.iter().sum())
        };
        assert_eq!(cut(&[255, 255, 256, 1, 2]), [510, 256, 3]);
        assert_eq!(cut(&[16_384, 16_385, 5]), [16_384, 16_384, 1, 5]);
        assert_eq!(cut(&[1; 20_000]), [16_384, 3_616]);
        assert_eq!(cut(&[7]), [7]);
    }
}
