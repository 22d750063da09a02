//! What a device promises beside its kernels, on an NVIDIA GPU.

mod support;

use std::process::ExitCode;

use tsds_device::conformance::{device_tests, run};

fn main() -> ExitCode {
    run(support::Gpu, device_tests())
}
