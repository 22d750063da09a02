//! Every kernel against plain Rust, on an NVIDIA GPU.

mod support;

use std::process::ExitCode;

use tsds_device::conformance::{kernel_tests, run};

fn main() -> ExitCode {
    run(support::Gpu, kernel_tests())
}
