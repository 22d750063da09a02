//! The `tsds` command with `example.pco` in it.

use std::process::ExitCode;

fn main() -> ExitCode {
    let registry = tsds_engine::builtin_registry().and_then(|mut registry| {
        registry.register(example_pco::PLUGIN)?;
        Ok(registry)
    });
    registry.map_or_else(tsds_cli::fail, tsds_cli::run)
}
