//! The instruction sets that decoding has kernels for, and which of them this processor has.

use std::fmt;

/// What a kernel may use of the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// What every processor has.
    Portable,
    /// AVX2, FMA, BMI2, LZCNT and POPCNT.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 F, BW, DQ, VL, CD, VBMI and VBMI2, with what AVX2 stands for.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
        })
    }
}

impl Isa {
    /// The fastest that this processor has.
    #[cfg(target_arch = "x86_64")]
    pub fn best() -> Self {
        if has_avx512() {
            Self::Avx512
        } else if has_avx2() {
            Self::Avx2
        } else {
            Self::Portable
        }
    }

    /// The fastest that this processor has.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn best() -> Self {
        Self::Portable
    }

    /// All that this processor has, slowest first.
    #[cfg(target_arch = "x86_64")]
    pub fn available() -> Vec<Self> {
        let mut isas = vec![Self::Portable];
        if has_avx2() {
            isas.push(Self::Avx2);
        }
        if has_avx512() {
            isas.push(Self::Avx512);
        }
        isas
    }

    /// All that this processor has, slowest first.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn available() -> Vec<Self> {
        vec![Self::Portable]
    }
}

// `is_x86_feature_detected!` keeps what it found, so asking again costs one load for each feature.

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("popcnt")
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    has_avx2()
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512cd")
        && is_x86_feature_detected!("avx512vbmi")
        && is_x86_feature_detected!("avx512vbmi2")
}
