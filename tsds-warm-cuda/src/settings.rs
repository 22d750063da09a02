//! What an operator says about the device.

use serde::{Deserialize, Serialize};

/// The settings' memory is in so many bytes.
const MEBIBYTE: u64 = 1 << 20;

/// Settings of the device tier.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CudaSettings {
    /// Which device: its number, as text; its UUID (`GPU-...`), or the beginning of that; or a part of its name, in any case. None
    /// takes the one with the most memory.
    pub device: Option<String>,
    /// How much device memory the tier may take, in MiB (2^20 bytes); none for three quarters of what is free when the tier is opened.
    pub max_memory_mb: Option<u64>,
    /// How many queries the device works on at once, 1 to 32; none for 4.
    pub streams: Option<u32>,
    /// How much memory of the host is pinned for copies to the device, in MiB, 1 to 1,024; none for 64.
    pub upload_staging_mb: Option<u64>,
    /// How much memory of the host is pinned for copies from the device, in MiB, 1 to 1,024; none for 32.
    pub readback_staging_mb: Option<u64>,
}

impl CudaSettings {
    /// The limit in bytes, where so many are free.
    pub(crate) fn limit_bytes(&self, free: u64) -> u64 {
        self.max_memory_mb.map_or(free / 4 * 3, |mebibytes| mebibytes.saturating_mul(MEBIBYTE))
    }

    pub(crate) fn streams(&self) -> usize {
        self.streams.unwrap_or(4).clamp(1, 32) as usize
    }

    pub(crate) fn upload_bytes(&self) -> usize {
        Self::staging_bytes(self.upload_staging_mb, 64)
    }

    pub(crate) fn readback_bytes(&self) -> usize {
        Self::staging_bytes(self.readback_staging_mb, 32)
    }

    fn staging_bytes(mebibytes: Option<u64>, default: u64) -> usize {
        (mebibytes.unwrap_or(default).clamp(1, 1024) * MEBIBYTE) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_settings_are_refused() {
        assert!(serde_json::from_str::<CudaSettings>(r#"{"devise": "0"}"#).is_err());
        assert_eq!(serde_json::from_str::<CudaSettings>("{}").unwrap(), CudaSettings::default());
    }

    #[test]
    fn without_a_limit_three_quarters_of_what_is_free_are_taken() {
        assert_eq!(CudaSettings::default().limit_bytes(80 << 30), 60 << 30);
        let limited = CudaSettings { max_memory_mb: Some(3), ..CudaSettings::default() };
        assert_eq!(limited.limit_bytes(80 << 30), 3 << 20);
    }

    #[test]
    fn sizes_stay_within_their_bounds() {
        let odd = CudaSettings {
            streams: Some(0),
            upload_staging_mb: Some(u64::MAX),
            readback_staging_mb: Some(0),
            ..CudaSettings::default()
        };
        assert_eq!((odd.streams(), odd.upload_bytes(), odd.readback_bytes()), (1, 1 << 30, 1 << 20));
    }
}
