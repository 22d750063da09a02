//! The commands, one file each.

mod alter;
mod bench;
mod config;
#[cfg(feature = "conformance")]
mod conformance;
mod demo;
mod export;
mod import;
mod inspect;
mod plugins;
mod query;
mod repair;
#[cfg(feature = "serve-metrics")]
mod serve_metrics;

use tsds_engine::Database;
use tsds_traits::{Registry, World};

use crate::arguments::{Arguments, Command};
use crate::failure::Result;
use crate::output::Output;
use crate::session::Session;

/// Runs one command.
///
/// # Errors
///
/// Why it did not succeed.
pub(crate) async fn run(
    world: World,
    output: Output,
    arguments: Arguments,
    registry: Registry,
) -> Result<()> {
    // Made only by the commands that wait for it: what is wrong with the settings of a database is no concern of the others.
    let common = arguments.common.clone();
    let session = Session::new(world.clone(), output.clone(), arguments.common, registry.clone());
    match arguments.command {
        Command::Demo(arguments) => demo::run(session.await?, &arguments).await,
        Command::Import(arguments) => import::run(&session.await?, arguments).await,
        Command::Query(arguments) => query::run(&session.await?, &arguments).await,
        Command::Export(arguments) => export::run(&session.await?, &arguments).await,
        Command::Alter(arguments) => alter::run(&session.await?, arguments).await,
        Command::Stats(arguments) => inspect::stats(&session.await?, arguments).await,
        Command::Tables(arguments) => inspect::tables(&session.await?, arguments).await,
        Command::Verify(arguments) => inspect::verify(&session.await?, arguments).await,
        #[cfg(feature = "serve-metrics")]
        Command::ServeMetrics(arguments) => serve_metrics::run(&session.await?, &arguments).await,
        Command::Repair(arguments) => repair::run(&session.await?, arguments).await,
        Command::Plugins(shown) => plugins::run(&output, &registry, shown),
        Command::Config(arguments) => config::run(&world, &output, common, arguments).await,
        Command::Bench(arguments) => bench::run(&world, &output, &registry, arguments).await,
        #[cfg(feature = "conformance")]
        Command::Conformance(arguments) => conformance::run(&world, &output, &registry, &arguments).await,
    }
}

/// Closes the database, whatever came of the work; what went wrong first is what the user hears of.
async fn closing<T>(database: &Database, outcome: Result<T>) -> Result<T> {
    let closed = database.close().await;
    let value = outcome?;
    closed?;
    Ok(value)
}
