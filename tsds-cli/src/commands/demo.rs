//! `tsds demo`: ingests made-up trades, lets them move, and times queries.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use serde::Serialize;
use tsds_engine::query::{Aggregation, Query};
use tsds_engine::{Database, Receipt, ResidentStats, Table, TableSpec, TierStats};
use tsds_traits::{Error, ErrorKind, Sequence};

use super::closing;
use super::inspect::{say, tiers_text};
use crate::arguments::Demo as Arguments;
use crate::demo::{Generator, Supply, demo_queries, memory, size_tiers};
use crate::failure::{Failure, Result};
use crate::output::{Align, Progress, TextTable, Unit, bytes, rate, seconds, thousands};
use crate::session::Session;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report {
    mode: &'static str,
    table: &'static str,
    rows_requested: u64,
    rows_before: u64,
    rows_ingested: u64,
    rows_counted: u64,
    exact_match: bool,
    batch_size: usize,
    tiers: Tiers,
    ingest: Pace,
    settled: Pace,
    peak_rss_bytes: Option<u64>,
    queries: Vec<QueryTime>,
}

#[derive(Debug, Serialize)]
struct Tiers {
    hot: TierStats,
    warm: WarmTier,
    cold: TierStats,
}

#[derive(Debug, Serialize)]
struct WarmTier {
    #[serde(flatten)]
    tier: TierStats,
    backend: &'static str,
    device: Option<String>,
}

/// How long something took, and how many of the new rows a second that makes.
#[derive(Clone, Copy, Debug, Serialize)]
struct Pace {
    seconds: f64,
    rows_per_s: f64,
}

#[derive(Debug, Serialize)]
struct QueryTime {
    name: &'static str,
    rows: u64,
    seconds: f64,
}

/// Runs the demonstration.
pub(super) async fn run(mut session: Session, arguments: &Arguments) -> Result<()> {
    size_tiers(&mut session.layers, arguments.rows, arguments.mode)?;
    let database = session.open_or_create().await?;
    let outcome = demonstrate(&session, arguments, &database).await;
    closing(&database, outcome).await
}

async fn demonstrate(session: &Session, arguments: &Arguments, database: &Database) -> Result<()> {
    let json = arguments.json;
    let table = table(arguments, database).await?;
    let rows_before = count(&table.query()).await?;
    if rows_before > 0 {
        session.output.note(&format!(
            "{} holds {} rows; these are added",
            table.name(),
            thousands(rows_before)
        ));
    }
    let (rows_ingested, ingest, settled) = ingest(session, arguments, database, &table, rows_before).await?;
    let rows_counted = count(&table.query()).await?;
    let (tiers, text) = tiers(database, table.name()).await?;
    say(&session.output, json, &text)?;
    let exact_match = rows_counted == rows_before + rows_ingested;
    let summary = summary(arguments, [rows_ingested, rows_before, rows_counted], ingest, settled);
    say(&session.output, json, &summary)?;
    let queries =
        if arguments.no_queries { Vec::new() } else { time_queries(session, &table, rows_counted).await? };
    say(&session.output, json, &queries_text(&queries))?;
    let peak = memory(&*session.world.vfs).peak;
    if let Some(peak) = peak {
        say(&session.output, json, &format!("\npeak memory: {}\n", bytes(peak)))?;
    }
    let report = Report {
        mode: arguments.mode.name(),
        table: arguments.mode.table(),
        rows_requested: arguments.rows,
        rows_before,
        rows_ingested,
        rows_counted,
        exact_match,
        batch_size: arguments.batch_size,
        tiers,
        ingest,
        settled,
        peak_rss_bytes: peak,
        queries,
    };
    if json {
        session.output.print_json(&report)?;
    }
    if exact_match {
        return Ok(());
    }
    Err(Failure::failed("the database does not hold the rows that it acknowledged")
        .value("rows_expected", rows_before + rows_ingested)
        .value("rows_counted", rows_counted))
}

async fn table(arguments: &Arguments, database: &Database) -> Result<Table> {
    let name = arguments.mode.table();
    match database.table(name) {
        Ok(table) if *table.schema()?.arrow() == arguments.mode.schema() => Ok(table),
        Ok(_) => Err(Failure::failed("a table of this name exists, but with other columns")
            .value("table", name)
            .hint("give another --path")),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let spec = TableSpec::new(name, arguments.mode.schema(), "timestamp").series(["symbol"]);
            Ok(database.create_table(spec).await?)
        }
        Err(error) => Err(error.into()),
    }
}

async fn count(query: &Query) -> Result<u64> {
    let batches = query.clone().aggregate(Aggregation::new().count()).collect().await?;
    let counts = batches.iter().flat_map(|batch| batch.columns().first());
    let count = counts.filter_map(|array| {
        let array = array.as_any().downcast_ref::<arrow_array::UInt64Array>()?;
        Some(array.values().iter().sum::<u64>())
    });
    Ok(count.sum())
}

/// Ingests all rows durably and waits until they have moved.
async fn ingest(
    session: &Session,
    arguments: &Arguments,
    database: &Database,
    table: &Table,
    rows_before: u64,
) -> Result<(u64, Pace, Pace)> {
    let generator = Generator::new(arguments.mode, rows_before);
    let mut supply =
        Supply::start(Arc::clone(session.executor()), generator, arguments.rows, arguments.batch_size)
            .await?;
    let mut progress =
        Progress::start(&session.output, session.clock(), "ingesting", Unit::Rows, arguments.rows);
    let mut acknowledged = Acknowledged::default();
    while let Some(batch) = supply.next().await? {
        let shown = || (acknowledged.rows, state(session, database));
        let receipt = progress.watch(table.ingest(batch), shown).await?;
        acknowledged.take(receipt)?;
        progress.update(acknowledged.rows, || state(session, database));
    }
    let ingested = progress.elapsed();
    drop(progress);
    let mut moving = Progress::start(&session.output, session.clock(), "moving", Unit::Rows, 0);
    let settle = database.settle();
    moving.watch(settle, || (0, state(session, database))).await?;
    let settled = ingested + moving.elapsed();
    let pace = |span: Duration| {
        let seconds = span.as_secs_f64();
        Pace { seconds, rows_per_s: acknowledged.rows as f64 / seconds.max(1e-9) }
    };
    Ok((acknowledged.rows, pace(ingested), pace(settled)))
}

/// What has been acknowledged so far.
#[derive(Debug, Default)]
struct Acknowledged {
    rows: u64,
    last: Option<Sequence>,
}

impl Acknowledged {
    /// Takes the next acknowledgement, which must be of a later write than the one before.
    fn take(&mut self, receipt: Receipt) -> Result<()> {
        if self.last.is_some_and(|last| last >= receipt.sequence) {
            return Err(
                Error::internal("batches were acknowledged in another order than they were written").into()
            );
        }
        self.last = Some(receipt.sequence);
        self.rows += receipt.rows;
        Ok(())
    }
}

/// Where the rows are, and how much memory that takes.
fn state(session: &Session, database: &Database) -> String {
    let counts = database.tier_counts();
    let memory = memory(&*session.world.vfs)
        .resident
        .map(|resident| format!(", {} memory", bytes(resident)))
        .unwrap_or_default();
    let device = device_text(&database.resident());
    format!(
        "hot {}, warm {}, cold {}{memory}{device}",
        thousands(counts.hot),
        thousands(counts.warm),
        thousands(counts.cold)
    )
}

/// How much of a device's memory is used, behind other things; nothing where segments are held on the host. How busy it is no driver tells
/// without further libraries.
fn device_text(resident: &ResidentStats) -> String {
    match (&resident.device, resident.limit_bytes) {
        (None, _) => String::new(),
        (Some(_), None) => format!(", {} on the device", bytes(resident.bytes)),
        (Some(_), Some(limit)) => format!(", {} of {} on the device", bytes(resident.bytes), bytes(limit)),
    }
}

/// Where the rows of the table are now, for machines and for people.
async fn tiers(database: &Database, table: &str) -> Result<(Tiers, String)> {
    let stats = database.stats().await?;
    let found = stats.tables.iter().find(|stats| stats.name == table);
    let found = found.ok_or_else(|| Error::internal("the table is missing from the statistics"))?.tiers;
    let warm = WarmTier { tier: found.warm, backend: stats.resident.backend, device: stats.resident.device };
    Ok((Tiers { hot: found.hot, warm, cold: found.cold }, tiers_text(&found)))
}

fn summary(
    arguments: &Arguments,
    [ingested, before, counted]: [u64; 3],
    ingest: Pace,
    settled: Pace,
) -> String {
    let pace = |pace: Pace| {
        format!("{} rows/s ({})", rate(pace.rows_per_s), seconds(Duration::from_secs_f64(pace.seconds)))
    };
    format!(
        "\n{} rows asked for, {} ingested on top of {}, {} counted by a query: {}\n\
         durable:  {} in batches of {}\n\
         settled:  {}\n",
        thousands(arguments.rows),
        thousands(ingested),
        thousands(before),
        thousands(counted),
        if counted == before + ingested { "exact" } else { "WRONG" },
        pace(ingest),
        thousands(arguments.batch_size as u64),
        pace(settled),
    )
}

async fn time_queries(session: &Session, table: &Table, rows: u64) -> Result<Vec<QueryTime>> {
    let mut times = Vec::new();
    for demo in demo_queries(table, rows)? {
        let began = session.clock().monotonic();
        let mut stream = demo.query.stream().await?;
        let mut rows = 0;
        while let Some(batch) = stream.next().await {
            rows += batch?.num_rows() as u64;
        }
        let seconds = session.clock().monotonic().saturating_sub(began).as_secs_f64();
        times.push(QueryTime { name: demo.name, rows, seconds });
    }
    Ok(times)
}

fn queries_text(queries: &[QueryTime]) -> String {
    if queries.is_empty() {
        return String::new();
    }
    let mut table = TextTable::new([("query", Align::Left), ("rows", Align::Right), ("time", Align::Right)]);
    for query in queries {
        table.row([
            query.name.to_owned(),
            thousands(query.rows),
            seconds(Duration::from_secs_f64(query.seconds)),
        ]);
    }
    format!("\n{}", table.text())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resident(device: Option<&str>, limit_bytes: Option<u64>) -> ResidentStats {
        let device = device.map(str::to_owned);
        ResidentStats { backend: "tsds.warm.cuda", device, segments: 1, rows: 9, bytes: 3 << 20, limit_bytes }
    }

    #[test]
    fn the_memory_of_a_device_is_shown_with_its_limit_and_that_of_the_host_is_not() {
        assert_eq!(
            device_text(&resident(Some("GPU"), Some(8 << 20))),
            ", 3.00 MiB of 8.00 MiB on the device"
        );
        assert_eq!(device_text(&resident(Some("GPU"), None)), ", 3.00 MiB on the device");
        assert_eq!(device_text(&resident(None, Some(8 << 20))), "");
    }
}
