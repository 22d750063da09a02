//! Metadata of segments.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, UInt32Type};
use arrow_array::{Array, RecordBatch};
use arrow_buffer::ArrowNativeType;
use arrow_schema::DataType;
use tsds_traits::{
    ChunkRange, Error, KeyDomain, Result, SegmentId, SegmentMeta, SequenceInterval, TableSchema, Value,
};

use super::StatsBuilder;
use crate::array::{changes, views};
use crate::sort::SortedRows;

/// What the rows of a batch need in memory as plain Arrow data: fixed-width values, one bit per row for each column with
/// nulls, offsets and bytes of text, and for a dictionary codes and the whole dictionary; for payload the same of what it is made of. Slices count what they show.
pub fn plain_bytes(batch: &RecordBatch) -> u64 {
    batch.columns().iter().map(|array| array_bytes(array.as_ref())).sum()
}

/// As [`plain_bytes`], of one column.
pub fn array_bytes(array: &dyn Array) -> u64 {
    let rows = array.len() as u64;
    let validity = if array.null_count() > 0 { rows.div_ceil(8) } else { 0 };
    let values = match array.data_type() {
        DataType::Boolean => rows.div_ceil(8),
        DataType::Utf8 => {
            let offsets = array.as_string::<i32>().value_offsets();
            let bytes = offsets.last().zip(offsets.first()).map_or(0, |(last, first)| last - first);
            4 * (rows + 1) + bytes as u64
        }
        DataType::Dictionary(_, _) => {
            let values = array
                .as_dictionary_opt::<Int32Type>()
                .map(|dictionary| dictionary.values())
                .or_else(|| array.as_dictionary_opt::<UInt32Type>().map(|dictionary| dictionary.values()));
            4 * rows + values.map_or(0, |values| array_bytes(values.as_ref()))
        }
        DataType::Binary => {
            let offsets = array.as_binary::<i32>().value_offsets();
            4 * (rows + 1) + shown(offsets).len() as u64
        }
        DataType::FixedSizeBinary(width) => rows * u64::from(width.unsigned_abs()),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let items = shown(list.value_offsets());
            4 * (rows + 1) + array_bytes(&list.values().slice(items.start, items.len()))
        }
        DataType::FixedSizeList(_, _) => array_bytes(array.as_fixed_size_list().values()),
        DataType::Struct(_) => {
            array.as_struct().columns().iter().map(|column| array_bytes(column.as_ref())).sum()
        }
        DataType::Map(_, _) => {
            let map = array.as_map();
            let entries = shown(map.value_offsets());
            4 * (rows + 1) + array_bytes(&map.entries().slice(entries.start, entries.len()))
        }
        other => rows * other.primitive_width().unwrap_or(0) as u64,
    };
    values + validity
}

/// What the offsets of an array point to, which may be a slice.
fn shown(offsets: &[i32]) -> Range<usize> {
    let (first, last) = offsets.first().zip(offsets.last()).unwrap_or((&0, &0));
    first.as_usize()..last.as_usize()
}

/// The metadata of rows that [`crate::sort_for_segment`] sorted.
///
/// # Errors
///
/// `InvalidInput` for no rows and for rows outside `chunk`; as [`SegmentDescriber::push`].
pub fn describe_segment(
    schema: &TableSchema,
    id: SegmentId,
    chunk: ChunkRange,
    key_domain: KeyDomain,
    interval: SequenceInterval,
    rows: &SortedRows,
) -> Result<SegmentMeta> {
    let mut describer = SegmentDescriber::new(schema);
    describer.push(&rows.batch)?;
    describer.finish(id, chunk, key_domain, interval)
}

/// Gathers a segment's metadata from its rows, batch by batch in storage order.
#[derive(Debug)]
pub struct SegmentDescriber<'a> {
    schema: &'a TableSchema,
    columns: Vec<StatsBuilder>,
    rows: u64,
    series: u64,
    plain_bytes: u64,
    last_series: Option<Vec<Option<Value>>>,
}

impl<'a> SegmentDescriber<'a> {
    /// The metadata of no rows yet.
    pub fn new(schema: &'a TableSchema) -> Self {
        let columns = schema.columns().iter().map(|column| StatsBuilder::new(column.id)).collect();
        Self { schema, columns, rows: 0, series: 0, plain_bytes: 0, last_series: None }
    }

    /// Adds rows: every column in schema order, sorted by (series columns, time) like all of the segment.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a batch that does not have the schema's columns; `Unsupported` for a type that TSDS does not
    /// store.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_columns() != self.columns.len() {
            return Err(Error::invalid_input("batch does not have the columns of its schema")
                .with("columns", batch.num_columns())
                .with("schema_columns", self.columns.len()));
        }
        if batch.num_rows() == 0 {
            return Ok(());
        }
        for (stats, array) in self.columns.iter_mut().zip(batch.columns()) {
            stats.push(array.as_ref())?;
        }
        self.count_series(batch)?;
        self.rows += batch.num_rows() as u64;
        self.plain_bytes += plain_bytes(batch);
        Ok(())
    }

    fn count_series(&mut self, batch: &RecordBatch) -> Result<()> {
        let series = views(self.schema.series_indices().iter().map(|index| batch.column(*index).as_ref()))?;
        let values_of = |row: usize| series.iter().map(|column| column.value(row)).collect::<Vec<_>>();
        let runs = changes(&series, batch.num_rows()).count_set_bits() as u64;
        // The first row of a batch begins a run of the batch, but not a series that goes on.
        let goes_on = self.last_series.as_ref() == Some(&values_of(0));
        self.series += runs - u64::from(goes_on);
        self.last_series = Some(values_of(batch.num_rows() - 1));
        Ok(())
    }

    /// The metadata of all rows so far.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if there are no rows, or rows outside `chunk`.
    pub fn finish(
        self,
        id: SegmentId,
        chunk: ChunkRange,
        key_domain: KeyDomain,
        interval: SequenceInterval,
    ) -> Result<SegmentMeta> {
        let columns: Vec<_> = self.columns.into_iter().map(StatsBuilder::finish).collect();
        let time = columns.get(self.schema.time_index());
        let time_range = match time.map(|stats| (&stats.min, &stats.max)) {
            Some((Some(Value::Int(first)), Some(Value::Int(last)))) => (*first, *last),
            _ => return Err(Error::invalid_input("a segment needs rows with times").with("segment", id)),
        };
        let unit = self.schema.time_unit();
        for time in [time_range.0, time_range.1] {
            if !chunk.contains_second(crate::chunk::second_of(time, unit)) {
                return Err(Error::invalid_input("segment has rows outside its chunk")
                    .with("chunk", chunk)
                    .with("time", time));
            }
        }
        Ok(SegmentMeta {
            id,
            table: self.schema.table(),
            schema_version: self.schema.version(),
            chunk,
            key_domain,
            interval,
            rows: self.rows,
            time_range,
            series: self.series,
            plain_bytes: self.plain_bytes,
            columns,
        })
    }
}
