//! The tier: encoded columns, and what is left when segments or the device are gone, on the simulator.

mod support;

use std::process::ExitCode;

use tsds_device::conformance::{run, tier_tests};

fn main() -> ExitCode {
    run(support::Simulated, tier_tests())
}
