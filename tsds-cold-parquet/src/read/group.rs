//! The rows of one row group that match, and the columns of them that are needed.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_buffer::BooleanBuffer;
use arrow_schema::{Field, Schema};
use arrow_select::filter::filter_record_batch;
use parquet::arrow::arrow_reader::RowSelection;
use tsds_compute::CompiledPredicate;
use tsds_traits::{ColumnId, Error, Result, TableSchema};

use super::decode::{Part, decode};
use super::fetch::Fetched;
use super::file::{Group, OpenFile};
use super::footer::{Footer, TextForm};
use crate::tier::Shared;

/// Rows that are decoded at a time where smaller batches are wanted: a decoder has work to do for each batch.
const DECODE_ROWS: usize = 16_384;

/// What is wanted of every row group of a request.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) schema: Arc<TableSchema>,
    /// Positions in the schema, each at most once; the columns of what comes out.
    pub(super) columns: Vec<usize>,
    pub(super) filter: Option<Filter>,
    pub(super) batch_rows: usize,
}

/// A predicate and the columns that it reads.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) predicate: CompiledPredicate,
    columns: Vec<usize>,
    ids: Vec<ColumnId>,
}

impl Filter {
    pub(super) fn new(predicate: CompiledPredicate, schema: &TableSchema) -> Self {
        let ids = predicate.columns().to_vec();
        let columns = ids.iter().filter_map(|id| schema.index_of(*id)).collect();
        Self { predicate, columns, ids }
    }
}

/// Reads the matching rows of a row group in storage order, at most `limit` of them.
///
/// Columns of the predicate come first; what else is wanted is fetched and decoded only where rows match.
pub(super) async fn read_group(
    shared: &Arc<Shared>,
    wanted: &Arc<Wanted>,
    file: &Arc<OpenFile>,
    group: Group,
    limit: usize,
) -> Result<Vec<RecordBatch>> {
    let reader = Reader { shared, wanted, file, group };
    let filter = wanted.filter.as_ref().filter(|_| !group.all_match);
    let found = match filter {
        None => reader.all_rows(limit).await,
        Some(filter) => reader.matching_rows(filter, limit).await,
    };
    found.map_err(|error| error.with("segment", file.meta.id))
}

struct Reader<'a> {
    shared: &'a Arc<Shared>,
    wanted: &'a Arc<Wanted>,
    file: &'a Arc<OpenFile>,
    group: Group,
}

impl Reader<'_> {
    async fn all_rows(&self, limit: usize) -> Result<Vec<RecordBatch>> {
        let rows = self.group.rows.min(limit);
        if self.wanted.columns.is_empty() {
            self.file.check_present().await?;
            return Ok(row_counts(rows, self.wanted.batch_rows));
        }
        let columns = self.wanted.columns.clone();
        let fetched = self.fetch(&columns).await?;
        let batch_rows = self.wanted.batch_rows;
        let cut = move |batches: Vec<RecordBatch>| {
            Ok(batches.iter().flat_map(|batch| slices(batch, batch_rows)).collect())
        };
        self.decode(fetched, columns, None, rows, batch_rows.max(DECODE_ROWS), cut).await
    }

    async fn matching_rows(&self, filter: &Filter, limit: usize) -> Result<Vec<RecordBatch>> {
        let fetched = self.fetch(&filter.columns).await?;
        let wanted = Arc::clone(self.wanted);
        let columns = filter.columns.clone();
        let rows = self.group.rows;
        let evaluated =
            self.decode(fetched, columns, None, rows, rows, move |batches| match &wanted.filter {
                Some(filter) => evaluate(filter, &batches, limit),
                None => Err(Error::internal("filter vanished")),
            });
        let (matching, mask, tested) = evaluated.await?;
        if matching == 0 {
            return Ok(Vec::new());
        }
        let others: Vec<_> =
            self.wanted.columns.iter().copied().filter(|column| !filter.columns.contains(column)).collect();
        let rest = if others.is_empty() {
            None
        } else {
            let fetched = self.fetch(&others).await?;
            let selection = RowSelection::from_boolean_buffer(mask);
            self.decode(fetched, others.clone(), Some(selection), matching, matching, one_batch).await?
        };
        let tested_columns = filter.columns.clone();
        let joined = join(self.wanted, (&tested_columns, &tested), (&others, rest.as_ref()), matching)?;
        Ok(slices(&joined, self.wanted.batch_rows))
    }

    async fn fetch(&self, columns: &[usize]) -> Result<Fetched> {
        let footer = self.file.footer().await?;
        let ranges = footer.column_ranges(self.group.index, columns).ok_or_else(|| {
            Error::corrupt("footer lacks a row group or column").with("file", &self.file.file.record().path)
        })?;
        self.file.file.fetch(&ranges).await
    }

    /// Verifies, decodes and continues with `then`, all in one job.
    async fn decode<T: Send + 'static>(
        &self,
        fetched: Fetched,
        columns: Vec<usize>,
        selection: Option<RowSelection>,
        rows: usize,
        batch_rows: usize,
        then: impl FnOnce(Vec<RecordBatch>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let footer: Footer = self.file.footer().await?.clone();
        let (file, wanted, group) = (Arc::clone(self.file), Arc::clone(self.wanted), self.group.index);
        let job = move || {
            let verified = fetched.verify()?;
            let part = Part { group, columns: &columns, text: TextForm::Own, selection, rows, batch_rows };
            then(decode(&footer, &verified, file.file.record(), &wanted.schema, &part)?)
        };
        (*self.shared.world.executor).blocking(job).await
    }
}

/// The number of matching rows, at most `limit`; which they are; and the columns of the predicate in them.
fn evaluate(
    filter: &Filter,
    batches: &[RecordBatch],
    limit: usize,
) -> Result<(usize, BooleanBuffer, RecordBatch)> {
    let batch = one_batch(batches.to_vec())?
        .ok_or_else(|| Error::internal("row group without a batch of its predicate's columns"))?;
    let mut mask = filter.predicate.evaluate(&filter.ids, &batch)?;
    let mut matching = mask.count_set_bits();
    if matching > limit {
        mask = first_set(&mask, limit);
        matching = limit;
    }
    let kept = filter_record_batch(&batch, &BooleanArray::new(mask.clone(), None))?;
    Ok((matching, mask, kept))
}

/// The first `count` set bits of a mask.
fn first_set(mask: &BooleanBuffer, count: usize) -> BooleanBuffer {
    let end = mask.set_indices().nth(count).unwrap_or(mask.len());
    BooleanBuffer::collect_bool(mask.len(), |row| row < end && mask.value(row))
}

/// Batches of one decoded row group as one; `None` for none.
fn one_batch(batches: Vec<RecordBatch>) -> Result<Option<RecordBatch>> {
    match batches.as_slice() {
        [] => Ok(None),
        [single] => Ok(Some(single.clone())),
        [first, ..] => Ok(Some(arrow_select::concat::concat_batches(&first.schema(), &batches)?)),
    }
}

/// Puts the wanted columns together from the predicate's and the others.
fn join(
    wanted: &Wanted,
    tested: (&[usize], &RecordBatch),
    others: (&[usize], Option<&RecordBatch>),
    rows: usize,
) -> Result<RecordBatch> {
    let find = |(columns, batch): (&[usize], &RecordBatch), index: usize| {
        let at = columns.iter().position(|column| *column == index)?;
        Some((batch.schema().fields().get(at)?.clone(), Arc::clone(batch.columns().get(at)?)))
    };
    let (mut fields, mut arrays): (Vec<Arc<Field>>, Vec<ArrayRef>) = (Vec::new(), Vec::new());
    for index in &wanted.columns {
        let found = find(tested, *index).or_else(|| find((others.0, others.1?), *index));
        let (field, array) = found.ok_or_else(|| Error::internal("wanted column was not decoded"))?;
        fields.push(field);
        arrays.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)?)
}

/// Cuts a batch.
pub(super) fn slices(batch: &RecordBatch, batch_rows: usize) -> Vec<RecordBatch> {
    let starts = (0..batch.num_rows()).step_by(batch_rows.max(1));
    starts.map(|start| batch.slice(start, batch_rows.min(batch.num_rows() - start))).collect()
}

/// Batches without columns.
fn row_counts(rows: usize, batch_rows: usize) -> Vec<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let schema = Arc::new(Schema::empty());
    RecordBatch::try_new_with_options(schema, Vec::new(), &options)
        .map(|batch| slices(&batch, batch_rows))
        .unwrap_or_default()
}
