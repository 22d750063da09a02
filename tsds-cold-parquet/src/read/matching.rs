//! The matching rows of one row group, with the columns that a scan returns or sorts by.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_buffer::BooleanBuffer;
use arrow_schema::{Field, Schema};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use tsds_compute::sort_indices;
use tsds_traits::{Error, Result, SortKey};

use super::file::Group;
use super::footer::TextForm;
use super::group::{ColumnSet, Columns, Filter, GroupReader};

/// What a scan wants of every row group.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// The columns of projection and order.
    pub(super) columns: ColumnSet,
    pub(super) filter: Option<Filter>,
    pub(super) order: Vec<SortKey>,
    /// How many rows at most can be part of the answer: the first ones in storage order, or with an order in that.
    pub(super) limit: usize,
}

/// The rows of a row group that can be part of the answer, in storage order, with the wanted columns.
///
/// Columns of the predicate come first; what else is wanted is fetched and decoded only where rows match.
pub(super) async fn matching_rows(reader: &GroupReader, wanted: &Wanted) -> Result<Vec<RecordBatch>> {
    let filter = wanted.filter.as_ref().filter(|_| !reader.group.all_match);
    let batches = match filter {
        None => all_rows(reader, wanted).await?,
        Some(filter) => tested_rows(reader, wanted, filter).await?,
    };
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    if wanted.order.is_empty() || rows / 4 < wanted.limit {
        return Ok(batches);
    }
    let wanted = wanted.clone();
    let job = move || candidates(&wanted, &batches).map(|batch| vec![batch]);
    reader.blocking(job).await
}

async fn all_rows(reader: &GroupReader, wanted: &Wanted) -> Result<Vec<RecordBatch>> {
    let all = reader.group.span_rows();
    let rows = if wanted.order.is_empty() { all.min(wanted.limit) } else { all };
    let group = Group { span: reader.group.span.map(|(start, _)| (start, rows)), ..reader.group };
    let selection = group.span_selection();
    let columns = Columns { set: &wanted.columns, text: TextForm::Own, selection, rows };
    reader.read(columns, Vec::new(), collect).await
}

async fn tested_rows(reader: &GroupReader, wanted: &Wanted, filter: &Filter) -> Result<Vec<RecordBatch>> {
    let mut tested = reader.test(filter).await?;
    if wanted.order.is_empty() && tested.matching > wanted.limit {
        tested.mask = first_set(&tested.mask, wanted.limit);
        tested.matching = wanted.limit;
    }
    let matching = tested.matching;
    if matching == 0 {
        return Ok(Vec::new());
    }
    let others = wanted.columns.without(&filter.columns);
    let rest = if others.is_empty() {
        Vec::new()
    } else {
        let selection = Some(tested.selection());
        let columns = Columns { set: &others, text: TextForm::Own, selection, rows: matching };
        reader.read(columns, Vec::new(), collect).await?
    };
    let (wanted, filter) = (wanted.clone(), filter.clone());
    let job = move || {
        let kept = Half { columns: &filter.columns, rows: join_batches(&tested.kept()?)? };
        let rest = Half { columns: &others, rows: join_batches(&rest)? };
        Ok(vec![side_by_side(&wanted.columns, &kept, &rest, matching)?])
    };
    reader.blocking(job).await
}

fn collect(batches: &mut Vec<RecordBatch>, batch: RecordBatch) -> Result<()> {
    batches.push(batch);
    Ok(())
}

/// The first `count` set bits of a mask.
fn first_set(mask: &BooleanBuffer, count: usize) -> BooleanBuffer {
    let end = mask.set_indices().nth(count).unwrap_or(mask.len());
    BooleanBuffer::collect_bool(mask.len(), |row| row < end && mask.value(row))
}

/// Some columns of the matching rows; `None` where there are no columns.
struct Half<'a> {
    columns: &'a ColumnSet,
    rows: Option<RecordBatch>,
}

impl Half<'_> {
    fn find(&self, position: usize) -> Option<(Arc<Field>, ArrayRef)> {
        let rows = self.rows.as_ref()?;
        let at = self.columns.positions.iter().position(|own| *own == position)?;
        Some((rows.schema().fields().get(at)?.clone(), Arc::clone(rows.columns().get(at)?)))
    }
}

pub(super) fn join_batches(batches: &[RecordBatch]) -> Result<Option<RecordBatch>> {
    Ok(match batches {
        [] => None,
        [single] => Some(single.clone()),
        [first, ..] => Some(concat_batches(&first.schema(), batches)?),
    })
}

/// The wanted columns, each from the half that has it.
fn side_by_side(wanted: &ColumnSet, one: &Half<'_>, other: &Half<'_>, rows: usize) -> Result<RecordBatch> {
    let (mut fields, mut arrays): (Vec<Arc<Field>>, Vec<ArrayRef>) = (Vec::new(), Vec::new());
    for position in &wanted.positions {
        let found = one.find(*position).or_else(|| other.find(*position));
        let (field, array) = found.ok_or_else(|| Error::internal("wanted column was not decoded"))?;
        fields.push(field);
        arrays.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)?)
}

/// The first rows in the wanted order, in storage order: that breaks ties when the segment is sorted.
fn candidates(wanted: &Wanted, batches: &[RecordBatch]) -> Result<RecordBatch> {
    let rows = join_batches(batches)?.ok_or_else(|| Error::internal("no rows to choose from"))?;
    let first = sort_indices(&wanted.columns.ids, &rows, &wanted.order, Some(wanted.limit))?;
    let mut first = first.values().to_vec();
    first.sort_unstable();
    Ok(take_record_batch(&rows, &UInt32Array::from(first))?)
}
