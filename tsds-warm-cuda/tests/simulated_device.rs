//! What a device promises beside its kernels, on the simulator.

mod support;

use std::process::ExitCode;

use tsds_device::conformance::{device_tests, run};

fn main() -> ExitCode {
    run(support::Simulated, device_tests())
}
