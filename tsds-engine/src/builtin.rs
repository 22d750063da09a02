//! The plugins that ship with TSDS.

use tsds_traits::{Registry, Result};

/// A registry with every built-in plugin that this build has features for: codecs, log, evictor and tiers.
///
/// # Errors
///
/// None in practice: the built-ins have distinct ids.
pub fn builtin_registry() -> Result<Registry> {
    let mut registry = Registry::new();
    #[cfg(feature = "codec-gorilla")]
    registry.register(tsds_codec_gorilla::plugin())?;
    for plugin in tsds_segment::plugins() {
        registry.register(plugin)?;
    }
    for plugin in tsds_warm_cpu::plugins() {
        registry.register(plugin)?;
    }
    #[cfg(feature = "warm-cuda")]
    registry.register(tsds_warm_cuda::plugin())?;
    #[cfg(feature = "warm-wgpu")]
    registry.register(tsds_warm_wgpu::plugin())?;
    registry.register(tsds_hot::plugin())?;
    registry.register(tsds_cold_parquet::plugin())?;
    Ok(registry)
}
