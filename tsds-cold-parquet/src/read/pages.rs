//! Which rows of a row group can match, as far as the statistics of its pages know.

use arrow_array::{Array, ArrayRef, UInt64Array};
use parquet::arrow::arrow_reader::RowSelection;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use tsds_compute::{CompiledPredicate, Verdict, column_stats};
use tsds_traits::{Column, ColumnId, ColumnStats, TableSchema, ValueClass, is_payload_type};

use super::footer::{Footer, TextForm};
use crate::layout::{from_file, statistics_schema};

/// The pages of one column in one row group.
struct Pages {
    /// The first row of each page in the row group, ascending from 0.
    starts: Vec<usize>,
    /// In the order of the pages; `None` where nothing is known.
    stats: Vec<Option<ColumnStats>>,
    end: usize,
}

/// The rows of a row group that can match; `None` where that is all of them, or nothing is known.
///
/// # Errors
///
/// Of the decoder.
pub(super) fn candidates(
    footer: &Footer,
    group: usize,
    predicate: &CompiledPredicate,
    schema: &TableSchema,
) -> Result<Option<RowSelection>, ParquetError> {
    let metadata = footer.arrow(TextForm::Own).metadata();
    let Some(rows) =
        metadata.row_groups().get(group).and_then(|group| usize::try_from(group.num_rows()).ok())
    else {
        return Ok(None);
    };
    let columns = predicate.columns().iter().filter_map(|id| {
        let position = schema.index_of(*id)?;
        let column = schema.columns().get(position)?;
        pages_of(footer, metadata, group, position, column, rows).transpose()
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    if columns.is_empty() {
        return Ok(None);
    }
    let mut borders: Vec<usize> = columns.iter().flat_map(|pages| pages.starts.iter().copied()).collect();
    borders.push(rows);
    borders.sort_unstable();
    borders.dedup();
    let mut kept = Vec::with_capacity(borders.len());
    for pair in borders.windows(2) {
        let &[start, end] = pair else { continue };
        let between: Option<Vec<_>> = columns.iter().map(|pages| pages.between(start, end)).collect();
        let stats = between.unwrap_or_default();
        let of = |id: ColumnId| stats.iter().flatten().find(|stats| stats.column == id);
        if predicate.verdict(&of, (end - start) as u64) != Verdict::None {
            kept.push(start..end);
        }
    }
    let selection = RowSelection::from_consecutive_ranges(kept.into_iter(), rows);
    Ok((selection.row_count() < rows).then_some(selection))
}

/// The pages of a column, if the file tells about them.
fn pages_of(
    footer: &Footer,
    metadata: &ParquetMetaData,
    group: usize,
    position: usize,
    column: &Column,
    rows: usize,
) -> Result<Option<Pages>, ParquetError> {
    let (Some(columns), Some(offsets)) = (metadata.column_index(), metadata.offset_index()) else {
        return Ok(None);
    };
    // Of payload nothing is known.
    let leaf = footer.leaf(position).filter(|_| !is_payload_type(&column.data_type));
    let locations = leaf.and_then(|leaf| offsets.get(group)?.get(leaf));
    let Some(locations) = locations else { return Ok(None) };
    let starts: Option<Vec<usize>> =
        locations.page_locations().iter().map(|page| usize::try_from(page.first_row_index).ok()).collect();
    let Some(starts) = starts.filter(|starts| {
        starts.first() == Some(&0)
            && starts.windows(2).all(|pair| pair.first() < pair.last())
            && starts.last().is_some_and(|last| *last < rows)
    }) else {
        return Ok(None);
    };
    let schema = statistics_schema(footer.arrow(TextForm::Own).schema());
    let descriptor = metadata.file_metadata().schema_descr();
    let converter = StatisticsConverter::try_new(&column.name, &schema, descriptor)?;
    let groups = [group];
    let mins = converter.data_page_mins(columns, offsets, &groups)?;
    let maxes = converter.data_page_maxes(columns, offsets, &groups)?;
    let nulls = converter.data_page_null_counts(columns, offsets, &groups)?;
    let in_units =
        |bounds: ArrayRef| from_file(column, bounds).ok().filter(|bounds| bounds.len() == starts.len());
    let (Some(mins), Some(maxes)) = (in_units(mins), in_units(maxes)) else { return Ok(None) };
    let stats = (0..starts.len()).map(|page| stats_of(column, &mins, &maxes, &nulls, page)).collect();
    Ok(Some(Pages { starts, stats, end: rows }))
}

/// The statistics of one page. Parquet does not say whether there is a NaN.
fn stats_of(
    column: &Column,
    mins: &ArrayRef,
    maxes: &ArrayRef,
    nulls: &UInt64Array,
    page: usize,
) -> Option<ColumnStats> {
    let null_count = nulls.is_valid(page).then(|| nulls.value(page))?;
    let bound = |bounds: &ArrayRef| column_stats(column.id, &*bounds.slice(page, 1)).ok();
    let floats = matches!(ValueClass::of(&column.data_type), Some(ValueClass::F32 | ValueClass::F64));
    Some(ColumnStats {
        column: column.id,
        null_count,
        has_nan: floats,
        min: bound(mins)?.min,
        max: bound(maxes)?.max,
        exact: false,
    })
}

impl Pages {
    /// What is known of the rows `start..end`, which lie in one page: nothing, or `Some(None)` where that decides nothing.
    fn between(&self, start: usize, end: usize) -> Option<Option<ColumnStats>> {
        let page = self.starts.partition_point(|first| *first <= start).checked_sub(1)?;
        let first = *self.starts.get(page)?;
        let after = self.starts.get(page + 1).copied().unwrap_or(self.end);
        let Some(stats) = self.stats.get(page)? else { return Some(None) };
        let (page_rows, rows) = ((after - first) as u64, (end - start) as u64);
        let null_count = match stats.null_count {
            nulls if nulls == 0 || page_rows == rows => nulls,
            nulls if nulls == page_rows => rows,
            // Some are null, but which? One of several says as much.
            _ if rows > 1 => 1,
            _ => return Some(None),
        };
        Some(Some(ColumnStats { null_count, ..stats.clone() }))
    }
}
