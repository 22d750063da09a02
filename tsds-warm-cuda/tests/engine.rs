//! The engine on a device.

mod engine_model;

use std::process::ExitCode;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let trials = engine_model::trials(tsds_warm_cuda::NAME, 48);
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}
