//! The memory and the kernels of any GPU that speaks Vulkan, through `wgpu`, for the warm tier of TSDS.
//!
//! [`WgpuDevice`] is a [`tsds_device::Device`]. Its kernels are WGSL that needs no optional feature of a device: all
//! arithmetic is on 32-bit words, and no workgroup waits for another one.
#![deny(missing_docs)]

mod adapter;
mod device;
mod fault;
mod kernels;
mod pipelines;
mod settings;
mod watch;
mod work;

pub use adapter::{AdapterSummary, list_adapters};
pub use device::{WgpuBuffer, WgpuDevice};
pub use settings::WgpuSettings;
