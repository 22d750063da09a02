//! Where the devices of tests come from.
#![allow(missing_docs, dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tsds_device::conformance::Subject;
use tsds_traits::{Error, ErrorKind, Result, World};
use tsds_warm_cuda::simulator::{Setting, Simulator};
use tsds_warm_cuda::{CudaDevice, CudaSettings};

/// The device that `TSDS_CUDA_DEVICE` names, or the best one there is.
#[derive(Debug)]
pub(crate) struct Gpu;

impl Subject for Gpu {
    type Device = CudaDevice;

    fn name(&self) -> &'static str {
        tsds_warm_cuda::NAME
    }

    async fn open(&self, world: &World) -> Result<CudaDevice> {
        let device = std::env::var("TSDS_CUDA_DEVICE").ok();
        CudaDevice::open(&CudaSettings { device, ..CudaSettings::default() }, world).await
    }

    fn lose(&self, device: &CudaDevice, reason: &str) {
        device.destroy(reason);
    }

    async fn link_bandwidth(&self, device: &CudaDevice) -> Option<f64> {
        Some(device.link_bandwidth().await.unwrap())
    }
}

/// The simulated device.
#[derive(Debug)]
pub(crate) struct Simulated;

/// The simulator, or why it is not there.
pub(crate) fn simulator() -> Result<&'static Simulator> {
    Simulator::load().map_err(|reason| Error::new(ErrorKind::Unavailable, reason))
}

/// Little staging memory, so that what is copied goes round in it.
pub(crate) fn small() -> CudaSettings {
    CudaSettings { upload_staging_mb: Some(2), readback_staging_mb: Some(3), ..CudaSettings::default() }
}

impl Subject for Simulated {
    type Device = CudaDevice;

    fn name(&self) -> &'static str {
        "tsds.warm.cuda+simulated"
    }

    async fn open(&self, world: &World) -> Result<CudaDevice> {
        simulator()?.set(Setting::Recoverable, 1);
        // Where the simulator is there as it always is, a device that cannot be opened is a failure, and not absent.
        let as_always = !std::env::vars_os().any(|(name, _)| name.to_string_lossy().starts_with("TSDS_SIM_"));
        CudaDevice::open(&small(), world).await.map_err(|error| match as_always {
            true => Error::internal("the simulated device cannot be opened").with_source(error),
            false => error,
        })
    }

    fn lose(&self, device: &CudaDevice, reason: &str) {
        device.destroy(reason);
    }
}
