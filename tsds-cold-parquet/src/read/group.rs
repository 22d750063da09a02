//! One row group at work: fetched column by column as needed, verified and decoded in one job.

use std::sync::Arc;

use arrow_array::{BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use arrow_schema::Schema;
use arrow_select::filter::filter_record_batch;
use parquet::arrow::arrow_reader::RowSelection;
use parquet::errors::ParquetError;
use tsds_compute::CompiledPredicate;
use tsds_traits::{ColumnId, Error, Result, TableSchema};

use super::decode::{Part, decode};
use super::file::{Group, OpenFile};
use super::footer::{Detail, Footer, TextForm, decoding};
use super::{members, pages};
use crate::write::PAGE_ROWS;

/// Rows that are decoded at a time: few enough to stay in a cache, enough to be worth a decoder's work for each batch.
pub(super) const DECODE_ROWS: usize = 16_384;

/// Columns by their positions in the schema, with their ids in the same order.
#[derive(Clone, Debug, Default)]
pub(super) struct ColumnSet {
    pub(super) positions: Vec<usize>,
    pub(super) ids: Vec<ColumnId>,
}

impl ColumnSet {
    /// The columns of these ids, each once, in the order in which they come first.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for an id that the schema lacks.
    pub(super) fn new(schema: &TableSchema, ids: impl IntoIterator<Item = ColumnId>) -> Result<Self> {
        let mut set = Self::default();
        for id in ids {
            if set.ids.contains(&id) {
                continue;
            }
            let position = schema
                .index_of(id)
                .ok_or_else(|| Error::invalid_input("request names an unknown column").with("column", id))?;
            set.positions.push(position);
            set.ids.push(id);
        }
        Ok(set)
    }

    /// The columns that are not among `others`.
    pub(super) fn without(&self, others: &Self) -> Self {
        let kept =
            self.positions.iter().zip(&self.ids).filter(|(position, _)| !others.positions.contains(position));
        let (positions, ids) = kept.map(|(position, id)| (*position, *id)).unzip();
        Self { positions, ids }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

/// A predicate and the columns that it reads.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    predicate: Arc<CompiledPredicate>,
    pub(super) columns: ColumnSet,
    /// Whether bloom filters can answer it.
    asks_for_members: bool,
}

/// The rows of a row group that can match: some of them, or all.
#[derive(Clone, Debug)]
pub(super) struct Candidates {
    pub(super) selection: Option<RowSelection>,
    pub(super) rows: usize,
}

/// The rows of a row group that match, and the predicate's columns of all candidates.
#[derive(Debug)]
pub(super) struct Tested {
    pub(super) candidates: Candidates,
    /// Of the candidates.
    pub(super) mask: BooleanBuffer,
    pub(super) matching: usize,
    pub(super) batches: Vec<RecordBatch>,
}

impl Filter {
    pub(super) fn new(predicate: CompiledPredicate, schema: &TableSchema) -> Result<Self> {
        let columns = ColumnSet::new(schema, predicate.columns().iter().copied())?;
        let mut series = schema.series_indices().iter().filter_map(|index| schema.columns().get(*index));
        let asks_for_members =
            series.any(|column| members::asks_for_members(predicate.test(), schema, column.id));
        Ok(Self { predicate: Arc::new(predicate), columns, asks_for_members })
    }

    pub(super) fn predicate(&self) -> &CompiledPredicate {
        &self.predicate
    }
}

/// One row group of one file.
#[derive(Clone, Debug)]
pub(super) struct GroupReader {
    pub(super) file: Arc<OpenFile>,
    pub(super) group: Group,
}

/// What of a row group is read.
#[derive(Debug)]
pub(super) struct Columns<'a> {
    pub(super) set: &'a ColumnSet,
    pub(super) text: TextForm,
    pub(super) selection: Option<RowSelection>,
    /// How many rows come out.
    pub(super) rows: usize,
}

impl Tested {
    /// The matching rows, of all rows of the row group.
    pub(super) fn selection(&self) -> RowSelection {
        let matching = RowSelection::from_boolean_buffer(self.mask.clone());
        match &self.candidates.selection {
            Some(candidates) => candidates.and_then(&matching),
            None => matching,
        }
    }

    /// The predicate's columns of the matching rows.
    pub(super) fn kept(&self) -> Result<Vec<RecordBatch>> {
        let mut kept = Vec::with_capacity(self.batches.len());
        let mut from = 0;
        for batch in &self.batches {
            let own = BooleanArray::new(self.mask.slice(from, batch.num_rows()), None);
            from += batch.num_rows();
            kept.push(filter_record_batch(batch, &own)?);
        }
        Ok(kept)
    }
}

impl GroupReader {
    /// Which rows can match, by bloom filters and by the statistics of pages.
    async fn candidates(&self, filter: &Filter) -> Result<Candidates> {
        let span = self.group.span_selection();
        let all = Candidates { selection: span.clone(), rows: self.group.span_rows() };
        let many_pages = self.group.rows > PAGE_ROWS;
        if filter.columns.is_empty() || !(many_pages || filter.asks_for_members) {
            return Ok(all);
        }
        let footer = self.file.footer(Detail::Index).await?;
        let (file, group, predicate) =
            (Arc::clone(&self.file), self.group.index, Arc::clone(&filter.predicate));
        let job = move || {
            let record = file.file.record();
            decoding(record, record.footer_range().start, || {
                possible(&footer, group, &predicate, &file.schema)
            })
        };
        Ok(match self.blocking(job).await? {
            None => all,
            Some(selection) => {
                // Of an empty selection Parquet takes what lies beyond its end for selected.
                let selection = match span {
                    Some(span) if selection.row_count() > 0 => selection.intersection(&span),
                    _ => selection,
                };
                Candidates { rows: selection.row_count(), selection: Some(selection) }
            }
        })
    }

    /// Which rows match.
    pub(super) async fn test(&self, filter: &Filter) -> Result<Tested> {
        let own = filter.clone();
        let candidates = self.candidates(filter).await?;
        if candidates.rows == 0 {
            self.file.file.meter().blocks_skipped(1);
            let mask = BooleanBuffer::new_unset(0);
            return Ok(Tested { candidates, mask, matching: 0, batches: Vec::new() });
        }
        let (selection, rows) = (candidates.selection.clone(), candidates.rows);
        let columns = Columns { set: &filter.columns, text: TextForm::Coded, selection, rows };
        let tested = (BooleanBufferBuilder::new(rows), Vec::new());
        let (mut mask, batches) = self
            .read(columns, tested, move |(mask, batches), batch| {
                mask.append_buffer(&own.predicate.evaluate(&own.columns.ids, &batch)?);
                batches.push(batch);
                Ok(())
            })
            .await?;
        let mask = mask.finish();
        Ok(Tested { candidates, matching: mask.count_set_bits(), mask, batches })
    }

    /// Runs a job that computes.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        (*self.file.shared.world.executor).blocking(job).await
    }

    /// Fetches, verifies and decodes columns, and folds their batches into `state`: all but the fetching in one job.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        columns: Columns<'_>,
        mut state: T,
        mut fold: impl FnMut(&mut T, RecordBatch) -> Result<()> + Send + 'static,
    ) -> Result<T> {
        let (group, rows) = (self.group.index, columns.rows);
        if columns.set.is_empty() {
            self.file.check_present().await?;
            for batch in row_counts(rows)? {
                fold(&mut state, batch)?;
            }
            return Ok(state);
        }
        // A part of many pages may be few of them.
        let many_pages = self.group.rows > PAGE_ROWS || self.group.span.is_some();
        let partly = rows < self.group.rows && many_pages;
        let footer = self.file.footer(if partly { Detail::Index } else { Detail::Footer }).await?;
        let positions = columns.set.positions.clone();
        let selection = match columns.selection {
            None if partly => Some(first_rows(rows, self.group.rows)),
            selection => selection,
        };
        let pages = footer.page_ranges(group, &positions, selection.as_ref()).ok_or_else(|| {
            Error::corrupt("footer lacks a row group or column").with("file", &self.file.file.record().path)
        })?;
        self.file.count_read(positions.len());
        let fetched = self.file.file.fetch(&pages.ranges).await?;
        let file = Arc::clone(&self.file);
        let (text, skips_pages) = (columns.text, pages.skips);
        let job = move || {
            let verified = fetched.verify()?;
            let columns = &positions;
            let part = Part { group, columns, text, selection, skips_pages, rows, batch_rows: DECODE_ROWS };
            decode(&footer, &verified, file.file.record(), &file.schema, &part, |batch| {
                fold(&mut state, batch)
            })?;
            Ok(state)
        };
        self.blocking(job).await
    }
}

/// The rows of a row group that can match; `None` for all of them.
fn possible(
    footer: &Footer,
    group: usize,
    predicate: &CompiledPredicate,
    schema: &TableSchema,
) -> Result<Option<RowSelection>, ParquetError> {
    let bloom = |id: ColumnId| footer.bloom(group, schema.index_of(id)?);
    if !members::may_pass(predicate.test(), schema, &bloom) {
        return Ok(Some(RowSelection::default()));
    }
    pages::candidates(footer, group, predicate, schema)
}

fn first_rows(rows: usize, of: usize) -> RowSelection {
    RowSelection::from_consecutive_ranges(std::iter::once(0..rows), of)
}

/// Batches without columns, of `rows` rows together.
fn row_counts(rows: usize) -> Result<Vec<RecordBatch>> {
    let schema = Arc::new(Schema::empty());
    let starts = (0..rows).step_by(DECODE_ROWS);
    let batches = starts.map(|start| {
        let options = RecordBatchOptions::new().with_row_count(Some(DECODE_ROWS.min(rows - start)));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&schema), Vec::new(), &options)?)
    });
    batches.collect()
}
