//! Devices that do what a test asks of them: appear, fail to be built, run full, and get lost.
//!
//! A plugin is made of functions, so what a test asks for is kept beside them, by plugin id and thread: a simulated machine
//! runs everything on the thread of its test.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{self, BoxStream, StreamExt};
use serde_json::{Value as Json, json};
use tsds_engine::builtin_registry;
use tsds_engine::traits::{
    AggregateRequest, BuildContext, Clock, Error, ErrorKind, Factory, Plugin, Presence, Put, Registry,
    Result, ScanRequest, SegmentBatch, SegmentHandle, SegmentId, SegmentSource, StoredSegment, Tier,
    TierCapabilities, TierUsage,
};

use crate::support;

pub const CUDA: &str = "tsds.warm.cuda";
pub const WGPU: &str = "tsds.warm.wgpu";
pub const OTHER: &str = "test.device";
/// Scans of queries ask for batches of this size, those of the engine itself do not.
pub const QUERY_BATCH_ROWS: usize = 7;

/// What becomes of a build.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Build {
    #[default]
    Works,
    Fails,
    Panics,
    Hangs,
}

/// What loses the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    AtScan,
    /// After the first batch.
    InScan,
    AtAggregate,
    AtPut,
    AtRemove,
}

/// One device, and what happened to it.
#[derive(Clone, Debug)]
pub struct Device {
    /// What the probe says; `None` panics.
    pub presence: Option<Presence>,
    pub build: Build,
    /// What loses it next.
    pub loss: Option<Loss>,
    /// Whether it is lost again each time that it has a segment.
    pub always: bool,
    pub scans_hang: bool,
    /// How long a put takes.
    pub put_seconds: u64,
    pub close_hangs: bool,
    pub min_rows: u64,
    /// What it says it may hold.
    pub limit_bytes: Option<u64>,
    /// What it has room for.
    pub room: u64,
    /// Why it declines every segment, if it does.
    pub declines: Option<String>,
    pub probes: u32,
    /// The settings of each build.
    pub builds: Vec<Json>,
    /// What was offered, in order.
    pub puts: Vec<SegmentId>,
    /// Scans and aggregates of queries.
    pub queries: u32,
    pub closes: u32,
    /// Tiers that are not dropped yet.
    pub alive: u32,
    /// What the last tier holds: bytes and the last time.
    pub held: BTreeMap<SegmentId, (u64, i64)>,
}

thread_local! {
    static DEVICES: RefCell<BTreeMap<&'static str, Device>> = const { RefCell::new(BTreeMap::new()) };
}

/// Looks at a device, or changes it.
pub fn device<T>(id: &'static str, look: impl FnOnce(&mut Device) -> T) -> T {
    DEVICES.with_borrow_mut(|devices| look(devices.entry(id).or_insert_with(present)))
}

fn present() -> Device {
    Device {
        presence: Some(Presence::Present("GPU".into())),
        build: Build::Works,
        loss: None,
        always: false,
        scans_hang: false,
        put_seconds: 0,
        close_hangs: false,
        min_rows: 0,
        limit_bytes: Some(1 << 30),
        room: u64::MAX,
        declines: None,
        probes: 0,
        builds: Vec::new(),
        puts: Vec::new(),
        queries: 0,
        closes: 0,
        alive: 0,
        held: BTreeMap::new(),
    }
}

/// What ships, but for devices, and these fake ones.
pub fn registry(ids: &[&'static str]) -> Registry {
    DEVICES.take();
    let mut registry = Registry::new();
    for plugin in support::registry().plugins().filter(|plugin| ![CUDA, WGPU].contains(&plugin.id)) {
        registry.register(*plugin).unwrap();
    }
    for id in ids {
        registry.register(plugin(id)).unwrap();
    }
    registry
}

fn plugin(id: &'static str) -> Plugin {
    let (build, probe): (tsds_engine::traits::TierFactory, fn() -> Presence) = match id {
        CUDA => (|s, c| build(CUDA, s, c), || probe(CUDA)),
        WGPU => (|s, c| build(WGPU, s, c), || probe(WGPU)),
        _ => (|s, c| build(OTHER, s, c), || probe(OTHER)),
    };
    Plugin { id, crate_version: "0", format_version: 1, reads_from: 1, factory: Factory::Tier(build), probe }
}

fn probe(id: &'static str) -> Presence {
    let presence = device(id, |device| {
        device.probes += 1;
        device.presence.clone()
    });
    presence.expect("the driver is broken")
}

fn build(
    id: &'static str,
    settings: Json,
    context: BuildContext,
) -> BoxFuture<'static, Result<Arc<dyn Tier>>> {
    async move {
        let (build, min_rows) = device(id, |device| {
            device.builds.push(settings);
            (device.build, device.min_rows)
        });
        match build {
            Build::Works => {}
            Build::Fails => return Err(Error::new(ErrorKind::Unavailable, "the driver refuses")),
            Build::Panics => panic!("the driver crashes"),
            Build::Hangs => futures::future::pending::<()>().await,
        }
        let clock = Arc::clone(&context.world.clock);
        let inner =
            builtin_registry()?.tier("tsds.warm.cpu", json!({ "max_memory_mb": 256 }), context).await?;
        let capabilities = inner.capabilities().clone().with_device("GPU").with_min_rows(min_rows);
        device(id, |device| {
            device.alive += 1;
            device.held.clear();
        });
        let tier =
            FakeTier { id, inner, clock, capabilities, lost: AtomicBool::new(false), held: Mutex::default() };
        Ok(Arc::new(tier) as Arc<dyn Tier>)
    }
    .boxed()
}

#[derive(Debug)]
struct FakeTier {
    id: &'static str,
    inner: Arc<dyn Tier>,
    clock: Arc<dyn Clock>,
    capabilities: TierCapabilities,
    lost: AtomicBool,
    held: Mutex<BTreeMap<SegmentId, (u64, i64)>>,
}

impl Drop for FakeTier {
    fn drop(&mut self) {
        device(self.id, |device| device.alive -= 1);
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::DeviceLost, "the bus fell off")
}

impl FakeTier {
    /// Fails if the device is lost, or is lost by this.
    fn check(&self, what: Loss) -> Result<()> {
        let strikes = device(self.id, |device| {
            let strikes = device.loss == Some(what);
            if strikes && !device.always {
                device.loss = None;
            }
            strikes
        });
        if strikes {
            self.lose();
        }
        if self.lost.load(Ordering::SeqCst) { Err(gone()) } else { Ok(()) }
    }

    fn lose(&self) {
        self.lost.store(true, Ordering::SeqCst);
    }

    fn has(&self, segments: &[SegmentHandle]) -> Result<()> {
        let held = self.held.lock().unwrap();
        match segments.iter().find(|segment| !held.contains_key(&segment.meta.id)) {
            Some(absent) => Err(Error::new(ErrorKind::NotFound, "absent").with("segment", absent.meta.id)),
            None => Ok(()),
        }
    }

    fn tell(&self) {
        let held = self.held.lock().unwrap().clone();
        device(self.id, |device| device.held = held);
    }
}

fn failed<T: Send + 'static>(error: Error) -> BoxStream<'static, Result<T>> {
    stream::once(futures::future::ready(Err(error))).boxed()
}

#[async_trait]
impl Tier for FakeTier {
    fn name(&self) -> &'static str {
        self.id
    }

    fn capabilities(&self) -> &TierCapabilities {
        &self.capabilities
    }

    async fn put(&self, source: Arc<dyn SegmentSource>) -> Result<Put> {
        let meta = Arc::clone(source.meta());
        let (room, seconds) = device(self.id, |device| {
            device.puts.push(meta.id);
            (device.room, device.put_seconds)
        });
        self.clock.sleep(Duration::from_secs(seconds)).await;
        self.check(Loss::AtPut)?;
        if let Some(reason) = device(self.id, |device| device.declines.clone()) {
            return Ok(Put::Declined(reason));
        }
        let put = self.inner.put(source).await?;
        let Put::Stored(stored) = &put else { return Ok(put) };
        let used: u64 = self.held.lock().unwrap().values().map(|(bytes, _)| bytes).sum();
        if used + stored.bytes > room {
            self.inner.remove(&[StoredSegment { id: meta.id, record: bytes::Bytes::new() }]).await?;
            return Err(Error::new(ErrorKind::NoSpace, "no slab is free"));
        }
        self.held.lock().unwrap().insert(meta.id, (stored.bytes, meta.time_range.1));
        self.tell();
        Ok(put)
    }

    fn scan(self: Arc<Self>, request: ScanRequest) -> BoxStream<'static, Result<SegmentBatch>> {
        let of_query = request.batch_rows == QUERY_BATCH_ROWS;
        if of_query {
            device(self.id, |device| device.queries += 1);
        }
        if let Err(error) = self.has(&request.segments) {
            return failed(error);
        }
        if !of_query {
            return Arc::clone(&self.inner).scan(request);
        }
        if device(self.id, |device| device.scans_hang) {
            return stream::pending().boxed();
        }
        if let Err(error) = self.check(Loss::AtScan) {
            return failed(error);
        }
        let rows = Arc::clone(&self.inner).scan(request);
        if let Err(error) = self.check(Loss::InScan) {
            return rows.take(1).chain(failed(error)).boxed();
        }
        rows
    }

    fn aggregate(
        self: Arc<Self>,
        request: AggregateRequest,
    ) -> BoxStream<'static, Result<arrow_array::RecordBatch>> {
        device(self.id, |device| device.queries += 1);
        match self.has(&request.segments).and_then(|()| self.check(Loss::AtAggregate)) {
            Ok(()) => Arc::clone(&self.inner).aggregate(request),
            Err(error) => failed(error),
        }
    }

    async fn remove(&self, segments: &[StoredSegment]) -> Result<()> {
        self.check(Loss::AtRemove)?;
        self.inner.remove(segments).await?;
        for segment in segments {
            self.held.lock().unwrap().remove(&segment.id);
        }
        self.tell();
        Ok(())
    }

    async fn list(&self) -> Result<Vec<StoredSegment>> {
        self.inner.list().await
    }

    fn usage(&self) -> TierUsage {
        TierUsage { limit_bytes: device(self.id, |device| device.limit_bytes), ..self.inner.usage() }
    }

    async fn close(&self) -> Result<()> {
        let hangs = device(self.id, |device| {
            device.closes += 1;
            device.close_hangs
        });
        if hangs {
            futures::future::pending::<()>().await;
        }
        self.inner.close().await
    }
}
