//! One row group at work: fetched column by column as needed, verified and decoded in one job.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use arrow_schema::Schema;
use parquet::arrow::arrow_reader::RowSelection;
use tsds_compute::CompiledPredicate;
use tsds_traits::{ColumnId, Error, Result, TableSchema};

use super::decode::{Part, decode};
use super::file::{Group, OpenFile};
use super::footer::TextForm;

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
}

/// The rows of a row group that match, and the predicate's columns of all of its rows.
#[derive(Debug)]
pub(super) struct Tested {
    pub(super) mask: BooleanBuffer,
    pub(super) matching: usize,
    pub(super) batches: Vec<RecordBatch>,
}

impl Filter {
    pub(super) fn new(predicate: CompiledPredicate, schema: &TableSchema) -> Result<Self> {
        let columns = ColumnSet::new(schema, predicate.columns().iter().copied())?;
        Ok(Self { predicate: Arc::new(predicate), columns })
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

impl GroupReader {
    /// Which rows match.
    pub(super) async fn test(&self, filter: &Filter) -> Result<Tested> {
        let own = filter.clone();
        let columns =
            Columns { set: &filter.columns, text: TextForm::Coded, selection: None, rows: self.group.rows };
        let tested = (BooleanBufferBuilder::new(self.group.rows), Vec::new());
        let (mut mask, batches) = self
            .read(columns, tested, move |(mask, batches), batch| {
                mask.append_buffer(&own.predicate.evaluate(&own.columns.ids, &batch)?);
                batches.push(batch);
                Ok(())
            })
            .await?;
        let mask = mask.finish();
        Ok(Tested { matching: mask.count_set_bits(), mask, batches })
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
        let footer = self.file.footer().await?.clone();
        let positions = columns.set.positions.clone();
        let ranges = footer.column_ranges(group, &positions).ok_or_else(|| {
            Error::corrupt("footer lacks a row group or column").with("file", &self.file.file.record().path)
        })?;
        let fetched = self.file.file.fetch(&ranges).await?;
        let file = Arc::clone(&self.file);
        let (text, selection) = (columns.text, columns.selection);
        let job = move || {
            let verified = fetched.verify()?;
            let part = Part { group, columns: &positions, text, selection, rows, batch_rows: DECODE_ROWS };
            decode(&footer, &verified, file.file.record(), &file.schema, &part, |batch| {
                fold(&mut state, batch)
            })?;
            Ok(state)
        };
        self.blocking(job).await
    }
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
