//! Every kernel against plain Rust, on whatever adapter there is.

mod support;

use std::process::ExitCode;

use tsds_device::conformance::{kernel_tests, run};

fn main() -> ExitCode {
    run(support::Adapter, kernel_tests())
}
