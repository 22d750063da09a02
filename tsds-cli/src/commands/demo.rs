//! `tsds demo`: ingests made-up trades, lets them move, and times queries.

use std::cell::Cell;
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

/// What is shown while rows are on their way.
struct View<'a> {
    session: &'a Session,
    database: &'a Database,
    /// When the device was last looked at, and for how long it had been busy by then.
    device: Cell<(Duration, f64)>,
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
    /// For how much of that time the device had work; absent without one.
    device_busy_seconds: Option<f64>,
}

/// Runs the demonstration.
pub(super) async fn run(mut session: Session, arguments: &Arguments) -> Result<()> {
    for (key, value) in size_tiers(&session.layers, arguments.rows, arguments.mode)? {
        session.set(key, value)?;
    }
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
    let queries = if arguments.no_queries {
        Vec::new()
    } else {
        time_queries(session, database, &table, rows_counted).await?
    };
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
    let view = View::new(session, database);
    let mut supply =
        Supply::start(Arc::clone(session.executor()), generator, arguments.rows, arguments.batch_size)
            .await?;
    let mut progress =
        Progress::start(&session.output, session.clock(), "ingesting", Unit::Rows, arguments.rows);
    let mut acknowledged = Acknowledged::default();
    while let Some(batch) = supply.next().await? {
        let shown = || (acknowledged.rows, view.text());
        let receipt = progress.watch(table.ingest(batch), shown).await?;
        acknowledged.take(receipt)?;
        progress.update(acknowledged.rows, || view.text());
    }
    let ingested = progress.elapsed();
    drop(progress);
    let mut moving = Progress::start(&session.output, session.clock(), "moving", Unit::Rows, 0);
    let settle = database.settle();
    moving.watch(settle, || (0, view.text())).await?;
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

impl<'a> View<'a> {
    fn new(session: &'a Session, database: &'a Database) -> Self {
        let busy = database.resident().busy_seconds.unwrap_or_default();
        let now = session.clock().monotonic();
        Self { session, database, device: Cell::new((now, busy)) }
    }

    /// Where the rows are, how much memory that takes, and what the device does.
    fn text(&self) -> String {
        let counts = self.database.tier_counts();
        let memory = memory(&*self.session.world.vfs)
            .resident
            .map(|resident| format!(", {} memory", bytes(resident)))
            .unwrap_or_default();
        let resident = self.database.resident();
        let device = device_text(&resident, self.busy_share(&resident));
        format!(
            "hot {}, warm {}, cold {}{memory}{device}",
            thousands(counts.hot),
            thousands(counts.warm),
            thousands(counts.cold)
        )
    }

    /// For which share of the time since the last look the device had work.
    fn busy_share(&self, resident: &ResidentStats) -> Option<f64> {
        let (now, busy) = (self.session.clock().monotonic(), resident.busy_seconds?);
        let (then, was_busy) = self.device.replace((now, busy));
        let span = now.saturating_sub(then).as_secs_f64();
        (span > 0.0).then(|| ((busy - was_busy) / span).clamp(0.0, 1.0))
    }
}

/// How much of a device's memory is used, behind other things, and how busy this database keeps it; nothing where segments are
/// held on the host. What others do with the device is not known here.
fn device_text(resident: &ResidentStats, busy: Option<f64>) -> String {
    if resident.device.is_none() {
        return String::new();
    }
    let limit = resident.limit_bytes.map(|limit| format!(" of {}", bytes(limit))).unwrap_or_default();
    let busy = busy.map(|share| format!(", busy {:.0} %", share * 100.0)).unwrap_or_default();
    format!(", {}{limit} on the device{busy}", bytes(resident.bytes))
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

async fn time_queries(
    session: &Session,
    database: &Database,
    table: &Table,
    rows: u64,
) -> Result<Vec<QueryTime>> {
    let mut times = Vec::new();
    for demo in demo_queries(table, rows)? {
        let before = database.resident().busy_seconds;
        let began = session.clock().monotonic();
        let mut stream = demo.query.stream().await?;
        let mut rows = 0;
        while let Some(batch) = stream.next().await {
            rows += batch?.num_rows() as u64;
        }
        let seconds = session.clock().monotonic().saturating_sub(began).as_secs_f64();
        // A device that was opened anew meanwhile counts from nothing.
        let busy = |now: f64| (now - before.unwrap_or_default()).clamp(0.0, seconds);
        let device_busy_seconds = database.resident().busy_seconds.map(busy);
        times.push(QueryTime { name: demo.name, rows, seconds, device_busy_seconds });
    }
    Ok(times)
}

fn queries_text(queries: &[QueryTime]) -> String {
    if queries.is_empty() {
        return String::new();
    }
    let on_device = queries.iter().any(|query| query.device_busy_seconds.is_some());
    let mut columns = vec![("query", Align::Left), ("rows", Align::Right), ("time", Align::Right)];
    columns.extend(on_device.then_some(("device busy", Align::Right)));
    let mut table = TextTable::new(columns);
    let time = |span: f64| seconds(Duration::from_secs_f64(span));
    for query in queries {
        let mut row = vec![query.name.to_owned(), thousands(query.rows), time(query.seconds)];
        row.extend(on_device.then(|| query.device_busy_seconds.map(time).unwrap_or_default()));
        table.row(row);
    }
    format!("\n{}", table.text())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resident(device: Option<&str>, limit_bytes: Option<u64>) -> ResidentStats {
        let device = device.map(str::to_owned);
        ResidentStats {
            backend: "tsds.warm.cuda",
            device,
            segments: 1,
            rows: 9,
            bytes: 3 << 20,
            limit_bytes,
            busy_seconds: None,
        }
    }

    #[test]
    fn the_memory_of_a_device_is_shown_with_its_limit_and_that_of_the_host_is_not() {
        assert_eq!(
            device_text(&resident(Some("GPU"), Some(8 << 20)), Some(0.254)),
            ", 3.00 MiB of 8.00 MiB on the device, busy 25 %"
        );
        assert_eq!(device_text(&resident(Some("GPU"), None), None), ", 3.00 MiB on the device");
        assert_eq!(device_text(&resident(None, Some(8 << 20)), Some(0.5)), "");
    }

    #[test]
    fn queries_say_how_long_the_device_worked_on_them_where_there_is_one() {
        let query =
            |device_busy_seconds| QueryTime { name: "count", rows: 7, seconds: 2.0, device_busy_seconds };
        assert!(queries_text(&[query(Some(0.5))]).contains("device busy"));
        assert!(!queries_text(&[query(None)]).contains("device"));
    }
}
