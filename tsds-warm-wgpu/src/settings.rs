//! What an operator says about the device.

use serde::{Deserialize, Serialize};

/// Settings of the device tier.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WgpuSettings {
    /// A part of the adapter's name, in any case; none takes the fastest kind that there is.
    pub adapter: Option<String>,
    /// Whether, without a name, an adapter will do that the host's processor plays.
    pub allow_software: bool,
    /// How much device memory the tier may use, in MiB; none lets the tier choose.
    pub max_memory_mb: Option<u64>,
}
