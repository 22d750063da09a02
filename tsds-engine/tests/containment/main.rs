//! Plugins that panic, hang or lie: the engine names them, loses nothing, and goes on without them where it can.
//!
//! Each test opens a database with one saboteur, does what makes it misbehave, and then counts every acknowledged row, through
//! the fallback or after opening again with a plugin of the same id that behaves. What waits is tested in simulated time. What
//! blocks a thread needs real threads: those tests have a short deadline and a thread that comes back.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod codec;
mod cold;
mod evictor;
mod saboteurs;
#[path = "../support/mod.rs"]
mod support;
mod threads;
mod wal;
mod warm;

use std::ops::Range;

use saboteurs::QUERY_BATCH_ROWS;
use support::{PATH, Row, TABLE, batch, rows_of, sorted_ids};
use tsds_engine::config::Settings;
use tsds_engine::query::{Aggregation, Direction};
use tsds_engine::traits::{Error, Registry, Result};
use tsds_engine::{Database, PluginStats};
use tsds_io::SimWorld;

/// Rows of two series, a minute apart: sixty of them fill a chunk.
fn rows(ids: Range<i64>) -> Vec<Row> {
    let row =
        |id: i64| Row { time: id * 60_000, host: format!("host-{}", id % 2), value: Some(id as f64), id };
    ids.map(row).collect()
}

/// Small memory, and an evictor that keeps segments where they are.
fn settings() -> Settings {
    let mut settings = support::small();
    settings.warm_tier.evictor = "tsds.evict.lru".into();
    settings.query.output_batch_size = QUERY_BATCH_ROWS;
    settings
}

async fn open(machine: &SimWorld, registry: Registry, settings: Settings) -> Result<Database> {
    Database::builder(PATH).world(machine.world()).registry(registry).settings(settings).open().await
}

/// A database with these rows in segments.
async fn filled(machine: &SimWorld, registry: Registry, settings: Settings, ids: Range<i64>) -> Database {
    let database = open(machine, registry, settings).await.unwrap();
    database.create_table(support::spec()).await.unwrap();
    write(&database, ids).await;
    database.flush().await.unwrap();
    database
}

async fn write(database: &Database, ids: Range<i64>) {
    let table = database.table(TABLE).unwrap();
    for start in ids.clone().step_by(10) {
        table.ingest(batch(&rows(start..(start + 10).min(ids.end)))).await.unwrap();
    }
}

async fn found(database: &Database) -> Result<Vec<i64>> {
    Ok(sorted_ids(&support::everything(database).await?))
}

/// Every way to read the table finds these rows.
async fn assert_whole(database: &Database, ids: Range<i64>) {
    let table = database.table(TABLE).unwrap();
    let expected: Vec<i64> = ids.collect();
    assert_eq!(found(database).await.unwrap(), expected, "without an order");
    let sorted = table.query().sort_by("id", Direction::Ascending);
    assert_eq!(support::ids(&rows_of(&sorted.collect().await.unwrap())), expected, "sorted");
    let last = table.query().sort_by("id", Direction::Descending).limit(5).collect().await.unwrap();
    let expected_last: Vec<i64> = expected.iter().rev().take(5).copied().collect();
    assert_eq!(support::ids(&rows_of(&last)), expected_last, "the last ones");
    assert_eq!(count(database).await.unwrap(), expected.len() as u64, "counted");
}

async fn count(database: &Database) -> Result<u64> {
    let batches = database.table(TABLE)?.query().aggregate(Aggregation::new().count()).collect().await?;
    let counts = batches.iter().map(|batch| {
        let array = batch.column(0).as_any().downcast_ref::<arrow_array::UInt64Array>().unwrap();
        array.values().iter().sum::<u64>()
    });
    Ok(counts.sum())
}

async fn plugin(database: &Database, id: &str) -> PluginStats {
    let stats = database.stats().await.unwrap();
    stats.plugins.into_iter().find(|plugin| plugin.id == id).unwrap()
}

/// The error names who failed, and at what.
#[track_caller]
fn assert_names(error: &Error, plugin: &str, operation: &str) {
    assert_eq!((error.plugin(), error.operation()), (Some(plugin), Some(operation)), "{error:?}");
    assert!(error.to_string().contains(&format!("operation={operation} plugin={plugin}")), "{error}");
}
