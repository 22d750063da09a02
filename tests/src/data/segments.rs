//! Segments: rows in storage order with the metadata that belongs to them.

use std::fmt::{self, Debug};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::DataType;
use bytes::Bytes;
use proptest::prelude::*;
use tsds_traits::{
    ChunkRange, ColumnStats, KeyDomain, SegmentHandle, SegmentId, SegmentMeta, Sequence, SequenceInterval,
    TableSchema, Value, units_per_second,
};

use super::MemorySource;
use super::arrays::{self, Cell, Layout, cell_of, value_of};
use super::edges;
use super::encoded::{EncodedRows, Encoding};
use crate::{CaseResult, Failure};

/// One row: a value or null for each column, in schema order.
pub type Row = Vec<Option<Value>>;

/// The seconds of a day: generated chunks are days.
pub const DAY: i64 = 86_400;

/// A generated segment.
#[derive(Clone)]
pub struct Segment {
    /// The schema of its rows.
    pub schema: Arc<TableSchema>,
    /// The rows in storage order.
    pub rows: Vec<Row>,
    /// The metadata.
    pub meta: Arc<SegmentMeta>,
    /// How its batches lie in memory.
    pub layout: Layout,
    /// The longest batch of its source.
    pub batch_rows: usize,
    /// Whether and how its source gives encoded blocks too, as a segment file does.
    pub encoding: Option<Encoding>,
}

/// How much the metadata of a segment says of its values. All of it is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistics {
    /// The smallest and the largest value.
    Exact,
    /// Bounds that no value reaches.
    Loose,
    /// Nothing of any column.
    Missing,
}

impl Segment {
    /// Segment `number` of a table: `rows`, given in order of arrival, all within the day that begins at second `day`. It
    /// owns the sequences `(1000·number, 1000·(number + 1)]`.
    pub fn new(schema: &Arc<TableSchema>, number: u64, day: i64, mut rows: Vec<Row>) -> Self {
        let order: Vec<usize> =
            schema.series_indices().iter().copied().chain([schema.time_index()]).collect();
        let key = |row: &Row| -> Row { order.iter().map(|index| row[*index].clone()).collect() };
        rows.sort_by_cached_key(key);
        let meta = meta_of(schema, number, day, &rows);
        Self {
            schema: schema.clone(),
            rows,
            meta: Arc::new(meta),
            layout: Layout::COMPACT,
            batch_rows: 8_192,
            encoding: None,
        }
    }

    /// The same rows under the id of another physical write.
    #[must_use]
    pub fn with_generation(mut self, generation: u32) -> Self {
        let id = SegmentId { generation, ..self.meta.id };
        self.meta = Arc::new(SegmentMeta { id, ..(*self.meta).clone() });
        self
    }

    /// The same rows in other batches.
    #[must_use]
    pub fn with_layout(self, layout: Layout, batch_rows: usize) -> Self {
        Self { layout, batch_rows: batch_rows.max(1), ..self }
    }

    /// The same rows, given as encoded blocks too, or as batches only.
    #[must_use]
    pub fn with_encoding(self, encoding: Option<Encoding>) -> Self {
        Self { encoding, ..self }
    }

    /// The same rows under metadata that says more or less of them.
    #[must_use]
    pub fn with_statistics(mut self, statistics: Statistics) -> Self {
        let columns = match statistics {
            Statistics::Exact => return self,
            Statistics::Loose => self.meta.columns.iter().map(loosened).collect(),
            Statistics::Missing => Vec::new(),
        };
        self.meta = Arc::new(SegmentMeta { columns, ..(*self.meta).clone() });
        self
    }

    /// The id.
    pub fn id(&self) -> SegmentId {
        self.meta.id
    }

    /// The rows as batches.
    ///
    /// # Errors
    ///
    /// A failure if they cannot be built, which is a fault of the generator.
    pub fn batches(&self) -> CaseResult<Vec<RecordBatch>> {
        self.rows.chunks(self.batch_rows).map(|rows| batch_of(&self.schema, rows, self.layout)).collect()
    }

    /// A source for [`tsds_traits::Tier::put`].
    ///
    /// # Errors
    ///
    /// As [`Segment::batches`].
    pub fn source(&self) -> CaseResult<MemorySource> {
        let source = MemorySource::new(self.meta.clone(), self.schema.clone(), self.batches()?);
        Ok(match self.encoding {
            None => source,
            Some(encoding) => {
                let (schema, rows) = (self.schema.clone(), Arc::new(self.rows.clone()));
                source.with_blocks(EncodedRows { schema, rows, encoding })
            }
        })
    }

    /// The segment in a request to the tier that returned `record`.
    pub fn handle(&self, record: &Bytes) -> SegmentHandle {
        SegmentHandle { meta: self.meta.clone(), record: record.clone() }
    }
}

impl Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<String> = self
            .schema
            .columns()
            .iter()
            .map(|column| format!("{}:{} {}", column.id, column.name, column.data_type))
            .collect();
        writeln!(f, "segment {} of [{}]", self.meta.id, columns.join(", "))?;
        writeln!(
            f,
            "{:?}, batches of {} rows, {:?}, series {:?}",
            self.layout,
            self.batch_rows,
            self.encoding,
            self.schema.series_indices()
        )?;
        self.rows.iter().take(40).try_for_each(|row| writeln!(f, "  {row:?}"))?;
        if self.rows.len() > 40 {
            writeln!(f, "  … {} rows", self.rows.len())?;
        }
        Ok(())
    }
}

/// A batch of rows.
///
/// # Errors
///
/// A failure if a value is not of its column's class.
pub fn batch_of(schema: &TableSchema, rows: &[Row], layout: Layout) -> CaseResult<RecordBatch> {
    let columns = schema.columns().iter().enumerate().map(|(index, column)| {
        let cells: Vec<Option<Cell>> = rows.iter().map(|row| row.get(index)?.as_ref().map(cell_of)).collect();
        arrays::build(&column.data_type, &cells, layout)
    });
    Ok(RecordBatch::try_new(schema.arrow().clone(), columns.collect::<CaseResult<_>>()?)?)
}

/// The rows of a batch.
///
/// # Errors
///
/// A failure for a value that its type cannot have.
pub fn rows_of(batch: &RecordBatch) -> CaseResult<Vec<Row>> {
    let mut rows = vec![Vec::with_capacity(batch.num_columns()); batch.num_rows()];
    for column in batch.columns() {
        let cells = arrays::read(column)?;
        for (row, cell) in rows.iter_mut().zip(cells) {
            let value = match cell {
                None => None,
                Some(cell) => Some(value_of(column.data_type(), &cell).ok_or_else(|| {
                    Failure::new(format!("{cell:?} is no value of type {}", column.data_type()))
                })?),
            };
            row.push(value);
        }
    }
    Ok(rows)
}

fn meta_of(schema: &TableSchema, number: u64, day: i64, rows: &[Row]) -> SegmentMeta {
    let times = rows.iter().filter_map(|row| match row.get(schema.time_index()) {
        Some(Some(Value::Int(time))) => Some(*time),
        _ => None,
    });
    let series_of =
        |row: &Row| -> Row { schema.series_indices().iter().map(|at| row[*at].clone()).collect() };
    let mut series: Vec<Row> = rows.iter().map(series_of).collect();
    series.sort();
    series.dedup();
    SegmentMeta {
        id: SegmentId::new(number + 1),
        table: schema.table(),
        schema_version: schema.version(),
        chunk: ChunkRange { start: day, end: day.saturating_add(DAY) },
        key_domain: KeyDomain(0),
        interval: SequenceInterval::new(Sequence(number * 1_000), Sequence((number + 1) * 1_000)),
        rows: rows.len() as u64,
        time_range: (times.clone().min().unwrap_or(0), times.max().unwrap_or(0)),
        series: series.len() as u64,
        plain_bytes: rows.iter().map(|row| plain_bytes_of(row)).sum(),
        columns: (0..schema.columns().len()).map(|index| stats_of(schema, rows, index)).collect(),
    }
}

fn plain_bytes_of(row: &[Option<Value>]) -> u64 {
    let bytes = |value: &Value| match value {
        Value::Text(text) => 4 + text.len() as u64,
        Value::Decimal(_) => 16,
        _ => 8,
    };
    row.iter().map(|value| value.as_ref().map_or(8, bytes)).sum()
}

/// The statistics of one column of some rows.
pub(super) fn stats_of(schema: &TableSchema, rows: &[Row], index: usize) -> ColumnStats {
    let values = rows.iter().filter_map(|row| row[index].as_ref());
    let ordinary = values.clone().filter(|value| !value.is_nan());
    ColumnStats {
        column: schema.columns()[index].id,
        null_count: rows.iter().filter(|row| row[index].is_none()).count() as u64,
        has_nan: values.clone().any(Value::is_nan),
        min: ordinary.clone().min().cloned(),
        max: ordinary.max().cloned(),
        exact: true,
    }
}

/// Bounds beside the true ones.
fn loosened(stats: &ColumnStats) -> ColumnStats {
    let below = |value: &Value| match value {
        Value::Bool(_) => Value::Bool(false),
        Value::Int(value) => Value::Int(value.saturating_sub(3)),
        Value::UInt(value) => Value::UInt(value.saturating_sub(3)),
        Value::F32(_) => Value::F32(f32::NEG_INFINITY),
        Value::F64(_) => Value::F64(f64::NEG_INFINITY),
        Value::Text(text) => Value::Text(text.chars().take(1).collect()),
        Value::Decimal(value) => Value::Decimal(value.saturating_sub(3)),
        other => other.clone(),
    };
    let above = |value: &Value| match value {
        Value::Bool(_) => Value::Bool(true),
        Value::Int(value) => Value::Int(value.saturating_add(3)),
        Value::UInt(value) => Value::UInt(value.saturating_add(3)),
        Value::F32(_) => Value::F32(f32::INFINITY),
        Value::F64(_) => Value::F64(f64::INFINITY),
        Value::Text(text) => Value::Text(format!("{text}x")),
        Value::Decimal(value) => Value::Decimal(value.saturating_add(3)),
        other => other.clone(),
    };
    ColumnStats {
        min: stats.min.as_ref().map(below),
        max: stats.max.as_ref().map(above),
        exact: false,
        ..stats.clone()
    }
}

/// Days at which calendars and units break; those in the nanosecond range come first.
const DAYS: &[i64] = &[
    0,               // 1970-01-01
    -DAY,            // 1969-12-31
    19_782 * DAY,    // 2024-02-29
    -106_751 * DAY,  // 1677-09-22, the first whole day of nanoseconds
    106_750 * DAY,   // 2262-04-10, the last whole day of nanoseconds
    -719_162 * DAY,  // 0001-01-01
    2_932_896 * DAY, // 9999-12-31
    -25_567 * DAY,   // 1900-01-01
];

/// Times of one day in a unit: few enough to tie, first and last included.
fn times(schema: &TableSchema, day: i64) -> BoxedStrategy<Cell> {
    let per_second = units_per_second(schema.time_unit());
    let (first, last) = (day * per_second, (day + DAY) * per_second - 1);
    prop_oneof![
        1 => Just(first),
        1 => Just(last),
        4 => (0..20i64).prop_map(move |step| first + step * 60 * per_second),
        2 => first..=last,
    ]
    .prop_map(|time| Cell::Bits(time as u64))
    .boxed()
}

/// Rows of a schema within one day, in order of arrival.
pub fn rows(schema: &Arc<TableSchema>, day: i64, count: BoxedStrategy<usize>) -> BoxedStrategy<Vec<Row>> {
    let columns: Vec<BoxedStrategy<Option<Cell>>> = schema
        .columns()
        .iter()
        .enumerate()
        .map(|(index, column)| {
            if index == schema.time_index() {
                times(schema, day).prop_map(Some).boxed()
            } else {
                edges::optional_cells(&column.data_type, column.nullable)
            }
        })
        .collect();
    let types: Vec<DataType> = schema.columns().iter().map(|column| column.data_type.clone()).collect();
    let row = columns.prop_map(move |cells| -> Row {
        let value = |(cell, data_type): (Option<Cell>, &DataType)| cell.and_then(|c| value_of(data_type, &c));
        cells.into_iter().zip(&types).map(value).collect()
    });
    let row = row.boxed();
    count.prop_flat_map(move |count| proptest::collection::vec(row.clone(), count)).boxed()
}

/// Layouts of batches.
pub fn layouts() -> impl Strategy<Value = Layout> {
    (0..10usize, 0..10usize, any::<bool>()).prop_map(|(before, after, untidy)| Layout {
        before,
        after,
        untidy,
    })
}

/// Encodings of sources: none as often as any.
pub fn encodings() -> impl Strategy<Value = Option<Encoding>> {
    let some = (proptest::sample::select(vec![1usize, 8, 50, 1_000]), any::<bool>())
        .prop_map(|(block_rows, dictionaries)| Encoding { block_rows, dictionaries });
    prop_oneof![Just(None), some.prop_map(Some)]
}

/// What metadata says.
pub fn statistics() -> impl Strategy<Value = Statistics> {
    prop_oneof![2 => Just(Statistics::Exact), 1 => Just(Statistics::Loose), 1 => Just(Statistics::Missing)]
}

/// Between one and `at_most` segments of a schema, each of its own day or of the same.
pub fn segments(
    schema: &Arc<TableSchema>,
    at_most: usize,
    rows_at_most: usize,
) -> BoxedStrategy<Vec<Segment>> {
    let whole_range = units_per_second(schema.time_unit()) < 1_000_000_000;
    let days = if whole_range { DAYS } else { &DAYS[..5] };
    let days = proptest::collection::vec(proptest::sample::select(days.to_vec()), 1..=at_most);
    let schema = schema.clone();
    days.prop_flat_map(move |days| {
        let segments: Vec<_> = days
            .into_iter()
            .enumerate()
            .map(|(number, day)| {
                let schema = schema.clone();
                let count = edges::lengths(1, rows_at_most);
                let source = (layouts(), proptest::sample::select(vec![1usize, 7, 64, 1_000]), encodings());
                (rows(&schema, day, count), source, statistics())
                    .prop_map(move |(rows, (layout, batch_rows, encoding), statistics)| {
                        Segment::new(&schema, number as u64, day, rows)
                            .with_layout(layout, batch_rows)
                            .with_encoding(encoding)
                            .with_statistics(statistics)
                    })
                    .boxed()
            })
            .collect();
        segments
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::schemas;

    #[test]
    fn rows_survive_batches_of_every_layout() {
        let schema = schemas::every_type().unwrap();
        let strategy = segments(&schema, 3, 100);
        crate::property::for_all(5, 20, &strategy, |segments| {
            for segment in segments {
                segment.meta.validate()?;
                let mut rows = Vec::new();
                for batch in segment.batches()? {
                    rows.extend(rows_of(&batch)?);
                }
                crate::outcome::ensure_same_sequence(&rows, &segment.rows, "rows")?;
            }
            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn rows_are_stored_by_series_and_time_and_ties_keep_their_order() {
        let schema = schemas::sensors().unwrap();
        let row = |host: &str, time: i64, count: i64| -> Row {
            vec![Some(Value::Text(host.into())), Some(Value::Int(time)), None, Some(Value::Int(count))]
        };
        let arrived = vec![row("b", 1, 0), row("a", 2, 1), row("a", 1, 2), row("a", 1, 3)];
        let segment = Segment::new(&schema, 0, 0, arrived);
        let counts: Vec<_> = segment.rows.iter().map(|row| row[3].clone()).collect();
        assert_eq!(counts, [2, 3, 1, 0].map(|count| Some(Value::Int(count))));
        assert_eq!((segment.meta.series, segment.meta.time_range), (2, (1, 2)));
    }
}
