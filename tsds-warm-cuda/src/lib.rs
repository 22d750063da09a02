//! `tsds.warm.cuda`: the warm tier in the memory of NVIDIA GPUs.
//!
//! The tier itself is [`tsds_device::DeviceTier`]. Kernels are CUDA C++ in `src/kernels`, compiled to PTX when they are
//! changed and embedded; the driver is loaded when a device is asked for, so that a build needs no CUDA toolkit and a machine
//! no GPU.
#![deny(missing_docs)]
