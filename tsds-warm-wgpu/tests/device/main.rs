//! What a device promises beside its kernels: memory, order, refusals, and what follows from its loss.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod absence;
mod loss;
mod memory;
mod order;
mod refusals;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

fn main() -> ExitCode {
    support::run(&[absence::TESTS, loss::TESTS, memory::TESTS, order::TESTS, refusals::TESTS].concat())
}
