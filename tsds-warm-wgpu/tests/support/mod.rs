//! The adapter that tests run on: what `TSDS_WGPU_ADAPTER` names, else the best there is, a software one if there is no other.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tsds_device::conformance::Subject;
use tsds_traits::{Result, World};
use tsds_warm_wgpu::{WgpuDevice, WgpuSettings};

#[derive(Debug)]
pub(crate) struct Adapter;

impl Subject for Adapter {
    type Device = WgpuDevice;

    fn name(&self) -> &'static str {
        tsds_warm_wgpu::NAME
    }

    async fn open(&self, world: &World) -> Result<WgpuDevice> {
        let adapter = std::env::var("TSDS_WGPU_ADAPTER").ok();
        WgpuDevice::open(&WgpuSettings { adapter, allow_software: true, max_memory_mb: None }, world).await
    }

    fn lose(&self, device: &WgpuDevice, reason: &str) {
        device.destroy(reason);
    }
}
