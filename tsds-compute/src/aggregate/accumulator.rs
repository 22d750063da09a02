//! What is kept per group, for each function.

use arrow_array::ArrayRef;
use arrow_buffer::BooleanBuffer;
use arrow_schema::DataType;
use tsds_traits::{Aggregate, ColumnId, Error, Function, Result, TableSchema};

use super::SegmentPosition;
use super::edge::Edges;
use super::extreme::Extremes;
use super::runs::Run;
use super::selection::Selection;
use super::sums::Sums;
use crate::array::{Column, Columns};

/// The states of one aggregate, one per group.
pub(super) enum Accumulator {
    Count { column: Option<ColumnId>, counts: Vec<u64> },
    Sum { column: ColumnId, sums: Sums },
    Extreme { column: ColumnId, extremes: Extremes },
    Edge { column: ColumnId, edges: Edges },
}

impl Accumulator {
    pub(super) fn new(schema: &TableSchema, aggregate: &Aggregate) -> Result<Self> {
        let needed = || {
            let column = aggregate.column.and_then(|id| schema.column(id));
            column.ok_or_else(|| Error::invalid_input("aggregate needs a column"))
        };
        Ok(match aggregate.function {
            Function::Count => Self::Count { column: aggregate.column, counts: Vec::new() },
            Function::Sum | Function::Avg => {
                let column = needed()?;
                let result = aggregate.result_type(schema);
                let sums = Sums::new(aggregate.function, column, result);
                Self::Sum { column: column.id, sums }
            }
            Function::Min | Function::Max => {
                let column = needed()?;
                let largest = aggregate.function == Function::Max;
                Self::Extreme {
                    column: column.id,
                    extremes: Extremes::new(column.data_type.clone(), largest),
                }
            }
            Function::First | Function::Last => {
                let column = needed()?;
                let last = aggregate.function == Function::Last;
                Self::Edge { column: column.id, edges: Edges::new(schema, column.data_type.clone(), last) }
            }
            other => {
                return Err(Error::unsupported("aggregate function is not known")
                    .with("function", format_args!("{other:?}")));
            }
        })
    }

    /// Makes room for this many groups.
    pub(super) fn resize(&mut self, groups: usize) {
        match self {
            Self::Count { counts, .. } => counts.resize(groups, 0),
            Self::Sum { sums, .. } => sums.resize(groups),
            Self::Extreme { extremes, .. } => extremes.resize(groups),
            Self::Edge { edges, .. } => edges.resize(groups),
        }
    }

    /// Folds the runs of a batch.
    pub(super) fn update(
        &mut self,
        runs: &[Run],
        columns: &Columns<'_>,
        schema: &TableSchema,
        position: SegmentPosition,
        mask: Option<&BooleanBuffer>,
    ) -> Result<()> {
        let view = |id: ColumnId| Column::new(columns.array(id)?.as_ref());
        match self {
            Self::Count { column, counts } => {
                let nulls = match column {
                    // Not by a view: payload has none, and can be counted.
                    Some(id) => columns.array(*id)?.logical_nulls().filter(|nulls| nulls.null_count() > 0),
                    None => None,
                };
                let selected = Selection::new(mask, nulls.as_ref());
                for run in runs {
                    counts[run.group] += selected.count(run.start, run.end) as u64;
                }
                Ok(())
            }
            Self::Sum { column, sums } => sums.update(runs, &view(*column)?, mask),
            Self::Extreme { column, extremes } => {
                extremes.update(runs, &view(*column)?, mask);
                Ok(())
            }
            Self::Edge { column, edges } => {
                edges.update(runs, &view(*column)?, columns, schema, position, mask)
            }
        }
    }

    /// How many columns a state has.
    pub(super) fn state_columns(&self) -> usize {
        match self {
            Self::Count { .. } | Self::Extreme { .. } => 1,
            Self::Sum { .. } => Sums::STATE_COLUMNS,
            Self::Edge { edges, .. } => edges.state_columns(),
        }
    }

    /// The columns of the states of all groups.
    pub(super) fn states(&self) -> Result<Vec<ArrayRef>> {
        Ok(match self {
            Self::Count { counts, .. } => vec![counts_array(counts.iter().copied())],
            Self::Sum { sums, .. } => sums.states()?,
            Self::Extreme { extremes, .. } => vec![extremes.states()?],
            Self::Edge { edges, .. } => edges.states()?,
        })
    }

    /// Folds states; row `i` belongs to group `groups[i]`. The columns have the types of the state schema.
    pub(super) fn merge(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<()> {
        match (self, columns) {
            (Self::Count { counts, .. }, [states]) => {
                for (group, state) in groups.iter().zip(u64s(states)?) {
                    let count = &mut counts[*group as usize];
                    *count =
                        count.checked_add(*state).ok_or_else(|| Error::corrupt("count is out of range"))?;
                }
                Ok(())
            }
            (Self::Sum { sums, .. }, states) => sums.merge(groups, states),
            (Self::Extreme { extremes, .. }, [states]) => {
                extremes.merge(groups, &Column::new(states.as_ref())?);
                Ok(())
            }
            (Self::Edge { edges, .. }, states) => edges.merge(groups, states),
            _ => Err(Error::internal("state of an aggregate has another number of columns")),
        }
    }

    /// The results of the groups in `order`.
    pub(super) fn results(&self, order: &[u32]) -> Result<ArrayRef> {
        match self {
            Self::Count { counts, .. } => Ok(counts_array(order.iter().map(|group| counts[*group as usize]))),
            Self::Sum { sums, .. } => sums.results(order),
            Self::Extreme { extremes, .. } => extremes.results(order),
            Self::Edge { edges, .. } => edges.results(order),
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Self::Count { counts, .. } => counts.capacity() * size_of::<u64>(),
            Self::Sum { sums, .. } => sums.memory_bytes(),
            Self::Extreme { extremes, .. } => extremes.memory_bytes(),
            Self::Edge { edges, .. } => edges.memory_bytes(),
        }
    }
}

pub(super) fn counts_array(counts: impl Iterator<Item = u64>) -> ArrayRef {
    std::sync::Arc::new(arrow_array::UInt64Array::from_iter_values(counts))
}

/// The values of a `UInt64` state column.
pub(super) fn u64s(array: &ArrayRef) -> Result<&[u64]> {
    use arrow_array::cast::AsArray;
    array
        .as_primitive_opt::<arrow_array::types::UInt64Type>()
        .map(|array| array.values().as_ref())
        .ok_or_else(|| wrong_type(array, &DataType::UInt64))
}

pub(super) fn wrong_type(array: &ArrayRef, wanted: &DataType) -> Error {
    Error::invalid_input("state column has another type")
        .with("type", array.data_type())
        .with("wanted", wanted)
}
