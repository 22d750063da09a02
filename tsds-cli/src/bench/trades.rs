//! Segments of made-up trades: those of `tsds demo`, as ingest would seal them.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};
use tsds_compute::{describe_segment, sort_for_segment};
use tsds_traits::{
    BlockLayout, ChunkRange, Column, ColumnId, EncodedColumn, Error, KeyDomain, Result, SchemaVersion,
    SegmentId, SegmentMeta, SegmentSource, Sequence, SequenceInterval, TableId, TableSchema,
};

use crate::demo::{Generator, Mode, time_of_row};

/// No segment has more rows.
const MOST_ROWS: u64 = 1_000_000;
/// How many rows a batch of a source has.
const BATCH_ROWS: usize = 65_536;
const DAY: i64 = 86_400;

/// Makes segments, each of the rows after those of the one before.
#[derive(Debug)]
pub(crate) struct Trades {
    schema: Arc<TableSchema>,
    generator: Generator,
    chunk: ChunkRange,
    rows: u64,
    segments: u64,
}

/// A segment in memory.
#[derive(Debug)]
struct Source {
    meta: Arc<SegmentMeta>,
    schema: Arc<TableSchema>,
    rows: RecordBatch,
}

/// The columns of a trade.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns {
    pub(crate) time: ColumnId,
    pub(crate) symbol: ColumnId,
    pub(crate) price: ColumnId,
    pub(crate) size: ColumnId,
}

pub(crate) const COLUMNS: Columns =
    Columns { time: ColumnId(1), symbol: ColumnId(2), price: ColumnId(3), size: ColumnId(4) };

impl Trades {
    /// Before the first of at most so many rows.
    ///
    /// # Errors
    ///
    /// None but a bug.
    pub(crate) fn new(most_rows: u64) -> Result<Self> {
        let names = ["time", "symbol", "price", "size"];
        let trades = Mode::Simple.schema();
        let columns = (1..).zip(trades.fields().iter().zip(names)).map(|(id, (field, name))| Column {
            id: ColumnId(id),
            name: name.into(),
            data_type: field.data_type().clone(),
            nullable: false,
        });
        let schema = TableSchema::new(
            TableId(1),
            SchemaVersion(1),
            columns.collect(),
            COLUMNS.time,
            &[COLUMNS.symbol],
        )?;
        let seconds = |row| time_of_row(row).div_euclid(1_000_000_000);
        let chunk = ChunkRange { start: seconds(0), end: seconds(most_rows) + DAY };
        let generator = Generator::new(Mode::Simple, 0);
        Ok(Self { schema: Arc::new(schema), generator, chunk, rows: 0, segments: 0 })
    }

    /// The table.
    pub(crate) fn schema(&self) -> &Arc<TableSchema> {
        &self.schema
    }

    /// How many rows there are so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// The next segment on the way to `upto` rows; `None` if there are as many. Takes a while.
    ///
    /// # Errors
    ///
    /// None but a bug.
    pub(crate) fn next(&mut self, upto: u64) -> Result<Option<Arc<dyn SegmentSource>>> {
        let rows = upto.saturating_sub(self.rows).min(MOST_ROWS);
        if rows == 0 {
            return Ok(None);
        }
        let count = usize::try_from(rows).map_err(|_| Error::internal("segment is too large"))?;
        let trades = self.generator.batch(count)?;
        let sorted = sort_for_segment(&self.schema, &[trades])?;
        let interval = SequenceInterval::new(Sequence(self.rows), Sequence(self.rows + rows));
        let id = SegmentId::new(self.segments + 1);
        let meta = describe_segment(&self.schema, id, self.chunk, KeyDomain(0), interval, &sorted)?;
        (self.rows, self.segments) = (self.rows + rows, self.segments + 1);
        let source = Source { meta: Arc::new(meta), schema: Arc::clone(&self.schema), rows: sorted.batch };
        Ok(Some(Arc::new(source)))
    }
}

#[async_trait]
impl SegmentSource for Source {
    fn meta(&self) -> &Arc<SegmentMeta> {
        &self.meta
    }

    fn schema(&self) -> &Arc<TableSchema> {
        &self.schema
    }

    fn batches(&self) -> BoxStream<'static, Result<RecordBatch>> {
        let rows = self.rows.clone();
        let starts = (0..rows.num_rows()).step_by(BATCH_ROWS);
        let batch = move |start: usize| Ok(rows.slice(start, BATCH_ROWS.min(rows.num_rows() - start)));
        stream::iter(starts.map(batch)).boxed()
    }

    fn layout(&self, column: ColumnId) -> Result<Option<Vec<BlockLayout>>> {
        match self.schema.column(column) {
            Some(_) => Ok(None),
            None => Err(Error::invalid_input("segment lacks the column").with("column", column)),
        }
    }

    async fn blocks(&self, column: ColumnId, _: Range<u64>) -> Result<Option<EncodedColumn>> {
        self.layout(column).map(|_| None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_go_on_where_the_one_before_ended_and_are_cut_at_every_size() {
        let mut trades = Trades::new(5_000).unwrap();
        let mut rows = Vec::new();
        for size in [1_000, 5_000] {
            while let Some(source) = trades.next(size).unwrap() {
                source.meta().validate().unwrap();
                rows.push((source.meta().rows, source.meta().interval.upto.0));
            }
            assert_eq!(trades.rows(), size);
        }
        assert_eq!(rows, [(1_000, 1_000), (4_000, 5_000)]);
    }
}
