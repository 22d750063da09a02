//! `tsds.warm.wgpu`: the warm tier in the memory of any GPU that speaks Vulkan, through `wgpu`.
//!
//! The tier itself is [`tsds_device::DeviceTier`]. [`WgpuDevice`] is a [`tsds_device::Device`]. Its kernels are WGSL that needs no optional feature of a device: all
//! arithmetic is on 32-bit words, and no workgroup waits for another one.
#![deny(missing_docs)]
// Whether a future may move between threads is a question about every type in `wgpu`.
#![recursion_limit = "256"]

mod adapter;
mod compiled;
#[cfg(feature = "conformance")]
pub mod conformance;
mod device;
mod fault;
mod kernels;
mod pipelines;
mod plugin;
mod settings;
mod watch;
mod work;

pub use adapter::{AdapterSummary, list_adapters};
pub use device::{WgpuBuffer, WgpuDevice};
pub use plugin::{NAME, copy_bandwidth, plugin};
pub use settings::WgpuSettings;
