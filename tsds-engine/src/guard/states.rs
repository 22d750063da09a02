//! [`StatesCheck`]: whether the states of an aggregate can be what was asked for.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_schema::SchemaRef;
use tsds_traits::{AggregateRequest, Error, Function, Result};

use super::health::Health;
use super::scan::text_of;

/// What an aggregate has promised: a schema, and not more than the segments have. Costs one pass over the counts of groups,
/// none over rows.
pub(super) struct StatesCheck {
    health: Arc<Health>,
    schema: SchemaRef,
    /// Rows of all segments.
    rows: u64,
    /// Rows of the largest segment.
    largest: u64,
    groups: u64,
    counts: Vec<Count>,
    /// The columns of `first` and `last` that hold row numbers.
    row_numbers: Vec<usize>,
}

/// A column that counts rows.
struct Count {
    column: usize,
    so_far: u64,
    /// It counts every row of the request: it must add up.
    exact: bool,
}

impl StatesCheck {
    pub(super) fn new(request: &AggregateRequest, health: Arc<Health>) -> Result<Self> {
        let schema = request.plan.state_schema(&request.schema)?;
        let (mut counts, mut row_numbers) = (Vec::new(), Vec::new());
        for (index, aggregate) in request.plan.aggregates.iter().enumerate() {
            if let Ok(column) = schema.index_of(&format!("agg.{index}.count")) {
                let every_row = aggregate.function == Function::Count && aggregate.column.is_none();
                let exact = every_row && request.predicate.is_none();
                counts.push(Count { column, so_far: 0, exact });
            }
            if let Ok(column) = schema.index_of(&format!("agg.{index}.row")) {
                row_numbers.push(column);
            }
        }
        let rows = request.segments.iter().map(|segment| segment.meta.rows);
        Ok(Self {
            schema,
            rows: rows.clone().fold(0, u64::saturating_add),
            largest: rows.max().unwrap_or(0),
            groups: 0,
            counts,
            row_numbers,
            health,
        })
    }

    /// # Errors
    ///
    /// `Internal`, naming plugin, operation and what is wrong.
    pub(super) fn accept(&mut self, batch: RecordBatch) -> Result<RecordBatch> {
        if batch.schema().fields() != self.schema.fields() {
            return Err(self
                .broken("tier returned states of another schema")
                .with("expected", text_of(&self.schema))
                .with("found", text_of(&batch.schema())));
        }
        // A group occurs only where it has a row.
        self.groups = self.groups.saturating_add(batch.num_rows() as u64);
        if self.groups > self.rows {
            return Err(self.broken("tier returned more groups than rows").with("rows", self.rows));
        }
        for count in &mut self.counts {
            let values = batch.column(count.column).as_primitive_opt::<UInt64Type>();
            let values = values.map(|values| &**values.values()).unwrap_or_default();
            count.so_far = values.iter().fold(count.so_far, |sum, value| sum.saturating_add(*value));
        }
        if let Some(count) = self.counts.iter().find(|count| count.so_far > self.rows) {
            return Err(self
                .broken("tier counted more rows than the segments have")
                .with("counted", count.so_far)
                .with("rows", self.rows));
        }
        for column in &self.row_numbers {
            let rows = batch.column(*column).as_primitive_opt::<UInt64Type>();
            let highest = rows.and_then(|rows| rows.iter().flatten().max());
            if highest.is_some_and(|row| row >= self.largest) {
                return Err(self
                    .broken("tier returned a row number that no segment has")
                    .with("row", highest.unwrap_or_default())
                    .with("rows", self.largest));
            }
        }
        Ok(batch)
    }

    /// The stream has ended.
    ///
    /// # Errors
    ///
    /// As [`StatesCheck::accept`].
    pub(super) fn finish(&self) -> Result<()> {
        match self.counts.iter().find(|count| count.exact && count.so_far != self.rows) {
            None => Ok(()),
            Some(count) => Err(self
                .broken("tier counted fewer rows than the segments have")
                .with("counted", count.so_far)
                .with("rows", self.rows)),
        }
    }

    fn broken(&self, what: &'static str) -> Error {
        self.health.broken("aggregate", what)
    }
}
