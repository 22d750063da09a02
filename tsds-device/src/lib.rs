//! The host half of a device tier.
//!
//! A device tier keeps the columns of segments in the memory of a device and answers scans and aggregates with kernels that
//! run there. What a device has to do for that is small, [`Device`] and the [`kernel`]s; everything else is here, once for all
//! backends.
#![deny(missing_docs)]

mod arena;
mod bandwidth;
#[cfg(feature = "conformance")]
pub mod conformance;
mod device;
mod encode;
pub mod kernel;
mod load;
mod loss;
mod program;
mod query;
pub mod residency;
mod room;
mod segment;
mod tables;
mod tier;
mod wave;

pub use bandwidth::copy_bandwidth;
pub use device::{Device, DeviceInfo, Fault, Hold, Launch, PARAMS, Step, Work};
pub use loss::Loss;
pub use query::{check_segments, distinct};
pub use tier::DeviceTier;
