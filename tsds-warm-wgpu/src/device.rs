//! [`WgpuDevice`].

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::{Either, select};
use tokio::sync::oneshot;
use tsds_device::kernel::GROUP_THREADS;
use tsds_device::{Device, DeviceInfo, Fault, Loss, Work, check_health, check_write};
use tsds_traits::{Error, ErrorKind, Result, World};

use crate::adapter::{self, AdapterSummary};
use crate::compiled::Compiled;
use crate::fault::scoped;
use crate::pipelines::{PARAM_BYTES, Pipelines};
use crate::settings::WgpuSettings;
use crate::watch::{Submitted, Watch};
use crate::work::{Plan, PlanLimits};

/// Buffers are a multiple of this, so that arrays of any of the kernels' elements begin in them.
const BUFFER_ALIGNMENT: u64 = 16;
/// Host memory that waits for being copied to the device is given back after the next submission: there is one at the latest
/// after so many bytes.
const WRITTEN_BYTES: u64 = 32 << 20;
/// Answers larger than this are copied out of mapped memory by a job of the executor.
const LARGE_READ: u64 = 1 << 20;
/// A GPU, through Vulkan.
///
/// Dropping it gives back all its memory once no work runs any more.
#[derive(Debug)]
pub struct WgpuDevice {
    open: Arc<Open>,
    world: World,
    info: DeviceInfo,
    limits: PlanLimits,
    /// Bytes that were written since the last submission.
    written: AtomicU64,
    /// The world of this handle is gone, and with it whoever could wait for the device; the device itself is not lost.
    gone: Arc<Loss>,
    watch: Arc<Watch>,
}

#[derive(Debug)]
struct Open {
    device: wgpu::Device,
    queue: wgpu::Queue,
    pipelines: Pipelines,
    loss: Arc<Loss>,
}

/// Memory of a [`WgpuDevice`].
#[derive(Debug)]
pub struct WgpuBuffer {
    buffer: wgpu::Buffer,
    bytes: u64,
}

impl WgpuBuffer {
    pub(crate) fn raw(&self) -> &wgpu::Buffer {
        &self.buffer
    }

    /// How many bytes were asked for.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl WgpuDevice {
    /// Opens the adapter that the settings ask for, compiles all kernels and checks that the device computes.
    ///
    /// # Errors
    ///
    /// `Unavailable` if there is no adapter that fits, or it cannot do what the kernels need; `ConfigInvalid` if none has the
    /// name that is set; `DeviceLost` or `Internal` if the driver fails; those of the executor.
    pub async fn open(settings: &WgpuSettings, world: &World) -> Result<Self> {
        let settings = settings.clone();
        let (open, adapter) = (*world.executor).blocking(move || Open::new(&settings)).await?;
        let limits = open.device.limits();
        let max_buffer_bytes = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        let info = DeviceInfo::new(adapter.name, adapter.driver, adapter.software, max_buffer_bytes);
        let limits = PlanLimits {
            params_stride: PARAM_BYTES
                .next_multiple_of(u64::from(limits.min_uniform_buffer_offset_alignment).max(1)),
            groups: limits.max_compute_workgroups_per_dimension,
            buffer_bytes: limits.max_buffer_size,
        };
        let device = Self::handle(Arc::new(open), world.clone(), info, limits);
        check_health(&device, GROUP_THREADS).await?;
        Ok(device)
    }

    fn handle(open: Arc<Open>, world: World, info: DeviceInfo, limits: PlanLimits) -> Self {
        let gone = Arc::new(Loss::new());
        let watch = Arc::new(Watch::new(open.device.clone(), Arc::clone(&open.loss), Arc::clone(&gone)));
        Self { open, world, info, limits, written: AtomicU64::new(0), gone, watch }
    }

    /// Another handle of the same device, which waits in another world. Its kernels are compiled already. Lost for one is lost
    /// for all, but for the end of a handle's world, which is the end of that handle only.
    #[must_use]
    pub fn share(&self, world: World) -> Self {
        Self::handle(Arc::clone(&self.open), world, self.info.clone(), self.limits)
    }

    /// Loses the device, for good: every call from now on gives [`Fault::Lost`] with this reason, and so do those under way.
    /// Its memory is given back.
    pub fn destroy(&self, reason: impl Into<String>) {
        self.open.loss.lose(reason);
        self.open.device.destroy();
    }

    /// Buffers of a work for its parameters and for what is read.
    fn buffers_for(&self, plan: &Plan) -> Result<(Option<wgpu::Buffer>, Option<wgpu::Buffer>), Fault> {
        let Open { device, loss, .. } = &*self.open;
        scoped(device, loss, || {
            let buffer = |size, usage| {
                let descriptor =
                    wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
                (size > 0).then(|| device.create_buffer(&descriptor))
            };
            let params =
                buffer(plan.params.len() as u64, wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST);
            let staging =
                buffer(plan.read_bytes, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
            (params, staging)
        })
    }
}

impl Open {
    /// Blocking.
    fn new(settings: &WgpuSettings) -> Result<(Self, AdapterSummary)> {
        let (adapter, summary) = adapter::open(settings)?;
        let limits = adapter.limits();
        check_limits(&limits).map_err(|error| error.with("device", &summary.name))?;
        let failed = |error: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Unavailable, "the device cannot be opened")
                .with("device", &summary.name)
                .with("reason", error)
        };
        let (device, queue) = adapter
            .request_device(&wgpu::DeviceDescriptor {
                label: Some("tsds"),
                required_features: Compiled::features(&adapter),
                required_limits: limits,
                ..wgpu::DeviceDescriptor::default()
            })
            .now_or_never()
            .ok_or_else(|| failed(&"no answer at once"))?
            .map_err(|error| failed(&error))?;
        let loss = Arc::new(Loss::new());
        let lost = Arc::clone(&loss);
        device.set_device_lost_callback(move |reason, message| lost.lose(format!("{reason:?}: {message}")));
        // Errors belong to scopes; one outside of them is of no call in particular.
        device.on_uncaptured_error(Arc::new(|error| {
            tracing::error!(%error, "a device reported an error that no call asked for");
        }));
        let pipelines = Pipelines::compile(&device, &adapter.get_info(), &loss)?;
        Ok((Self { device, queue, pipelines, loss }, summary))
    }
}

/// What the kernels need of any device; Vulkan promises nearly all of it.
fn check_limits(limits: &wgpu::Limits) -> Result<()> {
    let needs = [
        ("max_storage_buffers_per_shader_stage", limits.max_storage_buffers_per_shader_stage, 6),
        ("max_compute_invocations_per_workgroup", limits.max_compute_invocations_per_workgroup, 64),
        ("max_compute_workgroup_size_x", limits.max_compute_workgroup_size_x, 64),
        ("max_compute_workgroup_storage_size", limits.max_compute_workgroup_storage_size, 16 << 10),
        ("max_compute_workgroups_per_dimension", limits.max_compute_workgroups_per_dimension, 65_535),
        ("max_dynamic_uniform_buffers", limits.max_dynamic_uniform_buffers_per_pipeline_layout, 1),
    ];
    match needs.into_iter().find(|(_, has, need)| has < need) {
        None => Ok(()),
        Some((limit, has, need)) => Err(Error::new(
            ErrorKind::Unavailable,
            "the device is too small for the kernels: use another tier",
        )
        .with("limit", limit)
        .with("has", has)
        .with("needs", need)),
    }
}

/// A job of the executor failed, not the device: it panicked, or there is no executor any more. Either way this handle is of
/// no more use.
fn job_failed(gone: &Loss, error: &Error) -> Fault {
    gone.lose(error.to_string());
    gone.check().err().unwrap_or_else(|| Fault::Lost(error.to_string()))
}

#[async_trait]
impl Device for WgpuDevice {
    type Buffer = WgpuBuffer;

    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    /// Memory is zero: WebGPU promises it, and `wgpu` clears what is read before it was written.
    async fn allocate(&self, bytes: u64) -> Result<WgpuBuffer, Fault> {
        self.open.loss.check()?;
        self.gone.check()?;
        let limit = self.info.max_buffer_bytes;
        if bytes > limit {
            return Err(Fault::Rejected(format!("a buffer of {bytes} bytes, of at most {limit}")));
        }
        let size = bytes.max(1).next_multiple_of(BUFFER_ALIGNMENT);
        let open = Arc::clone(&self.open);
        let job = move || {
            let usage =
                wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
            let descriptor = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
            Ok(scoped(&open.device, &open.loss, || open.device.create_buffer(&descriptor)))
        };
        let buffer = (*self.world.executor).blocking(job).await;
        let buffer = buffer.map_err(|error| job_failed(&self.gone, &error))??;
        Ok(WgpuBuffer { buffer, bytes })
    }

    fn write(&self, buffer: &WgpuBuffer, at: u64, bytes: &[u8]) -> Result<(), Fault> {
        let Open { device, queue, loss, .. } = &*self.open;
        loss.check()?;
        check_write(buffer.bytes(), at, bytes)?;
        if bytes.is_empty() {
            return Ok(());
        }
        let length = bytes.len() as u64;
        scoped(device, loss, || {
            queue.write_buffer(&buffer.buffer, at, bytes);
            if self.written.fetch_add(length, Ordering::Relaxed) + length >= WRITTEN_BYTES {
                self.written.store(0, Ordering::Relaxed);
                queue.submit([]);
            }
        })
    }

    async fn run(&self, mut work: Work<WgpuBuffer>) -> Result<Vec<Vec<u8>>, Fault> {
        let Open { device, queue, pipelines, loss } = &*self.open;
        loss.check()?;
        self.gone.check()?;
        let holds = work.holds.take();
        let plan = Plan::new(work, self.limits)?;
        let (params, staging) = self.buffers_for(&plan)?;
        let (sender, outcome) = mpsc::channel();
        let (waiting, receiver) = oneshot::channel();
        let index = scoped(device, loss, || {
            if let Some(params) = &params {
                queue.write_buffer(params, 0, &plan.params);
            }
            let commands = plan.encode(device, pipelines, params.as_ref(), staging.as_ref())?;
            self.written.store(0, Ordering::Relaxed);
            Ok(queue.submit([commands]))
        })??;
        match &staging {
            Some(staging) => scoped(device, loss, || {
                staging.map_async(wgpu::MapMode::Read, .., move |mapped| {
                    // Nobody waits any more: the result is not wanted.
                    let _ = sender.send(mapped.map_err(|error| error.to_string()));
                });
            })?,
            None => queue.on_submitted_work_done(move || {
                let _ = sender.send(Ok(()));
            }),
        }
        self.watch.until(Submitted { index, outcome, waiting, holds }, &self.world);
        let staged = plan.staged();
        let lost =
            select(Box::pin(loss.wait()), Box::pin(self.gone.wait())).map(|fault| fault.factor_first().0);
        match select(receiver, lost).await {
            Either::Left((answer, _)) => {
                loss.check()?;
                let refused =
                    |reason: String| Fault::Rejected(format!("the answer cannot be read: {reason}"));
                answer.map_err(|_| refused("nobody says when it is there".into()))?.map_err(refused)?;
            }
            Either::Right((fault, _)) => return Err(fault),
        }
        let Some(staging) = staging else { return Ok(staged.iter().map(|_| Vec::new()).collect()) };
        if plan.read_bytes <= LARGE_READ {
            return read(&staging, &staged);
        }
        let job = move || Ok(read(&staging, &staged));
        let answer = (*self.world.executor).blocking(job).await;
        answer.map_err(|error| job_failed(&self.gone, &error))?
    }

    fn is_lost(&self) -> bool {
        self.open.loss.is_lost() || self.gone.is_lost()
    }
}

/// Copies ranges out of mapped memory.
fn read(staging: &wgpu::Buffer, ranges: &[Range<u64>]) -> Result<Vec<Vec<u8>>, Fault> {
    let refused = |reason: String| Fault::Rejected(format!("the answer cannot be read: {reason}"));
    let view = staging.get_mapped_range(..).map_err(|error| refused(error.to_string()))?;
    let part = |range: &Range<u64>| {
        let (start, end) = (usize::try_from(range.start).ok()?, usize::try_from(range.end).ok()?);
        view.get(start..end).map(<[u8]>::to_vec)
    };
    ranges.iter().map(|range| part(range).ok_or_else(|| refused("it is too short".into()))).collect()
}
