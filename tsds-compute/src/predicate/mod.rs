//! Bound predicates over Arrow batches: folding, evaluation, and pruning by statistics.

mod evaluate;
mod fold;
mod mask;
pub mod prune;
mod test;
mod text_set;

use arrow_array::RecordBatch;
use arrow_buffer::BooleanBuffer;
use tsds_traits::{
    ColumnId, ColumnStats, Error, KeySet, Predicate, Result, TableSchema, Value, ValueClass, refuse_payload,
};

use crate::array::Columns;

pub use fold::{fold, fold_in, fold_is_nan};
pub use prune::Verdict;
pub use test::Test;
pub use text_set::TextSet;

/// A predicate that was checked against a schema and folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompiledPredicate {
    test: Test,
    columns: Vec<ColumnId>,
}

impl CompiledPredicate {
    /// Checks and folds a predicate.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for an unknown column and for a literal that is not of its column's class; `Unsupported` for a kind
    /// of predicate that is not known here, and for any but a test for null of a payload column.
    pub fn new(predicate: &Predicate, schema: &TableSchema) -> Result<Self> {
        check(predicate, schema)?;
        Ok(Self { test: Test::is_true(predicate)?, columns: predicate.columns() })
    }

    /// The rows of a batch for which the predicate is true. `ids` names the batch's columns.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the batch lacks a column that decides, or has it in another class.
    pub fn evaluate(&self, ids: &[ColumnId], batch: &RecordBatch) -> Result<BooleanBuffer> {
        evaluate::evaluate(&self.test, &Columns::new(ids, batch)?)
    }

    /// The distinct columns that the predicate names, by id.
    pub fn columns(&self) -> &[ColumnId] {
        &self.columns
    }

    /// What statistics say about `rows` rows; see [`prune::verdict`].
    pub fn verdict<'a>(&self, stats: &dyn Fn(ColumnId) -> Option<&'a ColumnStats>, rows: u64) -> Verdict {
        prune::judge(&self.test, stats, rows)
    }

    /// The folded form, for backends with kernels of their own.
    pub fn test(&self) -> &Test {
        &self.test
    }

    /// The conditions on single columns that every match meets, as sets of keys: what [`tsds_traits::Codec::filter`] can
    /// answer. Together they need not be sufficient.
    pub fn key_terms(&self) -> impl Iterator<Item = (ColumnId, &KeySet)> {
        let parts = match &self.test {
            Test::All(parts) => parts.as_slice(),
            single => std::slice::from_ref(single),
        };
        parts.iter().filter_map(|part| match part {
            Test::Keys(column, set) => Some((*column, set)),
            _ => None,
        })
    }
}

fn check(predicate: &Predicate, schema: &TableSchema) -> Result<()> {
    let class_of = |id: ColumnId| {
        let column = schema.column(id);
        column.map_or(Ok(()), |column| refuse_payload(column, "a filter"))?;
        column
            .and_then(|column| ValueClass::of(&column.data_type))
            .ok_or_else(|| Error::invalid_input("predicate names an unknown column").with("column", id))
    };
    let literal = |id: ColumnId, value: &Value| {
        let class = class_of(id)?;
        if value.class() == class {
            return Ok(());
        }
        let name = schema.column(id).map_or("", |column| column.name.as_str());
        Err(Error::invalid_input("literal is not of its column's class")
            .with("column", name)
            .with("class", format_args!("{class:?}"))
            .with("literal", format_args!("{value:?}")))
    };
    match predicate {
        Predicate::Constant(_) => Ok(()),
        Predicate::Compare { column, value, .. } => literal(*column, value),
        Predicate::In { column, values, .. } => {
            class_of(*column)?;
            values.iter().try_for_each(|value| literal(*column, value))
        }
        Predicate::IsNull(column) if schema.column(*column).is_some() => Ok(()),
        Predicate::IsNull(column) | Predicate::IsNan(column) => class_of(*column).map(|_| ()),
        Predicate::And(parts) | Predicate::Or(parts) => parts.iter().try_for_each(|part| check(part, schema)),
        Predicate::Not(inner) => check(inner, schema),
        other => Err(test::unknown(other)),
    }
}
