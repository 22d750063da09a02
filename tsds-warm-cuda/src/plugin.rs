//! How the tier is registered.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde_json::Value as Json;
use tsds_device::DeviceTier;
use tsds_traits::{BuildContext, Error, ErrorKind, Factory, Plugin, Presence, Result, Tier, World};

use crate::adapter::{AdapterSummary, find};
use crate::{CudaDevice, CudaSettings};

/// The id of the tier.
pub const NAME: &str = "tsds.warm.cuda";

/// The tier, to be registered.
pub fn plugin() -> Plugin {
    Plugin {
        id: NAME,
        crate_version: env!("CARGO_PKG_VERSION"),
        format_version: 1,
        reads_from: 1,
        factory: Factory::Tier(build),
        probe,
    }
}

/// A device is there that can be used.
fn probe() -> Presence {
    let found = match find() {
        Ok((_, found)) => found,
        Err(error) => return Presence::Absent(reason(&error)),
    };
    let (usable, others): (Vec<AdapterSummary>, Vec<_>) =
        found.into_iter().map(|(_, device)| device).partition(|device| device.trouble.is_none());
    let names = |of: &[AdapterSummary]| of.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    match usable.is_empty() {
        false => Presence::Present(names(&usable)),
        true => Presence::Absent(names(&others)),
    }
}

/// Why there is none, in few words.
pub(crate) fn reason(error: &Error) -> String {
    let reason = error.context().iter().find(|(key, _)| *key == "reason");
    reason.map_or_else(|| error.to_string(), |(_, reason)| reason.to_string())
}

fn build(settings: Json, context: BuildContext) -> BoxFuture<'static, Result<Arc<dyn Tier>>> {
    async move {
        let settings = parse(&settings)?;
        let device = CudaDevice::open(&settings, &context.world).await?;
        let limit_bytes = settings.limit_bytes(device.free_bytes());
        let tier = DeviceTier::open(NAME, context.world, device, limit_bytes).await?;
        Ok(tier as Arc<dyn Tier>)
    }
    .boxed()
}

/// How many bytes are copied at once to measure bandwidth: more than any cache of a device holds.
const COPIED_BYTES: u64 = 256 << 20;

/// How many bytes a second the device that the settings ask for moves when it copies its own memory: see
/// [`tsds_device::copy_bandwidth`]. Takes 512 MiB of it meanwhile.
///
/// # Errors
///
/// As for opening the tier; `NoSpace` if there is not so much memory.
pub async fn copy_bandwidth(settings: Json, world: World) -> Result<f64> {
    let device = CudaDevice::open(&parse(&settings)?, &world).await?;
    Ok(tsds_device::copy_bandwidth(&device, &*world.clock, COPIED_BYTES).await?)
}

/// Settings that are not there are the defaults.
fn parse(settings: &Json) -> Result<CudaSettings> {
    if settings.is_null() {
        return Ok(CudaSettings::default());
    }
    CudaSettings::deserialize(settings.into_deserializer()).map_err(|error| {
        Error::new(ErrorKind::ConfigInvalid, "settings of a plugin are wrong").with("cause", error)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tsds_traits::Registry;

    use super::*;

    #[test]
    fn the_plugin_registers_under_its_own_name() {
        let mut registry = Registry::new();
        registry.register(plugin()).unwrap();
        assert_eq!(registry.get(NAME).unwrap().factory.role(), "tier");
    }

    #[test]
    fn an_unknown_setting_is_refused_and_named() {
        let error = parse(&json!({"devise": "x"})).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert!(error.to_string().contains("devise"), "{error}");
    }
}
