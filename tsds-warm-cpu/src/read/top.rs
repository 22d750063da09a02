//! The first rows of a group in some order, without sorting those that cannot be among them.
//!
//! A group is taken a slice at a time. Once as many rows as are wanted have been seen, the last of them is a *bound*: a row
//! whose first key is worse can be dropped by one comparison, a block by its statistics. The groups of a segment share their
//! bound, so that later groups begin with it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{Array, UInt32Array};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use arrow_select::take::take_arrays;
use tsds_compute::{Verdict, column_stats, sort_indices};
use tsds_traits::{ColumnId, Comparison, Predicate, Result, SortKey, TableSchema, Value, ValueClass};

use super::gather::GroupRows;
use crate::filter::{Selection, Term};
use crate::segment::{Group, Part, Segment};

/// About how many rows are looked at between two looks at the bound.
const SLICE_ROWS: usize = if cfg!(test) { 24 } else { 16_384 };

/// The first rows in an order.
#[derive(Clone, Debug)]
pub(crate) struct Top {
    pub(crate) order: Vec<SortKey>,
    pub(crate) limit: usize,
}

impl Top {
    /// The columns that decide, each once.
    pub(crate) fn columns(&self) -> Vec<ColumnId> {
        tsds_device::distinct(self.order.iter().map(|key| key.column))
    }
}

/// The worst first key that a row of a segment can have and still be among the first rows.
#[derive(Debug)]
pub(crate) struct Bound {
    schema: Arc<TableSchema>,
    key: SortKey,
    best: Mutex<Option<(Value, Arc<Term>)>>,
}

impl Bound {
    /// No bound yet. `None` without an order.
    pub(crate) fn new(schema: &Arc<TableSchema>, order: &[SortKey]) -> Option<Arc<Self>> {
        let key = *order.first()?;
        Some(Arc::new(Self { schema: Arc::clone(schema), key, best: Mutex::default() }))
    }

    /// The condition that rows must meet.
    pub(crate) fn term(&self) -> Option<Arc<Term>> {
        let best = self.best.lock().unwrap_or_else(PoisonError::into_inner);
        best.as_ref().map(|(_, term)| Arc::clone(term))
    }

    /// Says that as many rows as are wanted are no worse than this one, of which `keys` is the first key.
    fn tighten(&self, keys: &dyn Array, row: usize) -> Result<()> {
        let stats = column_stats(self.key.column, &*keys.slice(row, 1))?;
        // Long text is cut: to what comes after it, or with it, in the order.
        let value = if self.key.descending { stats.min } else { stats.max };
        // A null or NaN is no bound.
        let Some(value) = value else { return Ok(()) };
        let mut best = self.best.lock().unwrap_or_else(PoisonError::into_inner);
        let tighter = best
            .as_ref()
            .is_none_or(|(so_far, _)| (*so_far < value) == self.key.descending && *so_far != value);
        if tighter {
            let term = Arc::new(self.make_term(value.clone())?);
            *best = Some((value, term));
        }
        Ok(())
    }

    /// Comparisons know neither nulls nor NaN, which may come first.
    fn make_term(&self, value: Value) -> Result<Term> {
        let SortKey { column, descending, nulls_first } = self.key;
        let comparison = if descending { Comparison::GreaterOrEqual } else { Comparison::LessOrEqual };
        let is_float = matches!(value.class(), ValueClass::F32 | ValueClass::F64);
        let mut parts = vec![Predicate::Compare { column, comparison, value }];
        if is_float {
            parts.push(Predicate::IsNan(column));
        }
        if nulls_first && self.schema.column(column).is_none_or(|column| column.nullable) {
            parts.push(Predicate::IsNull(column));
        }
        Term::new(vec![Predicate::Or(parts)], &self.schema)
    }
}

/// Those of the selected rows that come first. `parts` has the columns of the order, with at least the blocks that have
/// selected rows.
///
/// # Errors
///
/// `Corrupt`; what a codec says.
pub(crate) fn first_rows(
    selection: Selection,
    segment: &Segment,
    group: &Group,
    parts: &HashMap<ColumnId, Part>,
    top: &Top,
    bound: &Bound,
) -> Result<Selection> {
    let rows = group.len();
    let columns = top.columns();
    let mut kept = Kept { columns: &columns, top, bound, rows: Vec::new(), keys: Vec::new() };
    let mut slice = 0..0;
    let selected = |rows: &Range<usize>| match &selection {
        Selection::Rows(bits) => bits.slice(rows.start, rows.len()),
        Selection::Everything => BooleanBuffer::new_set(rows.len()),
        Selection::Nothing => BooleanBuffer::new_unset(rows.len()),
    };
    for block in group.blocks.clone() {
        let block_rows = segment.cuts().block_in(group, block);
        let stats = |column| segment.block_stats(column, block);
        let hopeless = bound
            .term()
            .is_some_and(|term| term.test.verdict(&stats, block_rows.len() as u64) == Verdict::None)
            || selected(&block_rows).set_indices().next().is_none();
        if hopeless {
            kept.add(&slice, selected(&slice), parts)?;
            slice = block_rows.end..block_rows.end;
        } else if !slice.is_empty() && block_rows.end - slice.start > SLICE_ROWS {
            kept.add(&slice, selected(&slice), parts)?;
            slice = block_rows;
        } else {
            slice.end = block_rows.end;
        }
    }
    kept.add(&slice, selected(&slice), parts)?;
    kept.cut()?;

    let mut bits = BooleanBufferBuilder::new(rows);
    bits.append_n(rows, false);
    kept.rows.iter().for_each(|row| bits.set_bit(*row, true));
    Ok(Selection::of(bits.finish()))
}

/// Rows that may be among the first ones, in storage order.
struct Kept<'a> {
    columns: &'a [ColumnId],
    top: &'a Top,
    bound: &'a Bound,
    rows: Vec<usize>,
    /// Their keys, in several parts.
    keys: Vec<GroupRows>,
}

impl Kept<'_> {
    /// Adds those selected rows of a slice that the bound allows.
    fn add(
        &mut self,
        slice: &Range<usize>,
        selected: BooleanBuffer,
        parts: &HashMap<ColumnId, Part>,
    ) -> Result<()> {
        if slice.is_empty() {
            return Ok(());
        }
        let mut arrays = Vec::with_capacity(self.columns.len());
        for column in self.columns {
            let missing = || tsds_traits::Error::internal("a column of the order was not loaded");
            arrays.push(parts.get(column).ok_or_else(missing)?.slice(slice)?);
        }
        let keys = GroupRows { columns: arrays, rows: slice.len() };
        let selected = match self.bound.term() {
            Some(term) => &selected & &term.test.evaluate(self.columns, &keys.batch()?)?,
            None => selected,
        };
        let selection = Selection::of(selected.clone());
        if selection == Selection::Nothing {
            return Ok(());
        }
        self.rows.extend(selected.set_indices().map(|row| slice.start + row));
        self.keys.push(keys.select(&selection)?);
        if self.rows.len() / 2 >= self.top.limit.max(SLICE_ROWS / 2) {
            self.cut()?;
        }
        Ok(())
    }

    /// Drops all but the first rows, and tightens the bound.
    fn cut(&mut self) -> Result<()> {
        if self.rows.len() <= self.top.limit || self.top.limit == 0 {
            return Ok(());
        }
        let joined = GroupRows::join(std::mem::take(&mut self.keys))?;
        let order = sort_indices(self.columns, &joined.batch()?, &self.top.order, Some(self.top.limit))?;
        if let (Some(last), Some(first_key)) = (order.values().last(), joined.columns.first()) {
            self.bound.tighten(first_key, *last as usize)?;
        }
        let mut positions = order.values().to_vec();
        positions.sort_unstable();
        let rows = positions.iter().filter_map(|position| self.rows.get(*position as usize).copied());
        self.rows = rows.collect();
        let positions = UInt32Array::from(positions);
        self.keys.push(GroupRows {
            columns: take_arrays(&joined.columns, &positions, None)?,
            rows: positions.len(),
        });
        Ok(())
    }
}

#[cfg(test)]
#[path = "top_tests.rs"]
mod tests;
