//! State batches: how tiers answer aggregates.

use arrow_array::{ArrayRef, RecordBatch};
use tsds_traits::{AggregatePlan, Function, SumState, TableSchema, Value};

use super::aggregate::{Group, GroupKey, GroupState, Pick, canonical, merge};
use super::exact_sum::ExactSum;
use crate::data::arrays::{self, Cell, Layout, cell_of, value_of};
use crate::data::segments::Row;
use crate::outcome::{ensure, ensure_eq};
use crate::{CaseResult, Failure};

/// Merges the state batches that a tier gave into groups.
///
/// # Errors
///
/// A failure for batches that do not have the plan's state schema or hold states that are not canonical.
pub fn merge_states(
    schema: &TableSchema,
    plan: &AggregatePlan,
    batches: &[RecordBatch],
) -> CaseResult<Group> {
    let state_schema = plan.state_schema(schema)?;
    let mut groups = Group::new();
    for batch in batches {
        ensure_eq(&*batch.schema(), &*state_schema, "schema of a state batch")?;
        ensure(batch.num_rows() > 0, || "a state batch has no rows".into())?;
        let states = Reader { batch, schema, plan };
        for (key, row) in states.groups()? {
            match groups.get_mut(&key) {
                None => {
                    groups.insert(key, row);
                }
                Some(known) => {
                    for ((state, other), aggregate) in known.iter_mut().zip(&row).zip(&plan.aggregates) {
                        merge(aggregate.function, state, other);
                    }
                }
            }
        }
    }
    Ok(canonical(groups))
}

struct Reader<'a> {
    batch: &'a RecordBatch,
    schema: &'a TableSchema,
    plan: &'a AggregatePlan,
}

impl Reader<'_> {
    fn column(&self, name: &str) -> CaseResult<&ArrayRef> {
        self.batch
            .column_by_name(name)
            .ok_or_else(|| Failure::new(format!("state batch lacks column {name}")))
    }

    fn values(&self, name: &str) -> CaseResult<Vec<Option<Value>>> {
        let column = self.column(name)?;
        let value = |cell: Option<Cell>| match cell {
            None => Ok(None),
            Some(cell) => match value_of(column.data_type(), &cell) {
                Some(value) => Ok(Some(value)),
                None => Err(Failure::new(format!("{cell:?} in state column {name}"))),
            },
        };
        arrays::read(column)?.into_iter().map(value).collect()
    }

    fn counts(&self, name: &str) -> CaseResult<Vec<u64>> {
        let count = |value| match value {
            Some(Value::UInt(count)) => Ok(count),
            other => Err(Failure::new(format!("{other:?} in state column {name}"))),
        };
        self.values(name)?.into_iter().map(count).collect()
    }

    fn integers(&self, name: &str) -> CaseResult<Vec<Option<i64>>> {
        let integer = |value| match value {
            None => Ok(None),
            Some(Value::Int(integer)) => Ok(Some(integer)),
            other => Err(Failure::new(format!("{other:?} in state column {name}"))),
        };
        self.values(name)?.into_iter().map(integer).collect()
    }

    fn groups(&self) -> CaseResult<Vec<(GroupKey, Vec<GroupState>)>> {
        let rows = self.batch.num_rows();
        let mut columns: Vec<Row> = vec![Vec::new(); rows];
        for index in 0..self.plan.group_by.len() {
            for (row, value) in columns.iter_mut().zip(self.values(&format!("group.{index}"))?) {
                row.push(value);
            }
        }
        let buckets = match self.plan.bucket {
            Some(_) => self.integers("bucket")?,
            None => vec![None; rows],
        };
        let mut states: Vec<Vec<GroupState>> = vec![Vec::new(); rows];
        for (index, aggregate) in self.plan.aggregates.iter().enumerate() {
            for (row, state) in states.iter_mut().zip(self.states(index, aggregate.function)?) {
                row.push(state);
            }
        }
        let keys = columns.into_iter().zip(buckets).map(|(columns, bucket)| GroupKey { columns, bucket });
        Ok(keys.zip(states).collect())
    }

    fn states(&self, index: usize, function: Function) -> CaseResult<Vec<GroupState>> {
        let part = |part: &str| format!("agg.{index}.{part}");
        Ok(match function {
            Function::Sum | Function::Avg => {
                let counts = self.counts(&part("count"))?;
                let sums = self.sums(index)?;
                counts.into_iter().zip(sums).map(|(count, sum)| GroupState::Sum { count, sum }).collect()
            }
            Function::Min | Function::Max => {
                self.values(&part("value"))?.into_iter().map(GroupState::Extreme).collect()
            }
            Function::First | Function::Last => self.edges(index)?,
            _ => self.counts(&part("count"))?.into_iter().map(GroupState::Count).collect(),
        })
    }

    fn sums(&self, index: usize) -> CaseResult<Vec<ExactSum>> {
        let name = |part: &str| format!("agg.{index}.sum.{part}");
        let (flags, low) = (self.counts(&name("flags"))?, self.counts(&name("low"))?);
        let (high, exponent) = (self.integers(&name("high"))?, self.integers(&name("exponent"))?);
        let wide = arrays::read(self.column(&name("wide"))?)?;
        let state = |(row, flags): (usize, u64)| {
            let mantissa = i128::from(high[row].unwrap_or_default()) << 64 | i128::from(low[row]);
            let state = SumState {
                flags: flags as u8,
                mantissa,
                exponent: exponent[row].unwrap_or_default() as i16,
                wide: match &wide[row] {
                    Some(Cell::Bytes(bytes)) => Some(bytes.clone()),
                    _ => None,
                },
            };
            ExactSum::from_state(&state)
        };
        flags.into_iter().enumerate().map(state).collect()
    }

    fn edges(&self, index: usize) -> CaseResult<Vec<GroupState>> {
        let name = |part: &str| format!("agg.{index}.{part}");
        let values = self.values(&name("value"))?;
        let times = self.integers(&name("time"))?;
        let (sequences, numbers) = (self.values(&name("sequence"))?, self.values(&name("row"))?);
        let mut series: Vec<Row> = vec![Vec::new(); values.len()];
        for position in 0..self.schema.series_indices().len() {
            for (row, value) in series.iter_mut().zip(self.values(&name(&format!("series.{position}")))?) {
                row.push(value);
            }
        }
        let mut edges = Vec::with_capacity(values.len());
        for (row, (value, series)) in values.into_iter().zip(series).enumerate() {
            let pick = match (value, times[row], &sequences[row], &numbers[row]) {
                (Some(value), Some(time), Some(Value::UInt(sequence)), Some(Value::UInt(number))) => {
                    Some(Pick { time, series, sequence: *sequence, row: *number, value })
                }
                (None, None, None, None) if series.iter().all(Option::is_none) => None,
                other => {
                    return Err(Failure::new(format!(
                        "first or last without a value must be null throughout, and with one not: {other:?}"
                    )));
                }
            };
            edges.push(GroupState::Edge(pick));
        }
        Ok(edges)
    }
}

/// Writes groups as one state batch; `None` if there are none.
///
/// # Errors
///
/// A failure if the groups do not belong to the plan.
pub fn write_states(
    schema: &TableSchema,
    plan: &AggregatePlan,
    groups: &Group,
) -> CaseResult<Option<RecordBatch>> {
    if groups.is_empty() {
        return Ok(None);
    }
    let state_schema = plan.state_schema(schema)?;
    let mut columns: Vec<Vec<Option<Cell>>> = vec![Vec::new(); state_schema.fields().len()];
    for (key, states) in groups {
        let mut row = cells_of(&key.columns);
        row.extend(key.bucket.map(|bucket| Some(cell_of(&Value::Int(bucket)))));
        for state in states {
            push_state(&mut row, state, schema.series_indices().len())?;
        }
        for (column, cell) in columns.iter_mut().zip(row) {
            column.push(cell);
        }
    }
    let fields = state_schema.fields().iter().zip(&columns);
    let arrays = fields.map(|(field, cells)| arrays::build(field.data_type(), cells, Layout::COMPACT));
    Ok(Some(RecordBatch::try_new(state_schema.clone(), arrays.collect::<CaseResult<Vec<ArrayRef>>>()?)?))
}

fn cells_of(values: &[Option<Value>]) -> Vec<Option<Cell>> {
    values.iter().map(|value| value.as_ref().map(cell_of)).collect()
}

fn push_state(row: &mut Vec<Option<Cell>>, state: &GroupState, series: usize) -> CaseResult {
    let number = |number: u64| Some(Cell::Bits(number));
    match state {
        GroupState::Count(count) => row.push(number(*count)),
        GroupState::Sum { count, sum } => {
            let state = sum.to_state()?;
            row.extend([number(*count), number(u64::from(state.flags))]);
            row.extend([number(state.mantissa as u64), number((state.mantissa >> 64) as u64)]);
            row.extend([number(i64::from(state.exponent) as u64), state.wide.map(Cell::Bytes)]);
        }
        GroupState::Extreme(value) => row.push(value.as_ref().map(cell_of)),
        GroupState::Edge(None) => row.extend(vec![None; 4 + series]),
        GroupState::Edge(Some(pick)) => {
            row.extend([Some(cell_of(&pick.value)), Some(cell_of(&Value::Int(pick.time)))]);
            row.extend(cells_of(&pick.series));
            row.extend([number(pick.sequence), number(pick.row)]);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{queries, schemas, segments};
    use crate::model::aggregate;
    use proptest::prelude::*;

    #[test]
    fn states_that_are_written_read_back() {
        let strategy = schemas::any_schema().prop_flat_map(|schema| {
            let inputs = (segments::segments(&schema, 2, 40), queries::plans(&schema));
            (Just(schema), inputs)
        });
        crate::property::for_all(3, 60, &strategy, |(schema, (segments, plan))| {
            let of = |segments: &[segments::Segment]| {
                let rows: Vec<_> = segments.iter().map(|s| (&*s.meta, &s.rows[..])).collect();
                aggregate(&schema, &rows, None, &plan)
            };
            let mut parts = Vec::new();
            for segment in &segments {
                parts.extend(write_states(&schema, &plan, &of(std::slice::from_ref(segment)))?);
            }
            ensure_eq(&merge_states(&schema, &plan, &parts)?, &of(&segments), "groups")
        })
        .unwrap();
    }
}
