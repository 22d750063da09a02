//! A work, checked on the host and then encoded.

use std::ops::Range;
use std::sync::Arc;

use tsds_device::kernel::Kernel;
use tsds_device::{Fault, Launch, PARAMS, Step, Work, check_work};

use crate::device::WgpuBuffer;
use crate::pipelines::{PARAM_BYTES, Pipelines};

/// What offsets in mapped memory must be a multiple of.
const READ_ALIGNMENT: u64 = wgpu::MAP_ALIGNMENT;

/// A work that the device will accept.
pub(crate) struct Plan {
    steps: Vec<Planned>,
    reads: Vec<Read>,
    /// Parameters of all launches, each at a multiple of what the device wants.
    pub(crate) params: Vec<u8>,
    /// Bytes of all reads, with gaps.
    pub(crate) read_bytes: u64,
}

enum Planned {
    Launch { kernel: Kernel, buffers: Vec<Arc<WgpuBuffer>>, params_at: u32, groups: (u32, u32) },
    Clear(Arc<WgpuBuffer>, Range<u64>),
    Copy { from: (Arc<WgpuBuffer>, u64), to: (Arc<WgpuBuffer>, u64), bytes: u64 },
}

struct Read {
    buffer: Arc<WgpuBuffer>,
    range: Range<u64>,
    staged_at: u64,
}

/// What a device can do, of which a plan must know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlanLimits {
    /// Launches' parameters are so many bytes apart.
    pub(crate) params_stride: u64,
    /// Workgroups in one dimension of a grid.
    pub(crate) groups: u32,
    /// The largest buffer of any kind.
    pub(crate) buffer_bytes: u64,
}

impl Plan {
    /// Checks a work.
    pub(crate) fn new(work: Work<WgpuBuffer>, limits: PlanLimits) -> Result<Self, Fault> {
        let mut plan = Self { steps: Vec::new(), reads: Vec::new(), params: Vec::new(), read_bytes: 0 };
        check_work(&work, WgpuBuffer::bytes)?;
        for step in work.steps {
            match step {
                Step::Launch(launch) => plan.launch(launch, limits)?,
                Step::Clear(buffer, range) => {
                    if !range.is_empty() {
                        plan.steps.push(Planned::Clear(buffer, range));
                    }
                }
                Step::Copy { from, to, bytes } => {
                    if bytes > 0 {
                        plan.steps.push(Planned::Copy { from, to, bytes });
                    }
                }
            }
        }
        for (buffer, range) in work.reads {
            let staged_at = plan.read_bytes;
            let bytes = (range.end - range.start).next_multiple_of(READ_ALIGNMENT);
            plan.read_bytes = staged_at.saturating_add(bytes);
            plan.reads.push(Read { buffer, range, staged_at });
        }
        if plan.read_bytes > limits.buffer_bytes {
            let limit = limits.buffer_bytes;
            return Err(Fault::Rejected(format!("reads of {} bytes, of at most {limit}", plan.read_bytes)));
        }
        Ok(plan)
    }

    fn launch(&mut self, launch: Launch<WgpuBuffer>, limits: PlanLimits) -> Result<(), Fault> {
        let Launch { kernel, buffers, params } = launch;
        let refused = |why: String| Err(Fault::Rejected(format!("kernel {kernel}: {why}")));
        let groups = params.first().copied().unwrap_or_default();
        if groups == 0 {
            return Ok(());
        }
        // As square as it takes: few groups of the grid are beyond those that there are.
        let down = groups.div_ceil(limits.groups);
        if down > limits.groups {
            return refused(format!("{groups} workgroups"));
        }
        let Ok(params_at) = u32::try_from(self.params.len()) else {
            return refused("too many launches in one work".into());
        };
        let words: [u32; PARAMS] = params;
        self.params.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        let gap = usize::try_from(limits.params_stride.saturating_sub(PARAM_BYTES)).unwrap_or_default();
        self.params.resize(self.params.len() + gap, 0);
        let groups = (groups.div_ceil(down), down);
        self.steps.push(Planned::Launch { kernel, buffers, params_at, groups });
        Ok(())
    }

    /// Encodes all steps, and copies of what is read into `staging`.
    pub(crate) fn encode(
        &self,
        device: &wgpu::Device,
        pipelines: &Pipelines,
        params: Option<&wgpu::Buffer>,
        staging: Option<&wgpu::Buffer>,
    ) -> Result<wgpu::CommandBuffer, Fault> {
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let params = params.map(|buffer| params_group(device, pipelines, buffer));
        let mut steps = self.steps.iter().peekable();
        while let Some(step) = steps.peek() {
            match step {
                Planned::Launch { .. } => {
                    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                    while let Some(Planned::Launch { kernel, buffers, params_at, groups }) =
                        steps.next_if(|step| matches!(step, Planned::Launch { .. }))
                    {
                        let pipeline = pipelines.of(*kernel)?;
                        let group = buffers_group(device, &pipeline.layout, buffers);
                        pass.set_pipeline(&pipeline.pipeline);
                        pass.set_bind_group(0, &group, &[]);
                        pass.set_bind_group(1, params.as_ref(), &[*params_at]);
                        pass.dispatch_workgroups(groups.0, groups.1, 1);
                    }
                    continue;
                }
                Planned::Clear(buffer, range) => {
                    encoder.clear_buffer(buffer.raw(), range.start, Some(range.end - range.start));
                }
                Planned::Copy { from, to, bytes } => {
                    encoder.copy_buffer_to_buffer(from.0.raw(), from.1, to.0.raw(), to.1, *bytes);
                }
            }
            steps.next();
        }
        if let Some(staging) = staging {
            for read in &self.reads {
                let bytes = read.range.end - read.range.start;
                if bytes > 0 {
                    let from = read.buffer.raw();
                    encoder.copy_buffer_to_buffer(from, read.range.start, staging, read.staged_at, bytes);
                }
            }
        }
        Ok(encoder.finish())
    }

    /// Where the reads lie among the staged bytes, in order.
    pub(crate) fn staged(&self) -> Vec<Range<u64>> {
        let place = |read: &Read| read.staged_at..read.staged_at + (read.range.end - read.range.start);
        self.reads.iter().map(place).collect()
    }
}

fn params_group(device: &wgpu::Device, pipelines: &Pipelines, buffer: &wgpu::Buffer) -> wgpu::BindGroup {
    let binding = wgpu::BufferBinding { buffer, offset: 0, size: wgpu::BufferSize::new(PARAM_BYTES) };
    device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("params"),
        layout: &pipelines.params,
        entries: &[wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::Buffer(binding) }],
    })
}

fn buffers_group(
    device: &wgpu::Device,
    layout: &wgpu::BindGroupLayout,
    buffers: &[Arc<WgpuBuffer>],
) -> wgpu::BindGroup {
    let entries: Vec<_> = (0..)
        .zip(buffers)
        .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.raw().as_entire_binding() })
        .collect();
    device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout, entries: &entries })
}
