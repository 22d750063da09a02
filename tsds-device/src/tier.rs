//! [`DeviceTier`].

use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use tsds_traits::{
    AggregateRequest, Durability, Error, ErrorKind, Put, Result, ScanRequest, SegmentBatch, SegmentHandle,
    SegmentSource, StoredSegment, Tier, TierCapabilities, TierUsage, World,
};

use crate::arena::Arena;
use crate::busy::Busy;
use crate::device::{Device, Launch, PARAMS, Step, Work};
use crate::kernel::{GROUP_THREADS, Kernel};
use crate::load::{PartLimits, load};
use crate::query::{Aggregation, Context, Scan};
use crate::residency::{Answer, Begin, Putting, Shelf, Stop};
use crate::segment::DeviceSegment;
use crate::wave::Scratch;

/// The largest slab. Devices address more; smaller ones waste less of a limit that is no multiple of them.
const MAX_SLAB_BYTES: u64 = 256 << 20;
/// The largest part of a segment.
const MAX_PART_BYTES: u64 = 64 << 20;
/// The most memory for what queries compute.
const MAX_SCRATCH_BYTES: u64 = 1 << 30;
/// What the CPU tier filters of segment files in a second on one core, roughly: `docs/perf/cpu.md`.
const FILE_ROWS_PER_SECOND: f64 = 2e8;
/// How often the time of a round trip is measured.
const ROUND_TRIPS: usize = 5;
/// How many rows a wave has at most.
const WAVE_ROWS: u64 = 8 << 20;

/// How much memory a tier takes, and what of it is for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Budget {
    slab_bytes: u64,
    slabs: usize,
    part_bytes: u64,
    scratch_bytes: u64,
}

impl Budget {
    /// Shares a limit between segments and what queries compute: a quarter for the latter.
    fn new(limit: u64, max_buffer_bytes: u64) -> Self {
        let scratch_bytes = (limit / 4).min(MAX_SCRATCH_BYTES);
        let for_segments = limit - scratch_bytes;
        // At least four slabs, so that a slab that is nearly full costs little.
        let slab_bytes = (for_segments / 4).clamp(1 << 16, MAX_SLAB_BYTES).min(max_buffer_bytes);
        let slabs = usize::try_from(for_segments / slab_bytes).unwrap_or(usize::MAX);
        let part_bytes = MAX_PART_BYTES.min(slab_bytes);
        Self { slab_bytes, slabs, part_bytes, scratch_bytes }
    }

    fn segment_bytes(&self) -> u64 {
        self.slab_bytes * self.slabs as u64
    }
}

/// A warm tier in the memory of a device.
///
/// It serves what was [put](Tier::put), and nothing else: its hold on a segment is volatile. All memory that it takes on the
/// device stays below a limit, a quarter of which is for what queries compute; texts, decimals of more than 64 bits and payload stay on the
/// host and count against the limit as well. A put beyond it fails with `NoSpace`, and nothing is evicted but by [`Tier::remove`].
#[derive(Debug)]
pub struct DeviceTier<D: Device> {
    name: &'static str,
    capabilities: TierCapabilities,
    pub(crate) context: Arc<Context<D>>,
    arena: Arc<Arena<D>>,
    pub(crate) shelf: Arc<Shelf<DeviceSegment<D>>>,
    budget: Budget,
}

impl<D: Device> DeviceTier<D> {
    /// As [`DeviceTier::new`], and says in its capabilities from how many rows on it is worth asking: it measures how long
    /// a device that has nearly nothing to do takes to answer. A software device does what it is asked: whoever named one
    /// wants it.
    ///
    /// # Errors
    ///
    /// `DeviceLost`; what else the device says.
    pub async fn open(name: &'static str, world: World, device: D, limit_bytes: u64) -> Result<Arc<Self>> {
        let min_rows = match device.info().software {
            true => 0,
            false => (round_trip(&world, &device).await?.as_secs_f64() * FILE_ROWS_PER_SECOND) as u64,
        };
        Ok(Self::with_min_rows(name, world, device, limit_bytes, min_rows))
    }

    /// The tier `name` on a device, with nothing on it.
    pub fn new(name: &'static str, world: World, device: D, limit_bytes: u64) -> Arc<Self> {
        Self::with_min_rows(name, world, device, limit_bytes, 0)
    }

    fn with_min_rows(
        name: &'static str,
        world: World,
        device: D,
        limit_bytes: u64,
        min_rows: u64,
    ) -> Arc<Self> {
        let device = Arc::new(device);
        let budget = Budget::new(limit_bytes, device.info().max_buffer_bytes);
        let capabilities = TierCapabilities::new(Durability::Volatile)
            .with_all_pushdown()
            .with_max_segment_bytes(budget.segment_bytes())
            .with_min_rows(min_rows)
            .with_device(device.info().name.clone());
        let context = Context {
            busy: Busy::new(Arc::clone(&world.clock)),
            world,
            device: Arc::clone(&device),
            scratch: Scratch::new(budget.scratch_bytes),
            wave_rows: WAVE_ROWS,
        };
        Arc::new(Self {
            name,
            capabilities,
            context: Arc::new(context),
            arena: Arena::new(device, budget.slab_bytes, budget.slabs),
            shelf: Shelf::new(name, Some(budget.segment_bytes())),
            budget,
        })
    }

    /// The device.
    pub fn device(&self) -> &D {
        &self.context.device
    }

    /// How much memory of the device is reserved for segments.
    pub fn reserved_bytes(&self) -> u64 {
        self.arena.reserved_bytes()
    }

    /// # Errors
    ///
    /// `Closed`; `DeviceLost`.
    fn check(&self) -> Result<()> {
        self.shelf.check_open()?;
        match self.context.device.is_lost() {
            true => Err(Error::new(ErrorKind::DeviceLost, "the device is lost")
                .with("device", &self.context.device.info().name)
                .in_plugin(self.name)),
            false => Ok(()),
        }
    }

    /// Why the segment can never be held.
    fn refusal(&self, source: &dyn SegmentSource) -> Option<String> {
        let (needed, limit) = (source.meta().plain_bytes, self.budget.segment_bytes());
        (needed > limit)
            .then(|| format!("segment is larger than the tier: bytes={needed} limit_bytes={limit}"))
    }

    async fn put_new(
        &self,
        source: &dyn SegmentSource,
        mut putting: Putting<DeviceSegment<D>>,
    ) -> Result<Put> {
        let Context { world, device, .. } = &*self.context;
        let Budget { part_bytes: bytes, scratch_bytes, .. } = self.budget;
        let limits = PartLimits { bytes, scratch_bytes };
        match load(world, device, &self.arena, limits, source, &mut putting).await {
            Ok(segment) => putting.finish(segment).map(Put::Stored),
            Err(error) if error.kind() == ErrorKind::Unsupported => Ok(Put::Declined(error.to_string())),
            Err(error) => Err(error),
        }
    }

    /// The segments of a request, held from now on.
    fn held(&self, segments: &[SegmentHandle]) -> Result<Vec<Arc<DeviceSegment<D>>>> {
        let held = segments.iter().map(|handle| {
            self.shelf.get(handle.meta.id).ok_or_else(|| {
                Error::new(ErrorKind::NotFound, "segment is not on the device")
                    .with("segment", handle.meta.id)
            })
        });
        held.collect()
    }

    /// At the first poll.
    fn begin_scan(
        &self,
        request: &ScanRequest,
        stop: Arc<Stop>,
    ) -> Result<BoxStream<'static, Result<SegmentBatch>>> {
        self.check()?;
        Scan::run(Arc::clone(&self.context), request, || self.held(&request.segments), stop)
    }

    /// At the first poll.
    fn begin_aggregate(
        &self,
        request: &AggregateRequest,
        stop: Arc<Stop>,
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        self.check()?;
        Aggregation::run(Arc::clone(&self.context), request, || self.held(&request.segments), stop)
    }
}

/// The shortest of a few times from a request to its answer, where the device has nothing to do.
async fn round_trip<D: Device>(world: &World, device: &D) -> Result<Duration> {
    let out = Arc::new(device.allocate(u64::from(GROUP_THREADS) * 4).await?);
    let mut shortest = Duration::MAX;
    for _ in 0..ROUND_TRIPS {
        let mut params = [0; PARAMS];
        params.iter_mut().zip([1, 0, 0, 0, 0, 0, GROUP_THREADS]).for_each(|(slot, value)| *slot = value);
        let launch = Launch { kernel: Kernel::Health, buffers: vec![Arc::clone(&out)], params };
        let reads = vec![(Arc::clone(&out), 0..u64::from(GROUP_THREADS) * 4)];
        let start = world.clock.monotonic();
        device.run(Work::new(vec![Step::Launch(launch)], reads)).await?;
        shortest = shortest.min(world.clock.monotonic().saturating_sub(start));
    }
    Ok(shortest)
}

#[async_trait]
impl<D: Device> Tier for DeviceTier<D> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn capabilities(&self) -> &TierCapabilities {
        &self.capabilities
    }

    async fn put(&self, source: Arc<dyn SegmentSource>) -> Result<Put> {
        let tag = |error: Error| error.in_plugin(self.name).during("put");
        let id = source.meta().id;
        source.meta().validate().map_err(tag)?;
        self.check().map_err(tag)?;
        let begin = self.shelf.begin(id).await.map_err(tag)?;
        // The device may have been lost while another put was waited for.
        self.check().map_err(tag)?;
        match begin {
            Begin::Present(stored) => Ok(Put::Stored(stored)),
            Begin::Mine(putting) => match self.refusal(&*source) {
                Some(reason) => Ok(Put::Declined(reason)),
                None => self.put_new(&*source, putting).await.map_err(tag),
            },
        }
    }

    fn scan(self: Arc<Self>, request: ScanRequest) -> BoxStream<'static, Result<SegmentBatch>> {
        let stop = self.shelf.stop();
        let begun = Arc::clone(&stop);
        let rows = stream::once(async move { self.begin_scan(&request, begun) }).try_flatten();
        Answer::new(rows.boxed(), stop, "scan").boxed()
    }

    fn aggregate(self: Arc<Self>, request: AggregateRequest) -> BoxStream<'static, Result<RecordBatch>> {
        let stop = self.shelf.stop();
        let begun = Arc::clone(&stop);
        let states = stream::once(async move { self.begin_aggregate(&request, begun) }).try_flatten();
        Answer::new(states.boxed(), stop, "aggregate").boxed()
    }

    async fn remove(&self, segments: &[StoredSegment]) -> Result<()> {
        self.check()?;
        self.shelf.remove(segments.iter().map(|segment| segment.id));
        Ok(())
    }

    async fn list(&self) -> Result<Vec<StoredSegment>> {
        self.shelf.check_open()?;
        if self.context.device.is_lost() {
            return Ok(Vec::new());
        }
        Ok(self.shelf.list())
    }

    fn usage(&self) -> TierUsage {
        let usage = TierUsage { busy: Some(self.context.busy.total()), ..self.shelf.usage() };
        match self.context.device.is_lost() {
            true => TierUsage { limit_bytes: usage.limit_bytes, busy: usage.busy, ..TierUsage::default() },
            false => usage,
        }
    }

    async fn close(&self) -> Result<()> {
        self.shelf.close();
        self.arena.close();
        Ok(())
    }
}
