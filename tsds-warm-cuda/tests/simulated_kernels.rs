//! Every kernel against plain Rust, on the simulator.

mod support;

use std::process::ExitCode;

use tsds_device::conformance::{kernel_tests, run};

fn main() -> ExitCode {
    run(support::Simulated, kernel_tests())
}
