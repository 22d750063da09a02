//! Every kernel by itself, and the rest of what a device has goals for: `cargo bench -p tsds-warm-cuda`, see
//! [`tsds_device::conformance::time_kernels`]. The device is the one that `TSDS_CUDA_DEVICE` names, or the best one there is.

#[path = "../tests/support/mod.rs"]
mod support;

fn main() {
    tsds_device::conformance::time_kernels(support::Gpu);
}
