//! The kernels, compiled for a device.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use tsds_device::kernel::{Access, Kernel};
use tsds_device::{Fault, Loss, PARAMS};

use crate::compiled::Compiled;
use crate::fault::scoped;
use crate::kernels::source;

/// Bytes of the parameters of a launch.
pub(crate) const PARAM_BYTES: u64 = PARAMS as u64 * 4;

/// A kernel, compiled.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) pipeline: wgpu::ComputePipeline,
    /// Of its buffers, group 0.
    pub(crate) layout: wgpu::BindGroupLayout,
}

/// All kernels.
#[derive(Debug)]
pub(crate) struct Pipelines {
    by_kernel: BTreeMap<Kernel, Pipeline>,
    /// Of the parameters, group 1: a window that moves over those of all launches of a work.
    pub(crate) params: wgpu::BindGroupLayout,
}

impl Pipelines {
    /// Compiles all kernels. All at once and when the device is opened, since a driver that cannot compile may lose the
    /// device.
    pub(crate) fn compile(
        device: &wgpu::Device,
        adapter: &wgpu::AdapterInfo,
        loss: &Loss,
    ) -> Result<Self, Fault> {
        let compiled = Compiled::load(device, adapter, loss)?;
        let params = scoped(device, loss, || {
            let entry = wgpu::BindGroupLayoutEntry {
                binding: 0,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: wgpu::BufferBindingType::Uniform,
                    has_dynamic_offset: true,
                    min_binding_size: NonZeroU64::new(PARAM_BYTES),
                },
                count: None,
            };
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some("params"),
                entries: &[entry],
            })
        })?;
        let mut by_kernel = BTreeMap::new();
        for kernel in Kernel::ALL {
            let pipeline =
                scoped(device, loss, || Pipeline::compile(device, kernel, &params, compiled.cache()))?;
            by_kernel.insert(kernel, pipeline);
        }
        compiled.keep();
        Ok(Self { by_kernel, params })
    }

    pub(crate) fn of(&self, kernel: Kernel) -> Result<&Pipeline, Fault> {
        let missing = || Fault::Rejected(format!("there is no kernel {kernel}"));
        self.by_kernel.get(&kernel).ok_or_else(missing)
    }
}

impl Pipeline {
    fn compile(
        device: &wgpu::Device,
        kernel: Kernel,
        params: &wgpu::BindGroupLayout,
        cache: Option<&wgpu::PipelineCache>,
    ) -> Self {
        let entries: Vec<_> = (0..)
            .zip(kernel.bindings())
            .map(|(binding, access)| wgpu::BindGroupLayoutEntry {
                binding,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: wgpu::BufferBindingType::Storage { read_only: *access == Access::Read },
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            })
            .collect();
        let label = Some(kernel.name());
        let layout =
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label,
            source: wgpu::ShaderSource::Wgsl(source(kernel).into()),
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &[Some(&layout), Some(params)],
            immediate_size: 0,
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label,
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(kernel.name()),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache,
        });
        Self { pipeline, layout }
    }
}
