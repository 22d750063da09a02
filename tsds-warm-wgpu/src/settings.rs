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
    /// How much device memory the tier may take, in MiB (2^20 bytes); none for 1,024.
    pub max_memory_mb: Option<u64>,
}

impl WgpuSettings {
    /// The limit in bytes.
    pub(crate) fn limit_bytes(&self) -> u64 {
        self.max_memory_mb.unwrap_or(1024).saturating_mul(1 << 20)
    }
}
