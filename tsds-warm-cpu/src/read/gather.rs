//! Gathers the selected rows of a group.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_buffer::BooleanBuffer;
use arrow_schema::{Field, Schema};
use arrow_select::filter::{FilterBuilder, FilterPredicate};
use tsds_traits::{ColumnId, Error, Result};

use crate::filter::Selection;
use crate::segment::{Part, join};

/// Some rows of some columns.
#[derive(Clone, Debug)]
pub(crate) struct GroupRows {
    pub(crate) columns: Vec<ArrayRef>,
    pub(crate) rows: usize,
}

impl GroupRows {
    /// The rows of several parts, one after the other.
    ///
    /// # Errors
    ///
    /// `Internal` if Arrow refuses.
    pub(crate) fn join(parts: Vec<Self>) -> Result<Self> {
        let rows = parts.iter().map(|part| part.rows).sum();
        let width = parts.first().map_or(0, |part| part.columns.len());
        let column =
            |index| join(parts.iter().filter_map(|part: &Self| part.columns.get(index).cloned()).collect());
        Ok(Self { columns: (0..width).map(column).collect::<Result<_>>()?, rows })
    }

    /// Those of the rows that are selected.
    ///
    /// # Errors
    ///
    /// `Internal` if Arrow refuses.
    pub(crate) fn select(self, selection: &Selection) -> Result<Self> {
        let Some(picks) = picks(selection, self.columns.len()) else { return Ok(self) };
        let columns = self.columns.iter().map(|array| Ok(picks.filter(array)?));
        Ok(Self { columns: columns.collect::<Result<_>>()?, rows: picks.count() })
    }

    /// The rows as a batch whose columns have no names.
    ///
    /// # Errors
    ///
    /// `Internal` if Arrow refuses.
    pub(crate) fn batch(&self) -> Result<RecordBatch> {
        let fields = self.columns.iter().map(|array| Field::new("", array.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        Ok(RecordBatch::try_new_with_options(schema, self.columns.clone(), &options)?)
    }
}

/// The selected rows of `columns`, in that order. `parts` has at least the blocks with selected rows.
///
/// # Errors
///
/// `Corrupt`; what a codec says.
pub(crate) fn gather(
    columns: &[ColumnId],
    selection: &Selection,
    parts: &HashMap<ColumnId, Part>,
    rows: usize,
) -> Result<GroupRows> {
    let picks = picks(selection, columns.len());
    let gathered = columns.iter().map(|id| {
        let part = parts
            .get(id)
            .ok_or_else(|| Error::internal("a column to be returned was not loaded").with("column", id))?;
        gather_part(part, selection, picks.as_ref(), rows)
    });
    Ok(GroupRows { columns: gathered.collect::<Result<_>>()?, rows: selection.count(rows) })
}

/// `None` where nothing or everything is selected.
fn picks(selection: &Selection, columns: usize) -> Option<FilterPredicate> {
    let Selection::Rows(bits) = selection else { return None };
    let bits = BooleanArray::new(bits.clone(), None);
    let builder = FilterBuilder::new(&bits);
    // Finding the rows once pays where several columns need them.
    Some(if columns > 1 { builder.optimize().build() } else { builder.build() })
}

fn gather_part(
    part: &Part,
    selection: &Selection,
    picks: Option<&FilterPredicate>,
    rows: usize,
) -> Result<ArrayRef> {
    match (selection, picks) {
        (Selection::Rows(bits), Some(picks)) => match part.whole(rows) {
            Some(array) => Ok(picks.filter(array)?),
            None => gather_pieces(part, bits),
        },
        (Selection::Everything, _) => part.slice(&(0..rows)),
        _ => part.slice(&(0..0)),
    }
}

/// Decodes only pieces with a selected row.
fn gather_pieces(part: &Part, bits: &BooleanBuffer) -> Result<ArrayRef> {
    let mut gathered = Vec::new();
    for piece in part.pieces() {
        let own = bits.slice(piece.rows.start, piece.rows.len());
        match own.count_set_bits() {
            0 => {}
            count if count == own.len() => gathered.push(part.decode(piece)?),
            _ => {
                let array = part.decode(piece)?;
                gathered.push(arrow_select::filter::filter(&array, &BooleanArray::new(own, None))?);
            }
        }
    }
    join(gathered)
}
