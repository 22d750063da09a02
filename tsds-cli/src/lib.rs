//! The `tsds` command, as a library: a plugin author gets the whole command around a registry of their own.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! fn main() -> ExitCode {
//!     let registry = tsds_engine::builtin_registry();
//!     // registry.register(acme_codec::PLUGIN) and so on
//!     registry.map_or_else(tsds_cli::fail, tsds_cli::run)
//! }
//! ```
#![deny(missing_docs)]

mod arguments;
mod bench;
mod commands;
mod demo;
mod failure;
mod import;
mod logging;
mod names;
mod output;
mod result;
mod session;
mod settings;
mod sql;

use std::process::ExitCode;

use clap::Parser;
use tsds_traits::{Error, Registry};

use arguments::Arguments;
use failure::Failure;
use output::Output;

/// Wrong command line.
const USAGE: u8 = 2;

/// Runs the command line of this process with the plugins of `registry`, and says how it went: 0 for done, 1 for failed,
/// 2 for a command line that is wrong.
pub fn run(registry: Registry) -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version go to stdout and are no failure. That nobody can read them is none either.
            let _ = error.print();
            return u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    let output = Output::new(arguments.common.quiet);
    let outcome = tsds_io::Runtime::new(None).map_err(Failure::from).and_then(|runtime| {
        runtime.block_on(commands::run(runtime.world(), output.clone(), arguments, registry))
    });
    match outcome {
        Ok(()) | Err(Failure::ReaderGone) => ExitCode::SUCCESS,
        Err(Failure::Failed(report)) => {
            output.error(&report);
            ExitCode::FAILURE
        }
        Err(Failure::Usage(report)) => {
            output.error(&report);
            ExitCode::from(USAGE)
        }
    }
}

/// Prints why there is no registry to [`run`] with, and gives the exit code 1.
pub fn fail(error: Error) -> ExitCode {
    if let Failure::Usage(report) | Failure::Failed(report) = Failure::from(error) {
        Output::new(false).error(&report);
    }
    ExitCode::FAILURE
}
