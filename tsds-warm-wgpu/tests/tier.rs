//! The tier on an adapter: encoded columns, and what is left when segments or the device are gone.
// The types of a wgpu device are deeper than the default allows for.
#![recursion_limit = "256"]

mod support;

use std::process::ExitCode;

use tsds_device::conformance::{run, tier_tests};

fn main() -> ExitCode {
    run(support::Adapter, tier_tests())
}
