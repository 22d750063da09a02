//! The `tsds` command with everything that ships with TSDS.

use std::process::ExitCode;

fn main() -> ExitCode {
    tsds_io::share_freed_memory();
    tsds_engine::builtin_registry().map_or_else(tsds_cli::fail, tsds_cli::run)
}
