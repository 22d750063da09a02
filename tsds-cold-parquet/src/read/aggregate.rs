//! Aggregates: row groups folded on every core, each into one of few aggregators.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_buffer::BooleanBuffer;
use arrow_schema::Schema;
use futures::future::ready;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use parquet::arrow::arrow_reader::RowSelection;
use tsds_compute::{Aggregator, CompiledPredicate, SegmentPosition};
use tsds_traits::{
    Aggregate, AggregatePlan, AggregateRequest, ColumnId, Error, Function, Result, TableSchema,
};

use super::footer::TextForm;
use super::group::{Candidates, ColumnSet, Columns, Filter, GroupReader, Tested};
use super::matching::join_batches;
use super::units::{Request, Unit};
use crate::tier::Shared;

/// An aggregator with more groups than this gives them away as states and begins anew: its table still fits into a
/// core's cache, and where rows are sorted by series the groups of different row groups are different ones anyway.
const MAX_GROUPS: usize = 16_384;
/// Where fewer than one in so many candidates match, the other columns are read for the matching rows alone.
const SPARSE: usize = 8;

/// The state batches that `request` asks for. No I/O before the first poll.
pub(crate) fn aggregate(
    shared: Arc<Shared>,
    request: AggregateRequest,
) -> BoxStream<'static, Result<RecordBatch>> {
    let planned = stream::once(ready(Folding::plan(shared, request)));
    planned.map_ok(|folding| Arc::new(folding).states()).try_flatten().boxed()
}

/// A checked request.
#[derive(Debug)]
struct Folding {
    request: Arc<Request>,
    columns: ColumnSet,
    idle: Arc<Idle>,
}

/// Aggregators that nobody uses at the moment: a job takes one, folds its rows and puts it back. There are never more
/// than jobs that run at the same time.
#[derive(Debug)]
struct Idle {
    schema: Arc<TableSchema>,
    plan: AggregatePlan,
    aggregators: Mutex<Vec<Aggregator>>,
}

impl Idle {
    fn take(&self) -> Result<Aggregator> {
        let idle = self.aggregators.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| Aggregator::new(Arc::clone(&self.schema), self.plan.clone()), Ok)
    }

    fn put_back(&self, aggregator: Aggregator) {
        self.aggregators.lock().unwrap_or_else(PoisonError::into_inner).push(aggregator);
    }

    fn drain(&self) -> Vec<Aggregator> {
        std::mem::take(&mut *self.aggregators.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Folding {
    fn plan(shared: Arc<Shared>, request: AggregateRequest) -> Result<Self> {
        let AggregateRequest { schema, segments, predicate, plan, meter } = request;
        let first = Aggregator::new(Arc::clone(&schema), plan.clone())?;
        let predicate = predicate.map(|predicate| CompiledPredicate::new(&predicate, &schema)).transpose()?;
        let filter = predicate.map(|predicate| Filter::new(predicate, &schema)).transpose()?;
        let columns = ColumnSet::new(&schema, plan.columns(&schema))?;
        let idle = Idle { schema: Arc::clone(&schema), plan, aggregators: Mutex::new(vec![first]) };
        let request = Arc::new(Request { shared, schema, segments, filter, meter, room: None });
        Ok(Self { request, columns, idle: Arc::new(idle) })
    }

    /// Folds everything. Exact states make the order in which row groups are done immaterial.
    fn states(self: Arc<Self>) -> BoxStream<'static, Result<RecordBatch>> {
        let window = self.request.window();
        let units = Arc::clone(&self.request).units();
        let folding = Arc::clone(&self);
        let early = units
            .map(move |unit| {
                let folding = Arc::clone(&folding);
                async move { folding.fold(unit?).await }
            })
            .buffer_unordered(window);
        let late = stream::once(async move { self.remaining().await });
        // Ends with the first error: then what is folded so far is not an answer.
        let all = stream::try_unfold(early.chain(late).boxed(), |mut all| async move {
            let batches: Option<Vec<RecordBatch>> = all.try_next().await?;
            Ok::<_, Error>(batches.map(|batches| (batches, all)))
        });
        all.map_ok(|batches| stream::iter(batches).map(Ok)).try_flatten().boxed()
    }

    async fn remaining(&self) -> Result<Vec<RecordBatch>> {
        let aggregators = self.idle.drain();
        let job = move || {
            let states = aggregators.into_iter().map(states_of).collect::<Result<Vec<_>>>()?;
            Ok(states.into_iter().flatten().collect())
        };
        (*self.request.shared.world.executor).blocking(job).await
    }

    /// Folds a row group; gives states where there would be too many groups to keep.
    async fn fold(&self, unit: Unit) -> Result<Vec<RecordBatch>> {
        let folded = match (unit.reader(), &self.request.filter) {
            (None, _) => unit.file.check_present().await.map(|()| None),
            (Some(reader), Some(filter)) if !reader.group.all_match => {
                self.fold_matching(&reader, filter).await
            }
            (Some(reader), _) => self.fold_all(&reader).await.map(Some),
        };
        let folded = folded.map_err(|error| error.with("segment", unit.file.meta.id))?;
        match folded.and_then(|rows| rows.aggregator) {
            Some(aggregator) if aggregator.groups() > MAX_GROUPS => {
                (*self.request.shared.world.executor).blocking(move || states_of(aggregator)).await
            }
            Some(aggregator) => {
                self.idle.put_back(aggregator);
                Ok(Vec::new())
            }
            None => Ok(Vec::new()),
        }
    }

    async fn fold_all(&self, reader: &GroupReader) -> Result<GroupRows> {
        let rows = GroupRows::new(reader, &self.idle, self.columns.ids.clone(), None);
        let columns = every_row(reader, &self.columns);
        reader.read(columns, rows, |rows, batch| rows.fold(&batch)).await
    }

    /// Tests the predicate's columns, and reads the others only if a row matches.
    async fn fold_matching(&self, reader: &GroupReader, filter: &Filter) -> Result<Option<GroupRows>> {
        let tested = reader.test(filter).await?;
        if tested.matching == 0 {
            return Ok(None);
        }
        let others = self.columns.without(&filter.columns);
        let ids = filter.columns.ids.iter().chain(&others.ids).copied().collect();
        if others.is_empty() {
            let rows = GroupRows::new(reader, &self.idle, ids, Some(tested.mask));
            let rows = rows.of(tested.candidates.selection.as_ref());
            let job = move || {
                let mut rows = rows;
                tested.batches.iter().try_for_each(|batch| rows.fold(batch))?;
                Ok(rows)
            };
            return reader.blocking(job).await.map(Some);
        }
        if tested.matching < tested.candidates.rows / SPARSE {
            return self.fold_few(reader, tested, ids, &others).await.map(Some);
        }
        let Tested { candidates, mask, batches, .. } = tested;
        let Candidates { selection, rows: count } = candidates;
        let rows = GroupRows::new(reader, &self.idle, ids, Some(mask)).of(selection.as_ref());
        let columns = Columns { set: &others, text: TextForm::Coded, selection, rows: count };
        if columns.selection.is_some() {
            return reader.read(columns, rows, beside(move || Ok(batches))).await.map(Some);
        }
        // Without a selection both are decoded in batches of the same rows.
        let mut tested = batches.into_iter();
        let fold = move |rows: &mut GroupRows, batch: RecordBatch| {
            let tested =
                tested.next().ok_or_else(|| Error::internal("columns were decoded in other batches"))?;
            rows.fold(&side_by_side(&tested, &batch)?)
        };
        reader.read(columns, rows, fold).await.map(Some)
    }

    /// Reads the other columns where rows match, and nowhere else.
    async fn fold_few(
        &self,
        reader: &GroupReader,
        tested: Tested,
        ids: Vec<ColumnId>,
        others: &ColumnSet,
    ) -> Result<GroupRows> {
        let (selection, matching) = (Some(tested.selection()), tested.matching);
        let rows = GroupRows::new(reader, &self.idle, ids, None).of(selection.as_ref());
        let columns = Columns { set: others, text: TextForm::Coded, selection, rows: matching };
        reader.read(columns, rows, beside(move || tested.kept())).await
    }
}

/// Folds batches with the columns of `others` beside them, which are of the same rows: the first time it is asked for
/// those, and they may be cut elsewhere.
fn beside(
    others: impl FnOnce() -> Result<Vec<RecordBatch>> + Send + 'static,
) -> impl FnMut(&mut GroupRows, RecordBatch) -> Result<()> + Send + 'static {
    let mut others = Some(others);
    let mut joined: Option<RecordBatch> = None;
    move |rows, batch| {
        if let Some(others) = others.take() {
            joined = join_batches(&others()?)?;
        }
        let joined = joined.as_ref().ok_or_else(|| Error::internal("no rows were tested"))?;
        let (from, count) = (rows.done, batch.num_rows());
        if from.saturating_add(count) > joined.num_rows() {
            return Err(Error::internal("columns were decoded with other rows"));
        }
        rows.fold(&side_by_side(&joined.slice(from, count), &batch)?)
    }
}

fn states_of(aggregator: Aggregator) -> Result<Vec<RecordBatch>> {
    Ok(aggregator.states()?.into_iter().filter(|batch| batch.num_rows() > 0).collect())
}

fn every_row<'a>(reader: &GroupReader, set: &'a ColumnSet) -> Columns<'a> {
    Columns { set, text: TextForm::Coded, selection: None, rows: reader.group.rows }
}

fn side_by_side(left: &RecordBatch, right: &RecordBatch) -> Result<RecordBatch> {
    let (left_schema, right_schema) = (left.schema(), right.schema());
    let fields = left_schema.fields().iter().chain(right_schema.fields()).cloned().collect::<Vec<_>>();
    let columns = left.columns().iter().chain(right.columns()).cloned().collect();
    let options = RecordBatchOptions::new().with_row_count(Some(right.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
}

/// The rows of one row group on their way into an aggregator.
struct GroupRows {
    idle: Arc<Idle>,
    /// Taken with the first batch, so that nobody holds one while bytes are fetched.
    aggregator: Option<Aggregator>,
    ids: Vec<ColumnId>,
    mask: Option<BooleanBuffer>,
    sequence: u64,
    first_row: u64,
    done: usize,
    places: Places,
}

impl GroupRows {
    fn new(reader: &GroupReader, idle: &Arc<Idle>, ids: Vec<ColumnId>, mask: Option<BooleanBuffer>) -> Self {
        Self {
            idle: Arc::clone(idle),
            aggregator: None,
            ids,
            mask,
            sequence: reader.file.meta.interval.upto.0,
            first_row: reader.group.first_row,
            done: 0,
            places: Places::default(),
        }
    }

    fn fold(&mut self, batch: &RecordBatch) -> Result<()> {
        let aggregator = match &mut self.aggregator {
            Some(aggregator) => aggregator,
            none => none.insert(self.idle.take()?),
        };
        let mut from = 0;
        while from < batch.num_rows() {
            let (row, rows) = self.places.next(self.done, batch.num_rows() - from)?;
            let mask = self.mask.as_ref().map(|mask| mask.slice(self.done, rows));
            let first_row = self.first_row.saturating_add(row);
            let position = SegmentPosition { sequence: self.sequence, first_row };
            aggregator.update(&self.ids, &batch.slice(from, rows), position, mask.as_ref())?;
            (self.done, from) = (self.done + rows, from + rows);
        }
        Ok(())
    }

    /// The rows are those of a selection. Where they are matters to the first and the last of equal times only: else they
    /// are folded as if they followed each other.
    fn of(mut self, selection: Option<&RowSelection>) -> Self {
        let tells = |aggregate: &Aggregate| matches!(aggregate.function, Function::First | Function::Last);
        if let Some(selection) = selection.filter(|_| self.idle.plan.aggregates.iter().any(tells)) {
            self.places = Places::of(selection);
        }
        self
    }
}

/// Where rows are in their row group.
#[derive(Debug, Default)]
struct Places {
    /// Runs of rows that follow each other: where the next one begins, and how many. None if all do.
    runs: Option<VecDeque<(u64, usize)>>,
}

impl Places {
    fn of(selection: &RowSelection) -> Self {
        let (mut runs, mut row) = (VecDeque::new(), 0);
        for part in selection.iter() {
            if !part.skip && part.row_count > 0 {
                runs.push_back((row, part.row_count));
            }
            row += part.row_count as u64;
        }
        Self { runs: Some(runs) }
    }

    /// Where the next rows begin, after `done`, and how many of at most `rows` follow each other.
    fn next(&mut self, done: usize, rows: usize) -> Result<(u64, usize)> {
        let Some(runs) = &mut self.runs else { return Ok((done as u64, rows)) };
        let beyond = || Error::internal("more rows were decoded than were selected");
        let (start, left) = runs.front_mut().ok_or_else(beyond)?;
        let (row, taken) = (*start, rows.min(*left));
        (*start, *left) = (row + taken as u64, *left - taken);
        if *left == 0 {
            runs.pop_front();
        }
        Ok((row, taken))
    }
}
