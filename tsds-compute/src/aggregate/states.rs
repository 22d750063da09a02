//! State batches, both ways.

use arrow_array::RecordBatch;
use tsds_traits::{Error, Result};

use super::Aggregator;
use super::groups::GroupRows;
use crate::array::{Column, Values, conform_batch, record_batch, views};

/// The states of all groups, in the order in which they appeared.
pub(super) fn build(aggregator: &Aggregator) -> Result<RecordBatch> {
    let schema = aggregator.plan.state_schema(&aggregator.schema)?;
    let groups: Vec<u32> = (0..aggregator.groups.len() as u32).collect();
    let mut columns = aggregator.groups.arrays(&groups)?;
    for accumulator in &aggregator.accumulators {
        columns.extend(accumulator.states()?);
    }
    record_batch(&schema, columns, groups.len())
}

/// Folds a batch of states.
pub(super) fn merge(aggregator: &mut Aggregator, batch: &RecordBatch) -> Result<()> {
    let schema = aggregator.plan.state_schema(&aggregator.schema)?;
    let batch = conform_batch(batch, &schema)?;
    let (group_columns, rest) = batch.columns().split_at(aggregator.plan.group_by.len());
    let mut group_rows = GroupRows::new(views(group_columns.iter().map(|array| array.as_ref()))?);
    let (buckets, mut rest) = match (aggregator.bucketer, rest) {
        (Some(_), [bucket, rest @ ..]) => (Some(Column::new(bucket.as_ref())?), rest),
        (_, rest) => (None, rest),
    };
    let starts = match &buckets {
        Some(Column { values: Values::I64(starts), .. }) => Some(*starts),
        Some(_) => return Err(Error::internal("bucket is no time")),
        None => None,
    };
    let mut key = Vec::new();
    let mut groups = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        aggregator.groups.key(&mut group_rows, row, &mut key)?;
        if let Some(starts) = starts {
            aggregator.groups.set_bucket(&mut key, starts[row]);
        }
        groups.push(aggregator.groups.intern(&key)?);
    }
    for accumulator in &mut aggregator.accumulators {
        accumulator.resize(aggregator.groups.len());
        let (own, others) = rest
            .split_at_checked(accumulator.state_columns())
            .ok_or_else(|| Error::internal("state batch lacks columns"))?;
        accumulator.merge(&groups, own)?;
        rest = others;
    }
    Ok(())
}
