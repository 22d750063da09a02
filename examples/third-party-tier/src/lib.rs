//! `example.ipc`: a TSDS tier that keeps every segment as one Arrow IPC file, which any Arrow reader opens.
//!
//! A plugin from outside of TSDS. The [README](https://github.com/tsds/tsds/tree/main/examples/third-party-tier) says how it is used
//! and what its files are.
//!
//! ```
//! let mut registry = tsds_engine::builtin_registry()?;
//! registry.register(example_ipc::PLUGIN)?;
//! // Database::builder(path).registry(registry) with the setting cold_tier.backend = "example.ipc"
//! # Ok::<(), tsds_traits::Error>(())
//! ```

mod read;
mod shelf;
mod tier;
mod write;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Deserialize;
use tsds_traits::{BuildContext, Factory, Plugin, Presence, Result, Tier, plugin_settings};

pub use tier::{ID, IpcTier};

/// The plugin, for [`tsds_traits::Registry::register`].
pub const PLUGIN: Plugin = Plugin {
    id: ID,
    crate_version: env!("CARGO_PKG_VERSION"),
    format_version: 1,
    reads_from: 1,
    factory: Factory::Tier(build),
    probe: || Presence::Present(String::new()),
};

// For `Registry::from_inventory()`, in programs that say `use example_ipc as _;`.
tsds_traits::inventory::submit!(PLUGIN);

/// Settings of [`IpcTier`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IpcSettings {
    /// How many MiB the files may take; none for no limit. The engine gives it to warm tiers.
    pub max_memory_mb: Option<u64>,
    /// The engine gives it to cold tiers. Files are never compressed, so that reading them copies nothing.
    pub compression: Option<String>,
    /// The engine gives it to cold tiers. A scan never has more than one file open.
    pub max_concurrent_files: Option<usize>,
}

fn build(settings: serde_json::Value, context: BuildContext) -> BoxFuture<'static, Result<Arc<dyn Tier>>> {
    async move {
        let settings: IpcSettings = plugin_settings(&settings)?;
        Ok(IpcTier::open(&settings, context).await? as Arc<dyn Tier>)
    }
    .boxed()
}
