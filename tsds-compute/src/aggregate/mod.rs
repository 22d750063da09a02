//! Grouped aggregates with mergeable, exact states.

mod accumulator;
mod edge;
mod extreme;
mod finish;
mod groups;
mod runs;
mod selection;
mod states;
mod sums;

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::BooleanBuffer;
use tsds_traits::{AggregatePlan, ColumnId, Error, ErrorKind, Result, Retry, TableSchema};

use crate::array::Columns;
use crate::bucket::Bucketer;
use accumulator::Accumulator;
use groups::Groups;
use runs::Run;

pub use finish::result_schema;
pub use sums::sum_state_columns;

/// Where the rows of a batch stand in the order of arrival, which breaks ties of first and last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentPosition {
    /// `upto` of the segment's sequence interval.
    pub sequence: u64,
    /// The number of the batch's first row in the segment.
    pub first_row: u64,
}

/// Folds rows and states into groups; see [`AggregatePlan`] for what comes out.
///
/// Rows may come in any order. It is fast where they come as segments store them: neighbours of one group and bucket are
/// folded as one run.
pub struct Aggregator {
    schema: Arc<TableSchema>,
    plan: AggregatePlan,
    bucketer: Option<Bucketer>,
    groups: Groups,
    accumulators: Vec<Accumulator>,
    memory_limit: usize,
}

impl std::fmt::Debug for Aggregator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Aggregator")
            .field("plan", &self.plan)
            .field("groups", &self.groups.len())
            .finish_non_exhaustive()
    }
}

/// How many rows a batch of states or results holds at most.
const OUTPUT_ROWS: usize = 65_536;

impl Aggregator {
    /// An aggregator without rows.
    ///
    /// # Errors
    ///
    /// `InvalidInput` as [`AggregatePlan::validate`]; `Unsupported` for a function or bucket that is not known here.
    pub fn new(schema: Arc<TableSchema>, plan: AggregatePlan) -> Result<Self> {
        plan.validate(&schema)?;
        let bucketer = plan.bucket.map(|bucket| Bucketer::new(bucket, schema.time_unit())).transpose()?;
        let groups = Groups::new(&schema, &plan);
        let accumulators = plan.aggregates.iter().map(|aggregate| Accumulator::new(&schema, aggregate));
        let accumulators = accumulators.collect::<Result<Vec<_>>>()?;
        Ok(Self { schema, plan, bucketer, groups, accumulators, memory_limit: usize::MAX })
    }

    /// Limits [`Aggregator::memory_bytes`]. It is checked after each batch.
    #[must_use]
    pub fn with_memory_limit(self, bytes: usize) -> Self {
        Self { memory_limit: bytes, ..self }
    }

    /// Folds the rows of a batch, or those that `mask` selects. `ids` names the batch's columns, which must include
    /// [`AggregatePlan::columns`].
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the batch lacks a column or the mask has another length; `Exhausted` over the memory limit.
    pub fn update(
        &mut self,
        ids: &[ColumnId],
        batch: &RecordBatch,
        position: SegmentPosition,
        mask: Option<&BooleanBuffer>,
    ) -> Result<()> {
        let columns = Columns::new(ids, batch)?;
        if mask.is_some_and(|mask| mask.len() != columns.rows()) {
            return Err(Error::invalid_input("mask does not have one bit per row")
                .with("rows", columns.rows())
                .with("bits", mask.map_or(0, BooleanBuffer::len)));
        }
        let runs: Vec<Run> =
            runs::find(&mut self.groups, &self.schema, self.bucketer.as_ref(), &columns, mask)?;
        for accumulator in &mut self.accumulators {
            accumulator.resize(self.groups.len());
            accumulator.update(&runs, &columns, &self.schema, position, mask)?;
        }
        self.check_memory()
    }

    /// Folds the states of [`AggregatePlan::state_schema`].
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a batch of another schema; `Corrupt` for a sum that is not canonical; `Exhausted` over the memory
    /// limit.
    pub fn merge_states(&mut self, batch: &RecordBatch) -> Result<()> {
        states::merge(self, batch)?;
        self.check_memory()
    }

    /// The groups so far, as batches of [`AggregatePlan::state_schema`].
    ///
    /// # Errors
    ///
    /// `Internal` for a sum beyond what 2^64 numbers can reach.
    pub fn states(self) -> Result<Vec<RecordBatch>> {
        Ok(in_parts(states::build(&self)?))
    }

    /// The results, ordered by (group columns with nulls first, bucket), as batches of [`result_schema`]. `names` names the
    /// group columns, then the bucket if there is one, then the aggregates.
    ///
    /// Without group columns and bucket there is always one row, also if there was none to fold.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a sum of integers that does not fit its type, and for another number of names.
    pub fn finish(self, names: &[String]) -> Result<Vec<RecordBatch>> {
        Ok(in_parts(finish::build(self, names)?))
    }

    /// The number of groups so far.
    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Bytes of memory held, nearly.
    pub fn memory_bytes(&self) -> usize {
        self.groups.memory_bytes() + self.accumulators.iter().map(Accumulator::memory_bytes).sum::<usize>()
    }

    fn check_memory(&self) -> Result<()> {
        if self.memory_bytes() <= self.memory_limit {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Exhausted,
            "group states exceed the memory limit of queries; group more coarsely, filter more, or raise the limit",
        )
        .with_retry(Retry::Never)
        .with("groups", self.groups.len())
        .with("bytes", self.memory_bytes())
        .with("limit_bytes", self.memory_limit))
    }
}

fn in_parts(batch: RecordBatch) -> Vec<RecordBatch> {
    let starts = (0..batch.num_rows()).step_by(OUTPUT_ROWS);
    starts.map(|start| batch.slice(start, OUTPUT_ROWS.min(batch.num_rows() - start))).collect()
}
