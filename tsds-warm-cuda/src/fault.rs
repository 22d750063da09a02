//! From what the driver says of a call to [`tsds_device::Fault`]: which codes leave the device as it was.

use std::ffi::c_int;
use std::fmt;

/// A result of the driver that is no success. Shown without asking the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code(c_int);

impl Code {
    pub(crate) const OUT_OF_MEMORY: Self = Self(2);
    pub(crate) const NO_DEVICE: Self = Self(100);
    pub(crate) const NO_BINARY: Self = Self(209);
    pub(crate) const INVALID_PTX: Self = Self(218);
    pub(crate) const UNSUPPORTED_PTX: Self = Self(222);
    pub(crate) const NOT_READY: Self = Self(600);

    /// 0 is success.
    pub(crate) fn check(code: c_int) -> Result<(), Self> {
        match code {
            0 => Ok(()),
            code => Err(Self(code)),
        }
    }

    /// Whether the call did nothing and the device goes on. Whatever is not known to be harmless is not: after a fault of a kernel or of
    /// the device every call gives its code, some of which drivers to come will invent.
    pub(crate) fn is_harmless(self) -> bool {
        const HARMLESS: [c_int; 9] = [1, 2, 400, 500, 600, 701, 703, 800, 801];
        HARMLESS.contains(&self.0)
    }

    fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            1 => "INVALID_VALUE",
            2 => "OUT_OF_MEMORY",
            3 => "NOT_INITIALIZED",
            4 => "DEINITIALIZED",
            34 => "STUB_LIBRARY",
            46 => "DEVICE_UNAVAILABLE",
            100 => "NO_DEVICE",
            101 => "INVALID_DEVICE",
            200 => "INVALID_IMAGE",
            201 => "INVALID_CONTEXT",
            209 => "NO_BINARY_FOR_GPU",
            214 => "ECC_UNCORRECTABLE",
            218 => "INVALID_PTX",
            220 => "NVLINK_UNCORRECTABLE",
            222 => "UNSUPPORTED_PTX_VERSION",
            400 => "INVALID_HANDLE",
            500 => "NOT_FOUND",
            600 => "NOT_READY",
            700 => "ILLEGAL_ADDRESS",
            701 => "LAUNCH_OUT_OF_RESOURCES",
            702 => "LAUNCH_TIMEOUT",
            708 => "PRIMARY_CONTEXT_ACTIVE",
            709 => "CONTEXT_IS_DESTROYED",
            710 => "ASSERT",
            714 => "HARDWARE_STACK_ERROR",
            715 => "ILLEGAL_INSTRUCTION",
            716 => "MISALIGNED_ADDRESS",
            717 => "INVALID_ADDRESS_SPACE",
            718 => "INVALID_PC",
            719 => "LAUNCH_FAILED",
            721 => "CONTAINED",
            800 => "NOT_PERMITTED",
            801 => "NOT_SUPPORTED",
            802 => "SYSTEM_NOT_READY",
            803 => "SYSTEM_DRIVER_MISMATCH",
            999 => "UNKNOWN",
            _ => return None,
        })
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "CUDA_ERROR_{name} ({})", self.0),
            None => write!(f, "CUDA error {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_shown_with_their_names() {
        assert_eq!(Code(700).to_string(), "CUDA_ERROR_ILLEGAL_ADDRESS (700)");
        assert_eq!(Code(12_345).to_string(), "CUDA error 12345");
    }

    #[test]
    fn what_is_not_known_to_be_harmless_is_not() {
        assert!(Code::OUT_OF_MEMORY.is_harmless() && Code::NOT_READY.is_harmless());
        for code in [214, 700, 702, 709, 710, 715, 716, 719, 999, 12_345] {
            assert!(!Code(code).is_harmless(), "{code}");
        }
    }
}
