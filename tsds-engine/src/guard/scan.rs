//! [`ScanCheck`]: whether the batches of a scan are what was asked for.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{SchemaRef, TimeUnit};
use tsds_traits::{Error, Result, ScanRequest, SegmentBatch, SegmentId};

use super::health::Health;

/// What a scan has promised. Costs a few comparisons for each batch; a plugin that does not ship with the engine is also
/// checked for times outside of the segment, row by row.
pub(super) struct ScanCheck {
    health: Arc<Health>,
    schema: SchemaRef,
    segments: Vec<Expected>,
    batch_rows: usize,
    /// Every matching row must come: nothing filters.
    complete: bool,
    ordered: bool,
    limit: u64,
    /// Where the time column is in each batch, if its values are checked.
    time: Option<(usize, TimeUnit)>,
    /// The segment of the last batch.
    current: usize,
    /// Rows of `current`.
    of_segment: u64,
    /// Rows of all segments.
    given: u64,
}

struct Expected {
    id: SegmentId,
    rows: u64,
    time_range: (i64, i64),
}

impl ScanCheck {
    pub(super) fn new(request: &ScanRequest, health: Arc<Health>) -> Result<Self> {
        let time = request.schema.time_column().id;
        let position = request.projection.iter().position(|column| *column == time);
        let time = position.filter(|_| !health.shipped()).map(|at| (at, request.schema.time_unit()));
        let expected = request.segments.iter().map(|segment| Expected {
            id: segment.meta.id,
            rows: segment.meta.rows,
            time_range: segment.meta.time_range,
        });
        Ok(Self {
            schema: request.schema.project(&request.projection)?,
            segments: expected.collect(),
            batch_rows: request.batch_rows,
            complete: request.predicate.is_none(),
            ordered: !request.order.is_empty(),
            limit: request.limit.unwrap_or(u64::MAX),
            time,
            current: 0,
            of_segment: 0,
            given: 0,
            health,
        })
    }

    /// # Errors
    ///
    /// `Internal`, naming plugin, operation and what is wrong.
    pub(super) fn accept(&mut self, batch: SegmentBatch) -> Result<SegmentBatch> {
        let rows = batch.rows.num_rows();
        if batch.segment >= self.segments.len() {
            return Err(self
                .broken("tier returned rows of a segment that was not asked for")
                .with("segment", batch.segment)
                .with("segments", self.segments.len()));
        }
        if batch.segment < self.current {
            return Err(self.broken("tier returned segments out of order").with("segment", batch.segment));
        }
        if batch.rows.schema().fields() != self.schema.fields() {
            return Err(self
                .broken("tier returned rows of another schema")
                .with("expected", text_of(&self.schema))
                .with("found", text_of(&batch.rows.schema())));
        }
        if rows == 0 || rows > self.batch_rows {
            return Err(self
                .broken("tier returned a batch of the wrong size")
                .with("rows", rows)
                .with("batch_rows", self.batch_rows));
        }
        while self.current < batch.segment {
            self.leave_segment()?;
        }
        self.of_segment = self.of_segment.saturating_add(rows as u64);
        self.given = self.given.saturating_add(rows as u64);
        let counted = if self.ordered { self.of_segment } else { self.given };
        if counted > self.limit {
            return Err(self.broken("tier returned more rows than the limit").with("limit", self.limit));
        }
        let Some(expected) = self.segments.get(batch.segment) else { return Ok(batch) };
        if self.of_segment > expected.rows {
            return Err(self
                .broken("tier returned more rows than the segment has")
                .with("segment", expected.id)
                .with("rows", expected.rows));
        }
        if let Some((column, unit)) = self.time
            && let Some((first, last)) = time_range(&batch.rows, column, unit)
            && (first < expected.time_range.0 || last > expected.time_range.1)
        {
            return Err(self
                .broken("tier returned rows outside of the segment's time range")
                .with("segment", expected.id)
                .with("time", if first < expected.time_range.0 { first } else { last })
                .with("range", format!("{}..={}", expected.time_range.0, expected.time_range.1)));
        }
        Ok(batch)
    }

    /// The stream has ended.
    ///
    /// # Errors
    ///
    /// As [`ScanCheck::accept`].
    pub(super) fn finish(&mut self) -> Result<()> {
        while self.current < self.segments.len() {
            self.leave_segment()?;
        }
        Ok(())
    }

    /// No more rows of the current segment will come.
    fn leave_segment(&mut self) -> Result<()> {
        if self.complete
            && let Some(expected) = self.segments.get(self.current)
        {
            let before = self.given.saturating_sub(self.of_segment);
            let left = if self.ordered { self.limit } else { self.limit.saturating_sub(before) };
            if self.of_segment < expected.rows.min(left) {
                return Err(self
                    .broken("tier returned fewer rows than the segment has")
                    .with("segment", expected.id)
                    .with("expected", expected.rows.min(left))
                    .with("returned", self.of_segment));
            }
        }
        self.current += 1;
        self.of_segment = 0;
        Ok(())
    }

    fn broken(&self, what: &'static str) -> Error {
        self.health.broken("scan", what)
    }
}

/// Names and types, for people.
pub(super) fn text_of(schema: &SchemaRef) -> String {
    let fields = schema.fields().iter().map(|field| format!("{}:{}", field.name(), field.data_type()));
    fields.collect::<Vec<_>>().join(",")
}

/// The smallest and the largest time of a batch.
fn time_range(batch: &RecordBatch, column: usize, unit: TimeUnit) -> Option<(i64, i64)> {
    let array: &dyn Array = batch.columns().get(column)?;
    let values: &[i64] = match unit {
        TimeUnit::Second => array.as_primitive_opt::<TimestampSecondType>()?.values(),
        TimeUnit::Millisecond => array.as_primitive_opt::<TimestampMillisecondType>()?.values(),
        TimeUnit::Microsecond => array.as_primitive_opt::<TimestampMicrosecondType>()?.values(),
        TimeUnit::Nanosecond => array.as_primitive_opt::<TimestampNanosecondType>()?.values(),
    };
    let first = *values.first()?;
    Some(values.iter().fold((first, first), |(low, high), time| (low.min(*time), high.max(*time))))
}
