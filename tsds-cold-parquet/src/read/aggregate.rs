//! Aggregates: row groups folded on every core, each into one of few aggregators.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_buffer::BooleanBuffer;
use arrow_schema::Schema;
use futures::future::ready;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tsds_compute::{Aggregator, CompiledPredicate, SegmentPosition};
use tsds_traits::{AggregatePlan, AggregateRequest, ColumnId, Error, Result, TableSchema};

use super::footer::TextForm;
use super::group::{ColumnSet, Columns, Filter, GroupReader};
use super::units::{Request, Unit};
use crate::tier::Shared;

/// The state batches that `request` asks for. No I/O before the first poll.
pub(crate) fn aggregate(
    shared: Arc<Shared>,
    request: AggregateRequest,
) -> BoxStream<'static, Result<RecordBatch>> {
    let planned = stream::once(ready(Folding::plan(shared, request)));
    let folded = planned.and_then(|folding| async move { folding.states().await });
    folded.map_ok(|batches| stream::iter(batches).map(Ok)).try_flatten().boxed()
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
        let AggregateRequest { schema, segments, predicate, plan } = request;
        let first = Aggregator::new(Arc::clone(&schema), plan.clone())?;
        let predicate = predicate.map(|predicate| CompiledPredicate::new(&predicate, &schema)).transpose()?;
        let filter = predicate.map(|predicate| Filter::new(predicate, &schema)).transpose()?;
        let columns = ColumnSet::new(&schema, plan.columns(&schema))?;
        let idle = Idle { schema: Arc::clone(&schema), plan, aggregators: Mutex::new(vec![first]) };
        let request = Arc::new(Request { shared, schema, segments, filter });
        Ok(Self { request, columns, idle: Arc::new(idle) })
    }

    /// Folds everything. Exact states make the order in which row groups are done immaterial.
    async fn states(self) -> Result<Vec<RecordBatch>> {
        let window = self.request.window();
        let units = Arc::clone(&self.request).units();
        units
            .map(|unit| async { self.fold(unit?).await })
            .buffer_unordered(window)
            .try_collect::<()>()
            .await?;
        let aggregators = self.idle.drain();
        let job = move || {
            let states = aggregators.into_iter().map(Aggregator::states).collect::<Result<Vec<_>>>()?;
            Ok(states.into_iter().flatten().filter(|batch| batch.num_rows() > 0).collect())
        };
        (*self.request.shared.world.executor).blocking(job).await
    }

    async fn fold(&self, unit: Unit) -> Result<()> {
        let folded = match (unit.reader(), &self.request.filter) {
            (None, _) => unit.file.check_present().await,
            (Some(reader), Some(filter)) if !reader.group.all_match => {
                self.fold_matching(&reader, filter).await
            }
            (Some(reader), _) => self.fold_all(&reader).await,
        };
        folded.map_err(|error| error.with("segment", unit.file.meta.id))
    }

    async fn fold_all(&self, reader: &GroupReader) -> Result<()> {
        let rows = GroupRows::new(reader, &self.idle, self.columns.ids.clone(), None);
        let columns = every_row(reader, &self.columns);
        reader.read(columns, rows, |rows, batch| rows.fold(&batch)).await?.finish();
        Ok(())
    }

    /// Tests the predicate's columns, and reads the others only if a row matches.
    async fn fold_matching(&self, reader: &GroupReader, filter: &Filter) -> Result<()> {
        let tested = reader.test(filter).await?;
        if tested.matching == 0 {
            return Ok(());
        }
        let others = self.columns.without(&filter.columns);
        let ids = filter.columns.ids.iter().chain(&others.ids).copied().collect();
        let rows = GroupRows::new(reader, &self.idle, ids, Some(tested.mask));
        if others.is_empty() {
            let job = move || {
                let mut rows = rows;
                tested.batches.iter().try_for_each(|batch| rows.fold(batch))?;
                Ok(rows)
            };
            reader.blocking(job).await?.finish();
            return Ok(());
        }
        // Both are decoded in batches of the same rows.
        let mut tested = tested.batches.into_iter();
        let fold = move |rows: &mut GroupRows, batch: RecordBatch| {
            let tested =
                tested.next().ok_or_else(|| Error::internal("columns were decoded in other batches"))?;
            rows.fold(&side_by_side(&tested, &batch)?)
        };
        reader.read(every_row(reader, &others), rows, fold).await?.finish();
        Ok(())
    }
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
        }
    }

    fn fold(&mut self, batch: &RecordBatch) -> Result<()> {
        let aggregator = match &mut self.aggregator {
            Some(aggregator) => aggregator,
            none => none.insert(self.idle.take()?),
        };
        let mask = self.mask.as_ref().map(|mask| mask.slice(self.done, batch.num_rows()));
        let first_row = self.first_row.saturating_add(self.done as u64);
        let position = SegmentPosition { sequence: self.sequence, first_row };
        aggregator.update(&self.ids, batch, position, mask.as_ref())?;
        self.done += batch.num_rows();
        Ok(())
    }

    fn finish(self) {
        if let Some(aggregator) = self.aggregator {
            self.idle.put_back(aggregator);
        }
    }
}
