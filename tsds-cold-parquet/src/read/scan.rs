//! Scans: rows of many segments, in storage order or sorted segment by segment.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use futures::future::ready;
use futures::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};
use tsds_compute::CompiledPredicate;
use tsds_traits::{ColumnId, Error, Result, ScanRequest, SegmentBatch, SortKey, TableSchema};

use super::group::{Filter, Wanted, read_group};
use super::sorted::{first_of_group, sort_segment};
use super::units::{Request, Unit};
use crate::tier::Shared;

/// The rows that `request` asks for. No I/O before the first poll.
pub(crate) fn scan(shared: Arc<Shared>, request: ScanRequest) -> BoxStream<'static, Result<SegmentBatch>> {
    let planned = stream::once(ready(Scan::plan(shared, request)));
    planned.map_ok(|scan| Arc::new(scan).rows()).try_flatten().boxed()
}

/// A checked request.
#[derive(Debug)]
struct Scan {
    request: Arc<Request>,
    wanted: Arc<Wanted>,
    /// The ids of the wanted columns, in their order.
    ids: Vec<ColumnId>,
    /// Where the projected columns are among the wanted ones.
    projection: Vec<usize>,
    output: SchemaRef,
    order: Vec<SortKey>,
    limit: Option<usize>,
}

impl Scan {
    fn plan(shared: Arc<Shared>, request: ScanRequest) -> Result<Self> {
        let ScanRequest { schema, segments, projection, predicate, order, limit, batch_rows } = request;
        if batch_rows == 0 {
            return Err(Error::invalid_input("a batch must be allowed to hold at least one row"));
        }
        let output = schema.project(&projection)?;
        let predicate = predicate.map(|predicate| CompiledPredicate::new(&predicate, &schema)).transpose()?;
        let mut ids: Vec<ColumnId> = Vec::new();
        for id in projection.iter().copied().chain(order.iter().map(|key| key.column)) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        let columns = positions(&schema, &ids)?;
        let projection = projection.iter().filter_map(|id| ids.iter().position(|own| own == id)).collect();
        let filter = predicate.clone().map(|predicate| Filter::new(predicate, &schema));
        let wanted = Arc::new(Wanted { schema: Arc::clone(&schema), columns, filter, batch_rows });
        let limit = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let request = Arc::new(Request { shared, schema, segments, predicate });
        Ok(Self { request, wanted, ids, projection, output, order, limit })
    }

    fn rows(self: Arc<Self>) -> BoxStream<'static, Result<SegmentBatch>> {
        match self.limit {
            Some(0) => stream::empty().boxed(),
            _ if self.order.is_empty() => self.in_storage_order().boxed(),
            _ => self.in_order().boxed(),
        }
    }

    fn in_storage_order(self: Arc<Self>) -> impl Stream<Item = Result<SegmentBatch>> + Send {
        let limit = self.limit.unwrap_or(usize::MAX);
        let window = self.request.window();
        let scan = Arc::clone(&self);
        let read = move |unit: Result<Unit>| {
            let scan = Arc::clone(&scan);
            async move { scan.read(unit?, limit).await }
        };
        let units = until_certain(Arc::clone(&self.request).units(), limit);
        let batches = units.map(read).buffered(window).map_ok(|(unit, batches)| {
            let segment = unit.file.segment;
            stream::iter(batches).map(move |rows| Ok(SegmentBatch { segment, rows }))
        });
        let projected =
            batches.try_flatten().and_then(move |batch| ready(self.project(batch.rows, batch.segment)));
        up_to(projected, limit)
    }

    fn in_order(self: Arc<Self>) -> impl Stream<Item = Result<SegmentBatch>> + Send {
        let window = self.request.window();
        let (scan, sorting) = (Arc::clone(&self), Arc::clone(&self));
        let read = move |unit: Result<Unit>| {
            let scan = Arc::clone(&scan);
            async move { scan.read_sorted(unit?).await }
        };
        let units = Arc::clone(&self.request).units().map(read).buffered(window);
        let segments = collect_segments(units);
        segments
            .and_then(move |(segment, runs)| {
                let scan = Arc::clone(&sorting);
                async move { scan.sort(segment, runs).await }
            })
            .map_ok(|batches| stream::iter(batches).map(Ok))
            .try_flatten()
    }

    async fn read(&self, unit: Unit, limit: usize) -> Result<(Unit, Vec<RecordBatch>)> {
        let Some(group) = unit.group else {
            unit.file.check_present().await?;
            return Ok((unit, Vec::new()));
        };
        let batches = read_group(&self.request.shared, &self.wanted, &unit.file, group, limit).await?;
        Ok((unit, batches))
    }

    /// The rows of one row group; with a limit only those that can be among the first of the segment, sorted.
    async fn read_sorted(&self, unit: Unit) -> Result<(Unit, Vec<RecordBatch>)> {
        let (unit, batches) = self.read(unit, usize::MAX).await?;
        let Some(limit) = self.limit else { return Ok((unit, batches)) };
        let (ids, order) = (self.ids.clone(), self.order.clone());
        let job = move || first_of_group(&ids, &order, &batches, limit);
        let batches = (*self.request.shared.world.executor).blocking(job).await?;
        Ok((unit, batches))
    }

    async fn sort(&self, segment: usize, runs: Vec<RecordBatch>) -> Result<Vec<SegmentBatch>> {
        let (ids, order, limit) = (self.ids.clone(), self.order.clone(), self.limit);
        let batch_rows = self.wanted.batch_rows;
        let job = move || sort_segment(&ids, &order, &runs, limit, batch_rows);
        let sorted = (*self.request.shared.world.executor).blocking(job).await?;
        sorted.into_iter().map(|batch| self.project(batch, segment)).collect()
    }

    /// The projected columns, in the projection's order.
    fn project(&self, wanted: RecordBatch, segment: usize) -> Result<SegmentBatch> {
        let columns = self.projection.iter().filter_map(|at| wanted.columns().get(*at).cloned()).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(wanted.num_rows()));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.output), columns, &options)?;
        Ok(SegmentBatch { segment, rows })
    }
}

fn positions(schema: &TableSchema, ids: &[ColumnId]) -> Result<Vec<usize>> {
    let position = |id: &ColumnId| {
        schema
            .index_of(*id)
            .ok_or_else(|| Error::invalid_input("request names an unknown column").with("column", id))
    };
    ids.iter().map(position).collect()
}

/// The units until enough rows are certain, so that no row group is fetched in vain for a limit.
fn until_certain(
    units: impl Stream<Item = Result<Unit>> + Send,
    limit: usize,
) -> impl Stream<Item = Result<Unit>> + Send {
    units.scan(0usize, move |certain, unit| {
        if *certain >= limit {
            return ready(None);
        }
        if let Ok(Unit { group: Some(group), .. }) = &unit
            && group.all_match
        {
            *certain = certain.saturating_add(group.rows);
        }
        ready(Some(unit))
    })
}

/// The first `limit` rows of a stream; it is dropped with the last one.
fn up_to(
    batches: impl Stream<Item = Result<SegmentBatch>> + Send + 'static,
    limit: usize,
) -> impl Stream<Item = Result<SegmentBatch>> + Send {
    stream::try_unfold((batches.boxed(), limit), |(mut batches, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let Some(mut batch) = batches.try_next().await? else { return Ok(None) };
        if batch.rows.num_rows() > left {
            batch.rows = batch.rows.slice(0, left);
        }
        let left = left - batch.rows.num_rows();
        let rest = if left == 0 { stream::empty().boxed() } else { batches };
        Ok(Some((batch, (rest, left))))
    })
}

/// Gathers the batches of each segment.
fn collect_segments(
    units: impl Stream<Item = Result<(Unit, Vec<RecordBatch>)>> + Send + 'static,
) -> impl Stream<Item = Result<(usize, Vec<RecordBatch>)>> + Send {
    stream::try_unfold(units.boxed(), |mut units| async move {
        let mut gathered = Vec::new();
        while let Some((unit, batches)) = units.try_next().await? {
            gathered.extend(batches);
            if unit.last_of_file {
                return Ok(Some(((unit.file.segment, gathered), units)));
            }
        }
        Ok(None)
    })
}
