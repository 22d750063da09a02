//! The tier, as the conformance suite opens it: on the device that `TSDS_CUDA_DEVICE` names, else on the best one there is. Where the
//! simulator was loaded before, that is the simulated one.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value as Json;
use tsds_conformance::claims::Claim;
use tsds_conformance::fixture::TierFixture;
use tsds_device::DeviceTier;
use tsds_io::Runtime;
use tsds_traits::{BuildContext, Error, Factory, Plugin, Presence, Result, Tier, World};

use crate::plugin::reason;
use crate::{CudaDevice, CudaSettings, NAME, adapter};

/// Every tier is on the same device, opened in a world of its own: compiling its kernels takes longer than most cases.
static DEVICE: OnceLock<Result<(Runtime, CudaDevice)>> = OnceLock::new();

/// The tier, with room, and with little.
pub fn fixtures() -> Vec<CudaFixture> {
    vec![
        CudaFixture { limit_mb: 256, id: NAME },
        CudaFixture { limit_mb: 2, id: "tsds.warm.cuda+little-room" },
    ]
}

/// Opens the tier.
#[derive(Clone, Copy, Debug)]
pub struct CudaFixture {
    limit_mb: u64,
    id: &'static str,
}

fn settings() -> CudaSettings {
    CudaSettings { device: std::env::var("TSDS_CUDA_DEVICE").ok(), ..CudaSettings::default() }
}

#[async_trait]
impl TierFixture for CudaFixture {
    fn id(&self) -> String {
        self.id.into()
    }

    fn probe(&self) -> Presence {
        probe()
    }

    async fn open(&self, context: BuildContext) -> Result<Arc<dyn Tier>> {
        let device = shared(&context.world)?;
        Ok(DeviceTier::new(NAME, context.world, device, self.limit_mb << 20))
    }

    fn expected_claims(&self) -> Vec<Claim> {
        if self.limit_mb < 16 { vec![Claim::Room] } else { Vec::new() }
    }
}

/// The tier as a plugin whose tiers are all on one device, also in simulated worlds.
pub fn shared_plugin() -> Plugin {
    fn build(_: Json, context: BuildContext) -> BoxFuture<'static, Result<Arc<dyn Tier>>> {
        let device = shared(&context.world);
        async move { Ok(DeviceTier::new(NAME, context.world, device?, 64 << 20) as Arc<dyn Tier>) }.boxed()
    }
    Plugin { factory: Factory::Tier(build), probe, ..crate::plugin() }
}

/// Whether there is a device that the suite takes, and which.
pub fn probe() -> Presence {
    match adapter::open(&settings()) {
        Ok((_, _, device)) => Presence::Present(device.to_string()),
        Err(error) => Presence::Absent(reason(&error)),
    }
}

/// A handle of the device for a world.
fn shared(world: &World) -> Result<CudaDevice> {
    let opened = DEVICE.get_or_init(|| {
        let runtime = Runtime::new(Some(1))?;
        let device = runtime.block_on(CudaDevice::open(&settings(), &runtime.world()))?;
        Ok((runtime, device))
    });
    let (_, device) = opened.as_ref().map_err(|error| Error::new(error.kind(), error.to_string()))?;
    Ok(device.share(world.clone()))
}
