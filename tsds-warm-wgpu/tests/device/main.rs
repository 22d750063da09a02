//! What a device promises beside its kernels, and what only devices of this crate have: adapters that are listed, or absent.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod absence;
mod adapters;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

use tsds_device::conformance::{Bench, Test, device_tests, run};

use support::Adapter;

fn main() -> ExitCode {
    run(Adapter, [absence::TESTS.to_vec(), adapters::TESTS.to_vec(), device_tests()].concat())
}
