//! Queries: filter, project, sort, limit and aggregate across all tiers, every row exactly once.

mod aggregate;
mod aggregation;
pub(crate) mod analyze;
mod bind;
mod decimal;
mod explain;
mod expr;
mod fallback;
mod hot;
mod older;
mod ordered;
mod plan;
mod snapshot;
pub(crate) mod spill;
mod temporal;
mod topk;
mod unordered;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::stream::{BoxStream, Stream, StreamExt, TryStreamExt};
use tracing::Instrument;
use tsds_traits::{Error, Result, TableId};

pub use aggregation::{Aggregation, Every};
pub use analyze::{Analysis, MeasuredTier};
pub use explain::{Explain, ExplainTier};
pub use expr::{ColumnRef, Expr, Literal, col};
pub use snapshot::Snapshot;
pub use temporal::{parse_duration, parse_time, parse_time_of_day};

use crate::core::Core;
use crate::metrics;
use plan::Plan;
use snapshot::TableSnapshot;

/// Which way to sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// One column to sort by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SortColumn {
    pub name: String,
    pub direction: Direction,
    pub nulls_first: bool,
}

/// A query on one table, built step by step and run by [`Query::stream`].
///
/// Rows come in the order asked for, equal rows by series columns, time and arrival; without an order, in an order that is
/// not specified. An aggregate comes ordered by group columns and bucket unless it is sorted otherwise. A float sorts by
/// IEEE `totalOrder`; a comparison in a filter is IEEE's.
#[derive(Clone, Debug)]
pub struct Query {
    core: Arc<Core>,
    table: TableId,
    snapshot: Option<Snapshot>,
    filter: Option<Expr>,
    projection: Option<Vec<String>>,
    sort: Vec<SortColumn>,
    limit: Option<u64>,
    batch_rows: usize,
    aggregation: Option<Aggregation>,
}

impl Query {
    pub(crate) fn new(core: Arc<Core>, table: TableId) -> Self {
        let batch_rows = core.settings().query.output_batch_size;
        Self {
            core,
            table,
            snapshot: None,
            filter: None,
            projection: None,
            sort: Vec::new(),
            limit: None,
            batch_rows,
            aggregation: None,
        }
    }

    /// Keeps the rows for which the filter is true. Several filters must all be.
    #[must_use]
    pub fn filter(self, filter: Expr) -> Self {
        let filter = match self.filter {
            Some(earlier) => earlier.and(filter),
            None => filter,
        };
        Self { filter: Some(filter), ..self }
    }

    /// Returns these columns, in this order. Default: all, in the table's order.
    #[must_use]
    pub fn project<S: Into<String>>(self, columns: impl IntoIterator<Item = S>) -> Self {
        Self { projection: Some(columns.into_iter().map(Into::into).collect()), ..self }
    }

    /// Sorts by a column, after those named before; nulls come last.
    #[must_use]
    pub fn sort_by(self, column: impl Into<String>, direction: Direction) -> Self {
        self.sort_by_nulls(column, direction, false)
    }

    /// Sorts by a column, after those named before, with nulls first or last.
    #[must_use]
    pub fn sort_by_nulls(
        mut self,
        column: impl Into<String>,
        direction: Direction,
        nulls_first: bool,
    ) -> Self {
        self.sort.push(SortColumn { name: column.into(), direction, nulls_first });
        self
    }

    /// Returns at most this many rows.
    #[must_use]
    pub fn limit(self, rows: u64) -> Self {
        Self { limit: Some(rows), ..self }
    }

    /// Cuts the result into batches of at most this many rows. Default: `query.output_batch_size`.
    #[must_use]
    pub fn batch_rows(self, rows: usize) -> Self {
        Self { batch_rows: rows.max(1), ..self }
    }

    /// Groups and aggregates the rows. Sorting and the limit then apply to the groups.
    #[must_use]
    pub fn aggregate(self, aggregation: Aggregation) -> Self {
        Self { aggregation: Some(aggregation), ..self }
    }

    /// Sees what the snapshot sees, instead of everything that was acknowledged when the query begins.
    #[must_use]
    pub fn in_snapshot(self, snapshot: &Snapshot) -> Self {
        Self { snapshot: Some(snapshot.clone()), ..self }
    }

    /// Runs the query. Rows are read as the stream is polled; dropping the stream stops the work.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for an unknown column or a literal of another type, before any work; later whatever the tiers say.
    pub async fn stream(&self) -> Result<QueryStream> {
        let span = self.span();
        self.run(self.plan()?).instrument(span).await
    }

    async fn run(&self, plan: Plan) -> Result<QueryStream> {
        let settings = self.core.settings();
        let debug = &settings.debug;
        if debug.enabled && debug.print_query_plans {
            tracing::info!("{}", plan.explain());
        }
        plan.parts.iter().filter_map(|part| part.passed_by).for_each(metrics::fell_back);
        let schema = plan.output_schema()?;
        let rows = match (&plan.aggregate, plan.order.is_empty()) {
            (Some(_), _) => aggregate::run(plan).await?,
            (None, true) => unordered::run(plan),
            (None, false) => ordered::run(plan)?,
        };
        Ok(QueryStream { schema, rows, span: tracing::Span::current() })
    }

    /// Runs the query and keeps the whole result.
    ///
    /// # Errors
    ///
    /// As [`Query::stream`].
    pub async fn collect(&self) -> Result<Vec<RecordBatch>> {
        self.stream().await?.try_collect().await
    }

    /// Says what the query would read, without reading it.
    ///
    /// # Errors
    ///
    /// As [`Query::stream`].
    pub async fn explain(&self) -> Result<Explain> {
        Ok(self.plan()?.explain())
    }

    /// Runs the query to its end, keeps no row, and says what was read.
    ///
    /// # Errors
    ///
    /// As [`Query::stream`], and whatever the tiers say.
    pub async fn analyze(&self) -> Result<Analysis> {
        let began = self.core.now();
        let mut plan = self.plan()?;
        plan.measure();
        let measures = plan.measures();
        let span = self.span();
        let mut stream = self.run(plan).instrument(span).await?;
        let mut rows = 0;
        while let Some(batch) = stream.try_next().await? {
            rows += batch.num_rows() as u64;
        }
        drop(stream);
        Ok(measures.finish(rows, self.core.now().saturating_sub(began)))
    }

    fn plan(&self) -> Result<Plan> {
        self.core.check_open()?;
        let snapshot = match &self.snapshot {
            Some(snapshot) => snapshot.table(self.table)?,
            None => TableSnapshot::take(&self.core, self.table)?,
        };
        Plan::new(self, snapshot).map_err(|error| error.with("table", self.table_name()).during("query"))
    }

    fn span(&self) -> tracing::Span {
        tracing::debug_span!("query", table = self.table_name())
    }

    fn table_name(&self) -> String {
        self.core.table(self.table).map(|table| table.record.name.clone()).unwrap_or_default()
    }
}

/// The rows of a query. Yields batches of the schema, none of them empty.
pub struct QueryStream {
    schema: SchemaRef,
    rows: BoxStream<'static, Result<RecordBatch>>,
    span: tracing::Span,
}

impl QueryStream {
    /// The schema of every batch.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}

impl std::fmt::Debug for QueryStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryStream").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl Stream for QueryStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let _inside = this.span.enter();
        this.rows.poll_next_unpin(context)
    }
}

/// A bug in the planner.
fn unplanned(what: &'static str) -> Error {
    Error::internal(what).during("query")
}
