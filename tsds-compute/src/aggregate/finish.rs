//! From states to results.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Field, Schema, SchemaRef};
use tsds_traits::{AggregatePlan, Error, Function, Result, TableSchema};

use super::Aggregator;
use crate::array::record_batch;

/// The schema of results: group columns, the bucket if there is one, aggregates. `names` names them in this order.
///
/// # Errors
///
/// As [`AggregatePlan::validate`]; `InvalidInput` for another number of names.
pub fn result_schema(schema: &TableSchema, plan: &AggregatePlan, names: &[String]) -> Result<SchemaRef> {
    plan.validate(schema)?;
    let mut fields = Vec::new();
    for column in plan.group_by.iter().filter_map(|id| schema.column(*id)) {
        fields.push((column.data_type.clone(), column.nullable));
    }
    if plan.bucket.is_some() {
        fields.push((schema.time_column().data_type.clone(), false));
    }
    for aggregate in &plan.aggregates {
        fields.push((aggregate.result_type(schema), aggregate.function != Function::Count));
    }
    if fields.len() != names.len() {
        return Err(Error::invalid_input("results need one name per column")
            .with("columns", fields.len())
            .with("names", names.len()));
    }
    let fields = fields.into_iter().zip(names);
    let fields = fields.map(|((data_type, nullable), name)| Field::new(name, data_type, nullable));
    Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
}

/// All results, in order.
pub(super) fn build(mut aggregator: Aggregator, names: &[String]) -> Result<RecordBatch> {
    let schema = result_schema(&aggregator.schema, &aggregator.plan, names)?;
    if aggregator.plan.group_by.is_empty() && aggregator.bucketer.is_none() {
        // All rows are one group, also if there are none.
        aggregator.groups.intern(&[])?;
        let groups = aggregator.groups.len();
        aggregator.accumulators.iter_mut().for_each(|accumulator| accumulator.resize(groups));
    }
    let order = aggregator.groups.sorted();
    let mut columns = aggregator.groups.arrays(&order)?;
    for accumulator in &aggregator.accumulators {
        columns.push(accumulator.results(&order)?);
    }
    record_batch(&schema, columns, order.len())
}
