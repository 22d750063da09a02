//! `tsds.warm.cuda`: the warm tier in the memory of NVIDIA GPUs.
//!
//! The tier itself is [`tsds_device::DeviceTier`]. [`CudaDevice`] is a [`tsds_device::Device`]. Kernels are CUDA C++ in `src/kernels`,
//! compiled to PTX when they are changed and embedded; the driver is loaded when a device is asked for, so that a build needs no CUDA
//! toolkit and a machine no GPU.
#![deny(missing_docs)]

mod adapter;
#[cfg(feature = "conformance")]
pub mod conformance;
mod device;
mod driver;
mod fault;
mod kernels;
mod link;
mod plugin;
mod readback;
mod settings;
#[cfg(feature = "simulator")]
pub mod simulator;
mod upload;
mod watch;
mod work;

pub use adapter::{AdapterSummary, list_adapters};
pub use device::{CudaBuffer, CudaDevice};
pub use plugin::{NAME, copy_bandwidth, plugin};
pub use settings::CudaSettings;
