//! Settings of the tier.

use serde::Deserialize;

/// Settings of [`crate::CpuTier`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CpuSettings {
    /// How much memory pinned segments may take, in MiB (2^20 bytes); `null` for no limit. With 0 nothing is ever pinned and
    /// every segment is served from its file.
    pub max_memory_mb: Option<u64>,
}

impl CpuSettings {
    /// The limit in bytes.
    pub(crate) fn limit_bytes(&self) -> Option<u64> {
        self.max_memory_mb.map(|mib| mib.saturating_mul(1 << 20))
    }
}
