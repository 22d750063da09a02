//! What drivers have made of the kernels, kept as long as the process lives: a device that was lost is opened again in less time, and so
//! is that of a second database.
//!
//! Nothing of it goes to disk. A driver trusts these bytes, and a file may hold any; drivers that gain by it keep caches of their own.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tsds_device::{Fault, Loss};

use crate::fault::scoped;

/// By adapter and driver.
static COMPILED: Mutex<BTreeMap<String, Vec<u8>>> = Mutex::new(BTreeMap::new());

fn compiled() -> MutexGuard<'static, BTreeMap<String, Vec<u8>>> {
    COMPILED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Goes with the compilation of all kernels for a device.
#[derive(Debug)]
pub(crate) struct Compiled {
    adapter: String,
    /// `None` if the driver has no such thing.
    cache: Option<wgpu::PipelineCache>,
}

impl Compiled {
    /// What a device has to be asked for, of an adapter that has it.
    pub(crate) fn features(adapter: &wgpu::Adapter) -> wgpu::Features {
        adapter.features() & wgpu::Features::PIPELINE_CACHE
    }

    /// Begins with what is known of the adapter.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub(crate) fn load(
        device: &wgpu::Device,
        adapter: &wgpu::AdapterInfo,
        loss: &Loss,
    ) -> Result<Self, Fault> {
        let adapter =
            format!("{:?} {} {} {}", adapter.backend, adapter.vendor, adapter.device, adapter.driver_info);
        if !device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            return Ok(Self { adapter, cache: None });
        }
        let data = compiled().get(&adapter).cloned();
        let descriptor =
            wgpu::PipelineCacheDescriptor { label: Some("tsds"), data: data.as_deref(), fallback: true };
        // SAFETY: the data is what `get_data` gave in this process, or none.
        let cache = scoped(device, loss, || unsafe { device.create_pipeline_cache(&descriptor) })?;
        Ok(Self { adapter, cache: Some(cache) })
    }

    pub(crate) fn cache(&self) -> Option<&wgpu::PipelineCache> {
        self.cache.as_ref()
    }

    /// Keeps what was compiled for the next time.
    pub(crate) fn keep(self) {
        if let Some(data) = self.cache.as_ref().and_then(wgpu::PipelineCache::get_data) {
            compiled().insert(self.adapter, data);
        }
    }
}
