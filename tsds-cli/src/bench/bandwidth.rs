//! What is known of the devices behind tiers, beside what the trait says.

use futures::future::BoxFuture;
use serde_json::Value as Json;
use tsds_traits::{Result, World};

/// Measures how many bytes a second the device of a tier with these settings moves when it copies its own memory.
pub(crate) type CopyBandwidth = fn(Json, World) -> BoxFuture<'static, Result<f64>>;

/// How to measure the device of a tier; `None` where nothing is known of it but the tier.
pub(crate) fn copy_bandwidth_of(id: &str) -> Option<CopyBandwidth> {
    let known: &[(&str, CopyBandwidth)] = &[
        #[cfg(feature = "warm-cuda")]
        (tsds_warm_cuda::NAME, |settings, world| Box::pin(tsds_warm_cuda::copy_bandwidth(settings, world))),
        #[cfg(feature = "warm-wgpu")]
        (tsds_warm_wgpu::NAME, |settings, world| Box::pin(tsds_warm_wgpu::copy_bandwidth(settings, world))),
    ];
    known.iter().find(|(known, _)| *known == id).map(|(_, measure)| *measure)
}
