//! Scans: waves filter and sort on the device; the host joins what they found and cuts it into batches.

use std::sync::Arc;

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use tsds_compute::{SegmentScan, is_storage_order};
use tsds_traits::{ColumnId, Error, Result, ScanRequest, SegmentBatch, SortKey};

use super::{Context, PlannedWave, Reading};
use crate::device::Device;
use crate::request::{check_segments, distinct};
use crate::residency::Stop;
use crate::segment::DeviceSegment;
use crate::wave::{PartRows, Rows, Wave, WavePart};

/// Fewer rows are sorted by the host, in less time than it takes to ask.
const SORTED_ROWS: u64 = 1 << 10;

/// A scan under way.
#[derive(Debug)]
pub(crate) struct Scan<D: Device> {
    reading: Reading<D>,
    /// The columns of projection and order.
    fetched: Vec<ColumnId>,
    order: Vec<SortKey>,
    limit: Option<u64>,
}

impl<D: Device> Scan<D> {
    /// Answers a request over segments, which are those of the request in its order.
    ///
    /// # Errors
    ///
    /// `InvalidInput`; `Unsupported` for a predicate that is not known.
    pub(crate) fn run(
        context: Arc<Context<D>>,
        request: &ScanRequest,
        segments: impl FnOnce() -> Result<Vec<Arc<DeviceSegment<D>>>>,
        stop: Arc<Stop>,
    ) -> Result<BoxStream<'static, Result<SegmentBatch>>> {
        check_segments(&request.schema, &request.segments)?;
        let rows = SegmentScan::new(request)?;
        let keys = request.order.iter().map(|key| key.column);
        let fetched = distinct(request.projection.iter().copied().chain(keys));
        let reading = Reading::new(
            context,
            &request.schema,
            request.predicate.as_ref(),
            (fetched.clone(), fetched.clone()),
            segments,
            stop,
            &request.meter,
        )?;
        let scan = Arc::new(Self { reading, fetched, order: request.order.clone(), limit: request.limit });
        let waves = scan.reading.waves();
        let worker = Arc::clone(&scan);
        // One after the other: a wave that nobody polls would hold what others wait for.
        let found = stream::iter(waves)
            .then(move |wave| Arc::clone(&worker).find(wave))
            .map_ok(Some)
            .chain(stream::once(async { Ok(None) }));
        Ok(batches(scan, found.boxed(), rows))
    }

    /// The rows of a wave that can be part of the answer, by segment and part.
    async fn find(self: Arc<Self>, planned: PlannedWave<D>) -> Result<Vec<PartRows>> {
        let wave = self.reading.begin(planned).await?;
        let rows = wave.matching(self.reading.predicate.as_ref()).await?;
        let rows = match (self.limit, self.order.first()) {
            (Some(limit), Some(key)) => wave.first_by(rows, *key, limit).await?,
            (Some(limit), None) => first_rows(&wave, rows, limit),
            (None, _) => rows,
        };
        // The host puts what is in order already in order, at the cost of looking: it joins the parts of a segment.
        let rows = match rows.count() >= SORTED_ROWS && !self.is_stored(&wave) {
            true => wave.sorted(rows, &self.order, self.limit).await?,
            false => rows,
        };
        let mut found = wave.gather(rows, &self.fetched).await?;
        found.sort_by_key(|part| (part.position, part.index));
        Ok(found)
    }

    /// Whether the rows of every part come in order as they are stored.
    fn is_stored(&self, wave: &Wave<D>) -> bool {
        let stored = |one: &WavePart<D>| {
            is_storage_order(&self.order, &self.reading.schema, one.segment.meta.series == 1)
        };
        wave.parts.iter().all(stored)
    }

    /// Takes in what a wave found; `None` after the last one.
    fn take_in(&self, rows: &mut SegmentScan, found: Option<Vec<PartRows>>) -> Result<Vec<SegmentBatch>> {
        let mut batches = Vec::new();
        let is_last = found.is_none();
        for part in found.into_iter().flatten() {
            while rows.segment() < part.position {
                batches.extend(rows.finish_segment()?);
            }
            batches.extend(rows.push_matching(&self.fetched, &part.rows, None)?);
        }
        while is_last && rows.segment() < self.reading.segments.len() {
            batches.extend(rows.finish_segment()?);
        }
        Ok(batches)
    }
}

/// The first rows in request order; no more of them can be part of the answer.
fn first_rows<D: Device>(wave: &Wave<D>, mut rows: Rows<D>, limit: u64) -> Rows<D> {
    let mut in_order: Vec<usize> = (0..wave.parts.len()).collect();
    in_order.sort_by_key(|at| wave.parts.get(*at).map(|part| (part.position, part.index)));
    let mut left = limit;
    for at in in_order {
        if let Some((_, items)) = rows.items.get_mut(at) {
            *items = u32::try_from(left).unwrap_or(u32::MAX).min(*items);
            left -= u64::from(*items);
        }
    }
    rows
}

/// What is left to do of a scan: waves that are to be taken in, and what rows of them still can change the answer.
type Pending = (BoxStream<'static, Result<Option<Vec<PartRows>>>>, SegmentScan);

/// Turns what waves found into batches.
fn batches<D: Device>(
    scan: Arc<Scan<D>>,
    found: BoxStream<'static, Result<Option<Vec<PartRows>>>>,
    rows: SegmentScan,
) -> BoxStream<'static, Result<SegmentBatch>> {
    let batches = stream::try_unfold((found, rows), move |(mut found, mut rows): Pending| {
        let scan = Arc::clone(&scan);
        async move {
            if rows.is_done() {
                return Ok::<_, Error>(None);
            }
            let Some(next) = found.try_next().await? else { return Ok(None) };
            let executor = Arc::clone(&scan.reading.context.world.executor);
            let job = move || {
                let batches = scan.take_in(&mut rows, next)?;
                Ok((rows, batches))
            };
            let (rows, batches) = (*executor).blocking(job).await?;
            Ok(Some((stream::iter(batches.into_iter().map(Ok)), (found, rows))))
        }
    });
    batches.try_flatten().boxed()
}
