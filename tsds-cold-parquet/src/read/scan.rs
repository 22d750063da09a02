//! Scans: rows of many segments, in storage order or sorted segment by segment.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::RecordBatch;
use futures::future::ready;
use futures::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};
use tsds_compute::SegmentScan;
use tsds_traits::{Error, Result, ScanRequest, SegmentBatch};

use super::group::{ColumnSet, Filter};
use super::matching::{Wanted, matching_rows};
use super::units::{Request, Room, Unit};
use crate::tier::Shared;

/// The rows that `request` asks for. No I/O before the first poll.
pub(crate) fn scan(shared: Arc<Shared>, request: ScanRequest) -> BoxStream<'static, Result<SegmentBatch>> {
    let planned = stream::once(ready(Scan::plan(shared, request)));
    planned.map_ok(Scan::rows).try_flatten().boxed()
}

/// A checked request.
#[derive(Debug)]
struct Scan {
    request: Arc<Request>,
    wanted: Arc<Wanted>,
    /// Turns rows into the batches that were asked for.
    assembly: SegmentScan,
    /// The segment whose remaining rows cannot change the answer.
    settled: Arc<AtomicUsize>,
}

impl Scan {
    fn plan(shared: Arc<Shared>, request: ScanRequest) -> Result<Self> {
        let assembly = SegmentScan::new(&request)?;
        let ScanRequest { schema, segments, projection, order, limit, meter, batch_bytes, .. } = request;
        let ordered = order.iter().map(|key| key.column);
        let columns = ColumnSet::new(&schema, projection.into_iter().chain(ordered))?;
        let filter =
            assembly.predicate().map(|predicate| Filter::new(predicate.clone(), &schema)).transpose()?;
        let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let wanted = Wanted { columns: columns.clone(), filter: filter.clone(), order, limit };
        let read = filter.iter().flat_map(|filter| filter.columns.ids.iter());
        let read = columns.ids.iter().chain(read).copied().collect();
        let room = Some(Room::new(read, batch_bytes));
        let request = Arc::new(Request { shared, schema, segments, filter, meter, room });
        Ok(Self {
            request,
            wanted: Arc::new(wanted),
            assembly,
            settled: Arc::new(AtomicUsize::new(usize::MAX)),
        })
    }

    fn rows(self) -> BoxStream<'static, Result<SegmentBatch>> {
        let Self { request, wanted, assembly, settled } = self;
        if assembly.is_done() {
            return stream::empty().boxed();
        }
        let window = request.window();
        let certain = if wanted.order.is_empty() { wanted.limit } else { usize::MAX };
        let units = until_certain(Arc::clone(&request).units(), certain);
        let reading = (Arc::clone(&wanted), Arc::clone(&settled));
        let groups = units
            .map(move |unit| {
                let (wanted, settled) = (Arc::clone(&reading.0), Arc::clone(&reading.1));
                async move { read(unit?, &wanted, &settled).await }
            })
            .buffered(window);
        let state = Assembling { groups: groups.boxed(), assembly, request, wanted, settled };
        stream::try_unfold(Some(state), |state| async move {
            match state {
                Some(state) => state.next().await,
                None => Ok(None),
            }
        })
        .map_ok(|batches| stream::iter(batches).map(Ok))
        .try_flatten()
        .boxed()
    }
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
            *certain = certain.saturating_add(group.span_rows());
        }
        ready(Some(unit))
    })
}

async fn read(unit: Unit, wanted: &Wanted, settled: &AtomicUsize) -> Result<(Unit, Vec<RecordBatch>)> {
    let segment = unit.file.segment;
    let batches = match unit.reader() {
        None => {
            unit.file.check_present().await?;
            Vec::new()
        }
        Some(_) if settled.load(Ordering::Acquire) == segment => Vec::new(),
        Some(reader) => {
            matching_rows(&reader, wanted).await.map_err(|error| error.with("segment", unit.file.meta.id))?
        }
    };
    Ok((unit, batches))
}

/// Row groups on their way into batches.
struct Assembling {
    groups: BoxStream<'static, Result<(Unit, Vec<RecordBatch>)>>,
    assembly: SegmentScan,
    request: Arc<Request>,
    wanted: Arc<Wanted>,
    settled: Arc<AtomicUsize>,
}

impl Assembling {
    /// The batches of the next row group, and what is left; `None` when the request is answered.
    async fn next(mut self) -> Result<Option<(Vec<SegmentBatch>, Option<Self>)>> {
        let Some((unit, batches)) = self.groups.try_next().await? else { return Ok(None) };
        if self.assembly.segment() != unit.file.segment {
            return Err(Error::internal("segments came out of turn").with("segment", unit.file.meta.id));
        }
        let (mut assembly, wanted) = (self.assembly, Arc::clone(&self.wanted));
        let last = unit.last_of_file;
        let job = move || {
            let mut ready = Vec::new();
            for batch in &batches {
                ready.extend(assembly.push_matching(&wanted.columns.ids, batch, None)?);
            }
            if last {
                ready.extend(assembly.finish_segment()?);
            }
            Ok((assembly, ready))
        };
        let (assembly, ready) = (*self.request.shared.world.executor).blocking(job).await?;
        self.assembly = assembly;
        if !last && !self.assembly.needs_rows() {
            self.settled.store(unit.file.segment, Ordering::Release);
        }
        let rest = (!self.assembly.is_done()).then_some(self);
        Ok(Some((ready, rest)))
    }
}
