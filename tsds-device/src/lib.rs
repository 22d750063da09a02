//! The host half of a device tier.
//!
//! A device tier keeps the columns of segments in the memory of a device and answers scans and aggregates with kernels that
//! run there. What a device has to do for that is small, [`Device`] and the [`kernel`]s; everything else is here, once for all
//! backends. Without the feature `kernels` only [`residency`] is left, which tiers in the host's memory share.
#![deny(missing_docs)]

#[cfg(feature = "kernels")]
mod arena;
#[cfg(feature = "kernels")]
mod bandwidth;
#[cfg(feature = "kernels")]
mod busy;
#[cfg(feature = "kernels")]
mod check;
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "kernels")]
mod device;
#[cfg(feature = "kernels")]
mod encode;
#[cfg(feature = "kernels")]
pub mod kernel;
#[cfg(feature = "kernels")]
mod load;
#[cfg(feature = "kernels")]
mod loss;
#[cfg(feature = "kernels")]
mod meaning;
#[cfg(feature = "kernels")]
mod program;
#[cfg(feature = "kernels")]
mod query;
mod request;
pub mod residency;
#[cfg(feature = "kernels")]
mod room;
#[cfg(feature = "kernels")]
mod segment;
#[cfg(feature = "kernels")]
mod tables;
#[cfg(feature = "kernels")]
mod tier;
#[cfg(feature = "kernels")]
mod wave;

#[cfg(feature = "kernels")]
pub use bandwidth::copy_bandwidth;
#[cfg(feature = "kernels")]
pub use check::{check_health, check_work, check_write};
#[cfg(feature = "kernels")]
pub use device::{Device, DeviceInfo, Fault, Hold, Launch, PARAMS, Step, Work};
#[cfg(feature = "kernels")]
pub use loss::Loss;
pub use request::{check_segments, distinct};
#[cfg(feature = "kernels")]
pub use tier::DeviceTier;
