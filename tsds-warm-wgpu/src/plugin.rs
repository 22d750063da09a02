//! How the tier is registered.

use std::path::Path;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value as Json;
use tsds_device::DeviceTier;
use tsds_traits::{BuildContext, Factory, Plugin, Presence, Result, Tier, World, plugin_settings};

use crate::adapter::{AdapterSummary, find_summaries};
use crate::{WgpuDevice, WgpuSettings};

/// The id of the tier.
pub const NAME: &str = "tsds.warm.wgpu";

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

/// One of these is there on Linux where a driver runs a GPU: those of the kernel, NVIDIA's own, AMD's, and that of Windows.
const GPU_FILES: [&str; 4] = ["/dev/dri", "/dev/nvidiactl", "/dev/kfd", "/dev/dxg"];

/// A GPU is there. A software adapter, which nobody gets who does not ask for it, is none.
fn probe() -> Presence {
    // Asking Vulkan loads drivers and layers, which takes a while, and some of which write to stderr where there is no desktop.
    #[allow(clippy::disallowed_methods, reason = "about this machine, whatever world the engine runs in")]
    let is_there = |file: &&str| Path::new(file).exists();
    if cfg!(target_os = "linux") && !GPU_FILES.iter().any(is_there) {
        return Presence::Absent(format!("no GPU: none of {} is there", GPU_FILES.join(", ")));
    }
    let found = match find_summaries() {
        Ok(found) => found,
        Err(error) => return Presence::Absent(error.to_string()),
    };
    let names = |of: &[AdapterSummary]| of.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let gpus: Vec<AdapterSummary> = found.iter().filter(|adapter| !adapter.software).cloned().collect();
    match (gpus.is_empty(), found.is_empty()) {
        (false, _) => Presence::Present(names(&gpus)),
        (true, false) => Presence::Absent(format!("only software adapters: {}", names(&found))),
        (true, true) => Presence::Absent("no Vulkan adapter".into()),
    }
}

fn build(settings: Json, context: BuildContext) -> BoxFuture<'static, Result<Arc<dyn Tier>>> {
    async move {
        let settings: WgpuSettings = plugin_settings(&settings)?;
        let device = WgpuDevice::open(&settings, &context.world).await?;
        let tier = DeviceTier::open(NAME, context.world, device, settings.limit_bytes()).await?;
        Ok(tier as Arc<dyn Tier>)
    }
    .boxed()
}

/// How many bytes are copied at once to measure bandwidth: more than any cache of a device holds.
const COPIED_BYTES: u64 = 256 << 20;

/// How many bytes a second the adapter that the settings ask for moves when it copies its own memory: see
/// [`tsds_device::copy_bandwidth`]. Takes 512 MiB of it meanwhile.
///
/// # Errors
///
/// As for opening the tier; `NoSpace` if there is not so much memory.
pub async fn copy_bandwidth(settings: Json, world: World) -> Result<f64> {
    let device = WgpuDevice::open(&plugin_settings(&settings)?, &world).await?;
    Ok(tsds_device::copy_bandwidth(&device, &*world.clock, COPIED_BYTES).await?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tsds_traits::{ErrorKind, Registry};

    use super::*;

    #[test]
    fn the_plugin_registers_under_its_own_name() {
        let mut registry = Registry::new();
        registry.register(plugin()).unwrap();
        assert_eq!(registry.get(NAME).unwrap().factory.role(), "tier");
    }

    #[test]
    fn an_unknown_setting_is_refused_and_named() {
        let error = plugin_settings::<WgpuSettings>(&json!({"adaptor": "x"})).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert!(error.to_string().contains("adaptor"), "{error}");
    }

    #[test]
    fn without_a_limit_a_gibibyte_is_taken() {
        assert_eq!(plugin_settings::<WgpuSettings>(&Json::Null).unwrap().limit_bytes(), 1 << 30);
        assert_eq!(
            plugin_settings::<WgpuSettings>(&json!({"max_memory_mb": 3})).unwrap().limit_bytes(),
            3 << 20
        );
    }
}
