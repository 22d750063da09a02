//! Segments and memtables of older schema versions: what they are asked, and what their answers mean.
//!
//! A tier is never asked for a column that a segment lacks, nor with a literal of another type. What a query asks of the table
//! as it is now becomes what is asked of rows as they were: columns that were added later are null in all of them, so
//! predicates on them fold, and sorting or grouping by them decides nothing; literals are bound anew to the narrower type,
//! exactly. Answers grow into the current types; their order, their groups and their exact sums are the same
//! ([`crate::table::widen`]).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int16Array, Int64Array, RecordBatch, UInt8Array, UInt64Array, new_null_array};
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};
use tsds_traits::{
    Aggregate, AggregatePlan, Column, ColumnId, Error, Function, Predicate, Result, SchemaVersion, SortKey,
    TableSchema, Value,
};

use super::snapshot::TableSnapshot;
use super::{Literal, bind};
use crate::table::upgrade::Upgrade;
use crate::table::widen::{is_widening, widen, widen_value};
use crate::version::SegmentEntry;

/// What a query asks of the rows of one schema version.
#[derive(Debug)]
pub(super) struct View {
    upgrade: Upgrade,
    /// Which rows.
    pub predicate: Option<Predicate>,
    /// In which order.
    pub order: Vec<SortKey>,
    states: Option<StatesView>,
}

/// A value of the first sort column that none of some rows comes before; `None` if that is null.
pub(super) type Bound = Option<Value>;

impl View {
    /// # Errors
    ///
    /// `Internal` if the versions are not versions of one table.
    pub(super) fn new(
        upgrade: Upgrade,
        predicate: Option<&Predicate>,
        order: &[SortKey],
        aggregate: Option<&AggregatePlan>,
    ) -> Result<Self> {
        let predicate = match predicate {
            Some(predicate) if !upgrade.is_none() => Some(fold(predicate, &upgrade)?),
            predicate => predicate.cloned(),
        };
        // Whatever is true of every row need not be asked.
        let predicate = predicate.filter(|one| upgrade.is_none() || *one != Predicate::Constant(Some(true)));
        let order = order_of(&upgrade, order);
        let states = aggregate.map(|plan| StatesView::new(&upgrade, plan)).transpose()?;
        Ok(Self { upgrade, predicate, order, states })
    }

    /// The schema of the rows.
    pub(super) fn schema(&self) -> &Arc<TableSchema> {
        self.upgrade.old()
    }

    /// Whether no row can match, whatever its values are.
    pub(super) fn is_never(&self) -> bool {
        matches!(self.predicate, Some(Predicate::Constant(Some(false) | None)))
    }

    /// Those of the columns that the rows have.
    pub(super) fn present(&self, columns: &[ColumnId]) -> Vec<ColumnId> {
        self.upgrade.present(columns)
    }

    /// Rows with [`View::present`] of these columns, as rows of the current schema.
    ///
    /// # Errors
    ///
    /// `Internal` if they are not.
    pub(super) fn rows(&self, columns: &[ColumnId], batch: RecordBatch) -> Result<RecordBatch> {
        if self.upgrade.is_none() {
            return Ok(batch);
        }
        self.upgrade.rows(columns, &batch)
    }

    /// What the rows are asked of an aggregate.
    pub(super) fn plan(&self) -> Option<&AggregatePlan> {
        self.states.as_ref().map(|states| &states.plan)
    }

    /// The states that [`View::plan`] gave, as states of the current schema.
    ///
    /// # Errors
    ///
    /// `Internal` if they are not.
    pub(super) fn states(&self, batch: RecordBatch) -> Result<RecordBatch> {
        match &self.states {
            Some(states) if !self.upgrade.is_none() => states.widened(&batch),
            _ => Ok(batch),
        }
    }

    /// What no row of a segment comes before in the first sort column, if the statistics know it.
    pub(super) fn best_value(&self, entry: &SegmentEntry, key: &SortKey) -> Option<Bound> {
        if self.schema().index_of(key.column).is_none() {
            // Null in every row.
            return Some(None);
        }
        let stats = entry.meta.stats(key.column)?;
        // NaNs sort outside of the bounds, and nulls first come before them.
        if stats.has_nan || (key.nulls_first && stats.null_count > 0) {
            return None;
        }
        let best = if key.descending { &stats.max } else { &stats.min };
        let column = self.upgrade.new_schema().column(key.column)?;
        best.as_ref().map(|value| Some(widen_value(value, &column.data_type)))
    }
}

/// The views of every schema version of which the query sees rows.
///
/// # Errors
///
/// `Corrupt` if the table does not have a version of which it has rows.
pub(super) fn views(
    snapshot: &TableSnapshot,
    predicate: Option<&Predicate>,
    order: &[SortKey],
    aggregate: Option<&AggregatePlan>,
) -> Result<BTreeMap<SchemaVersion, Arc<View>>> {
    let table = &snapshot.table;
    let segments = table.segments.iter().map(|entry| entry.meta.schema_version);
    let versions = segments.chain(snapshot.memory.iter().map(|memory| memory.schema.version()));
    let mut views = BTreeMap::new();
    for version in versions {
        if let Entry::Vacant(vacant) = views.entry(version) {
            let upgrade = Upgrade::new(table.schema_of(version)?, &table.schema);
            vacant.insert(Arc::new(View::new(upgrade, predicate, order, aggregate)?));
        }
    }
    Ok(views)
}

/// The predicate as it is true of rows of the older version.
fn fold(predicate: &Predicate, upgrade: &Upgrade) -> Result<Predicate> {
    Ok(match predicate {
        Predicate::Compare { column, comparison, value } => match kept(*column, upgrade) {
            Kept::Absent => Predicate::Constant(None),
            Kept::AsIs => predicate.clone(),
            Kept::Narrower(old) => bind::compare(old, *comparison, &literal(value)?)?,
        },
        // Without values and without null the list is false on nulls, too.
        Predicate::In { column, values, has_null } => match kept(*column, upgrade) {
            Kept::Absent if values.is_empty() && !has_null => Predicate::Constant(Some(false)),
            Kept::Absent => Predicate::Constant(None),
            Kept::Narrower(old) if !values.is_empty() => {
                let null = has_null.then_some(Ok(Literal::Null));
                let literals = values.iter().map(literal).chain(null).collect::<Result<Vec<_>>>()?;
                bind::is_in(old, &literals)?
            }
            Kept::AsIs | Kept::Narrower(_) => predicate.clone(),
        },
        Predicate::IsNull(column) => match kept(*column, upgrade) {
            Kept::Absent => Predicate::Constant(Some(true)),
            Kept::AsIs | Kept::Narrower(_) => predicate.clone(),
        },
        Predicate::IsNan(column) => match kept(*column, upgrade) {
            Kept::Absent => Predicate::Constant(None),
            Kept::AsIs | Kept::Narrower(_) => predicate.clone(),
        },
        Predicate::And(parts) => fold_parts(parts, upgrade, true)?,
        Predicate::Or(parts) => fold_parts(parts, upgrade, false)?,
        Predicate::Not(inner) => match fold(inner, upgrade)? {
            Predicate::Constant(value) => Predicate::Constant(value.map(|value| !value)),
            other => Predicate::Not(Box::new(other)),
        },
        other => other.clone(),
    })
}

/// An AND, whose parts are dropped where they are true, or an OR, whose parts are dropped where they are false. One part that
/// is the opposite decides.
fn fold_parts(parts: &[Predicate], upgrade: &Upgrade, all: bool) -> Result<Predicate> {
    let mut left = Vec::with_capacity(parts.len());
    for part in parts {
        match fold(part, upgrade)? {
            Predicate::Constant(Some(value)) if value == all => {}
            Predicate::Constant(Some(value)) => return Ok(Predicate::Constant(Some(value))),
            part => left.push(part),
        }
    }
    Ok(match (left.len(), all) {
        (0, _) => Predicate::Constant(Some(all)),
        (1, _) => left.swap_remove(0),
        (_, true) => Predicate::And(left),
        (_, false) => Predicate::Or(left),
    })
}

/// A value of a column that was widened, as a user would write it.
fn literal(value: &Value) -> Result<Literal> {
    Ok(match value {
        Value::Int(value) => Literal::Int(i128::from(*value)),
        Value::UInt(value) => Literal::Int(i128::from(*value)),
        Value::F32(value) => Literal::Float(f64::from(*value)),
        Value::F64(value) => Literal::Float(*value),
        other => {
            return Err(Error::internal("a column that was widened is compared with what is no number")
                .with("class", format!("{:?}", other.class())));
        }
    })
}

/// What became of a column.
enum Kept<'a> {
    /// The older version does not have it.
    Absent,
    /// It had the same type.
    AsIs,
    /// It had another type.
    Narrower(&'a Column),
}

fn kept(id: ColumnId, upgrade: &Upgrade) -> Kept<'_> {
    let Some(old) = upgrade.old().column(id) else { return Kept::Absent };
    match upgrade.new_schema().column(id) {
        Some(new) if new.data_type != old.data_type => Kept::Narrower(old),
        _ => Kept::AsIs,
    }
}

/// The order without the columns that are null in every row. Where nothing is left, rows still come by what breaks ties, in
/// words: a request without order has another meaning.
fn order_of(upgrade: &Upgrade, order: &[SortKey]) -> Vec<SortKey> {
    let has = |key: &&SortKey| upgrade.old().index_of(key.column).is_some();
    let left: Vec<SortKey> = order.iter().filter(has).copied().collect();
    if order.is_empty() || !left.is_empty() {
        return left;
    }
    let ties = upgrade.old().sort_columns().into_iter();
    ties.map(|column| SortKey { column, descending: false, nulls_first: true }).collect()
}

/// An aggregate over rows of an older version.
#[derive(Debug)]
struct StatesView {
    /// Without the columns that the rows lack: groups by them are left out, functions of them count rows instead.
    plan: AggregatePlan,
    /// The columns of states of the current schema, and where each is among those of `plan`.
    columns: Vec<(FieldRef, Option<usize>)>,
}

impl StatesView {
    fn new(upgrade: &Upgrade, plan: &AggregatePlan) -> Result<Self> {
        let has = |column: ColumnId| upgrade.old().index_of(column).is_some();
        let mut reduced = AggregatePlan { group_by: upgrade.present(&plan.group_by), ..plan.clone() };
        let mut absent = Vec::with_capacity(plan.aggregates.len());
        for aggregate in &mut reduced.aggregates {
            let lacks = aggregate.column.is_some_and(|column| !has(column));
            if lacks {
                // Something must be computed for the groups to occur.
                *aggregate = Aggregate { function: Function::Count, column: None };
            }
            absent.push(lacks);
        }
        if reduced.group_by.is_empty() && reduced.bucket.is_none() && reduced.aggregates.is_empty() {
            reduced.aggregates.push(Aggregate { function: Function::Count, column: None });
        }
        let wanted = plan.state_schema(upgrade.new_schema())?;
        let given = reduced.state_schema(upgrade.old())?;
        let columns = wanted.fields().iter().map(|field| {
            let source = match part_of(field.name()) {
                Part::Group(index) => {
                    let column = plan.group_by.get(index).copied();
                    let at = reduced.group_by.iter().position(|other| Some(*other) == column);
                    at.map(|at| format!("group.{at}"))
                }
                Part::Aggregate(index) if absent.get(index).copied().unwrap_or_default() => None,
                Part::Aggregate(_) | Part::Bucket => Some(field.name().clone()),
            };
            let at = source.map(|name| given.index_of(&name)).transpose()?;
            Ok((Arc::clone(field), at))
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        Ok(Self { plan: reduced, columns })
    }

    fn widened(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut fields: Vec<FieldRef> = Vec::with_capacity(self.columns.len());
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.columns.len());
        for (field, source) in &self.columns {
            let array = match source.and_then(|index| batch.columns().get(index)) {
                Some(array) if is_widening(array.data_type(), field.data_type()) => {
                    widen(array, field.data_type())?
                }
                Some(array) => Arc::clone(array),
                None => blank(field, batch.num_rows())?,
            };
            // A tier may give text in another layout.
            fields.push(Arc::new(Field::new(field.name(), array.data_type().clone(), field.is_nullable())));
            arrays.push(array);
        }
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        Ok(RecordBatch::try_new(schema, arrays)?)
    }
}

/// What a column of states belongs to.
enum Part {
    Group(usize),
    Bucket,
    Aggregate(usize),
}

/// By the names that [`AggregatePlan::state_schema`] gives.
fn part_of(name: &str) -> Part {
    let number = |text: &str| text.split('.').next().and_then(|number| number.parse().ok());
    if let Some(group) = name.strip_prefix("group.").and_then(number) {
        return Part::Group(group);
    }
    match name.strip_prefix("agg.").and_then(number) {
        Some(aggregate) => Part::Aggregate(aggregate),
        None => Part::Bucket,
    }
}

/// A column of states of rows that have no value: nothing was counted, the sum is that of nothing, and there is no extreme, first or
/// last value.
fn blank(field: &Field, rows: usize) -> Result<ArrayRef> {
    if field.is_nullable() {
        return Ok(new_null_array(field.data_type(), rows));
    }
    Ok(match field.data_type() {
        DataType::UInt64 => Arc::new(UInt64Array::from(vec![0; rows])),
        DataType::Int64 => Arc::new(Int64Array::from(vec![0; rows])),
        DataType::Int16 => Arc::new(Int16Array::from(vec![0; rows])),
        DataType::UInt8 => Arc::new(UInt8Array::from(vec![0; rows])),
        other => {
            return Err(Error::internal("a column of states cannot be blank")
                .with("column", field.name())
                .with("type", other));
        }
    })
}

#[cfg(test)]
mod tests;
