//! `tsds export`: a table, or a part of it, in files.

mod target;

use std::io;

use futures::StreamExt;
use serde_json::json;
use tsds_engine::query::QueryStream;
use tsds_engine::{Database, Table};
use tsds_traits::Error;

use super::closing;
use super::query::Request;
use crate::arguments::Export as Arguments;
use crate::failure::{Failure, Result};
use crate::output::{Progress, Unit, bytes, counted, rate, seconds, thousands};
use crate::result::Format;
use crate::session::Session;
use target::{Target, Written};

/// Runs the export. The target has its name only once it is whole.
pub(super) async fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let format = format(arguments)?;
    let query = arguments.query();
    let request = Request::parse(&query)?;
    let target = Target::new(&session.world.vfs, &arguments.target, format, arguments.split_rows);
    let (free, force) = (target.clone(), arguments.force);
    session.blocking(move || free.check_free(force)).await?;
    let database = session.open_existing().await?;
    let outcome = match database.table(&arguments.table) {
        Ok(table) => export(session, arguments, &database, &table, &request, target).await,
        Err(error) => Err(error.into()),
    };
    closing(&database, outcome).await
}

/// The format that is asked for.
fn format(arguments: &Arguments) -> Result<Format> {
    let split = arguments.split_rows.map(|_| Format::Parquet);
    match arguments.format.or_else(|| Format::of_ending(&arguments.target)).or(split) {
        Some(Format::Table) => {
            Err(Failure::usage("the format table is for people")
                .hint("give another --format, such as parquet"))
        }
        Some(format) => Ok(format),
        None => Err(Failure::usage("the ending of the target says no format")
            .value("target", arguments.target.display())
            .hint("give --format, or an ending such as .parquet, .arrow, .csv or .jsonl")),
    }
}

async fn export(
    session: &Session,
    arguments: &Arguments,
    database: &Database,
    table: &Table,
    request: &Request<'_>,
    mut target: Target,
) -> Result<()> {
    let query = request.query(table, &*table.schema()?)?;
    let total = if arguments.filter.is_some() { 0 } else { rows_of(database, table).await? };
    let mut progress = Progress::start(&session.output, session.clock(), "exporting", Unit::Rows, total);
    let stream = query.stream().await.map_err(|error| request.locate(error))?;
    let outcome = write(session, request, stream, &mut target, &mut progress).await;
    let force = arguments.force;
    // Whatever happens, nothing half-written is left.
    let written = match outcome {
        Ok(()) => session.blocking(move || target.finish(force)).await,
        Err(failure) => {
            session
                .blocking(move || {
                    target.discard();
                    Ok(())
                })
                .await?;
            Err(failure)
        }
    }?;
    let elapsed = progress.elapsed();
    drop(progress);
    show(session, arguments, &written, elapsed)
}

/// All rows of a table.
async fn rows_of(database: &Database, table: &Table) -> Result<u64> {
    let stats = database.stats().await?;
    Ok(stats.tables.iter().find(|stats| stats.name == table.name()).map_or(0, |stats| stats.rows))
}

async fn write(
    session: &Session,
    request: &Request<'_>,
    mut stream: QueryStream,
    target: &mut Target,
    progress: &mut Progress,
) -> Result<()> {
    let schema = std::sync::Arc::clone(stream.schema());
    let mut rows: u64 = 0;
    loop {
        let state = || (rows, format!("{} rows", thousands(rows)));
        let batch = progress.watch(stream.next(), state).await.transpose();
        let Some(batch) = batch.map_err(|error: Error| request.locate(error))? else { break };
        rows += batch.num_rows() as u64;
        // Taken along and back, since the job may outlive whoever waits for it.
        let (mut own, schema) = (target.take(), std::sync::Arc::clone(&schema));
        let job = session.blocking(move || {
            let written = own.write(&schema, &batch);
            Ok((own, written))
        });
        let (own, written) = progress.watch(job, || (rows, format!("{} rows", thousands(rows)))).await?;
        *target = own;
        written.map_err(|error| cannot_write(&error, target))?;
    }
    let mut own = target.take();
    let (own, started) = session
        .blocking(move || {
            let started = own.start_if_none(&schema);
            Ok((own, started))
        })
        .await?;
    *target = own;
    started.map_err(|error| cannot_write(&error, target))
}

fn cannot_write(error: &io::Error, target: &Target) -> Failure {
    Failure::writing(error, &target.name())
}

fn show(
    session: &Session,
    arguments: &Arguments,
    written: &Written,
    elapsed: std::time::Duration,
) -> Result<()> {
    let per_second = written.rows as f64 / elapsed.as_secs_f64().max(1e-9);
    let target = arguments.target.display().to_string();
    if arguments.json {
        return session.output.print_json(&json!({
            "table": arguments.table,
            "target": target,
            "format": written.format.name(),
            "rows": written.rows,
            "files": written.files,
            "bytes": written.bytes,
            "seconds": elapsed.as_secs_f64(),
            "rows_per_s": per_second,
        }));
    }
    session.output.print(&format!(
        "{} of {} into {target} ({}, {}) in {} ({} rows/s)\n",
        counted(written.rows, "row"),
        arguments.table,
        counted(written.files, "file"),
        bytes(written.bytes),
        seconds(elapsed),
        rate(per_second),
    ))
}
