//! The commands, one file each.

mod demo;
mod import;
mod inspect;
mod query;

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
    let session = Session::new(world, output, arguments.common, registry).await?;
    match arguments.command {
        Command::Demo(arguments) => demo::run(session, &arguments).await,
        Command::Import(arguments) => import::run(&session, arguments).await,
        Command::Query(arguments) => query::run(&session, &arguments).await,
        Command::Stats(arguments) => inspect::stats(&session, arguments).await,
        Command::Tables(arguments) => inspect::tables(&session, arguments).await,
        Command::Verify(arguments) => inspect::verify(&session, arguments).await,
    }
}

/// Closes the database, whatever came of the work; what went wrong first is what the user hears of.
async fn closing<T>(database: &Database, outcome: Result<T>) -> Result<T> {
    let closed = database.close().await;
    let value = outcome?;
    closed?;
    Ok(value)
}
