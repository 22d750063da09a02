//! A table whose rows are numbered, and whether all of them are there. Tests of tiers elsewhere include this file, too.

use std::ops::Range;
use std::time::Duration;

use tsds_engine::config::Settings;
use tsds_engine::query::{Aggregation, Direction};
use tsds_engine::traits::{Registry, Result};
use tsds_engine::{Database, Stats};
use tsds_io::SimWorld;

use super::support::{self, PATH, Row, TABLE, batch, rows_of, sorted_ids};

/// Rows of two series, a minute apart: sixty of them fill a chunk.
pub fn rows(ids: Range<i64>) -> Vec<Row> {
    let row =
        |id: i64| Row { time: id * 60_000, host: format!("host-{}", id % 2), value: Some(id as f64), id };
    ids.map(row).collect()
}

pub async fn open(machine: &SimWorld, registry: &Registry, settings: Settings) -> Result<Database> {
    let builder = Database::builder(PATH).world(machine.world()).registry(registry.clone());
    builder.settings(settings).open().await
}

/// A database with these rows in segments.
pub async fn filled(
    machine: &SimWorld,
    registry: &Registry,
    settings: Settings,
    ids: Range<i64>,
) -> Database {
    let database = open(machine, registry, settings).await.unwrap();
    database.create_table(support::spec()).await.unwrap();
    write(&database, ids).await;
    database.flush().await.unwrap();
    database
}

pub async fn write(database: &Database, ids: Range<i64>) {
    let table = database.table(TABLE).unwrap();
    for start in ids.clone().step_by(10) {
        table.ingest(batch(&rows(start..(start + 10).min(ids.end)))).await.unwrap();
    }
}

pub async fn stats(database: &Database) -> Stats {
    database.stats().await.unwrap()
}

pub async fn found(database: &Database) -> Vec<i64> {
    sorted_ids(&support::everything(database).await.unwrap())
}

/// Every way to read the table finds these rows.
pub async fn assert_whole(database: &Database, ids: Range<i64>) {
    let table = database.table(TABLE).unwrap();
    let expected: Vec<i64> = ids.collect();
    assert_eq!(found(database).await, expected, "without an order");
    let sorted = table.query().sort_by("id", Direction::Ascending);
    assert_eq!(support::ids(&rows_of(&sorted.collect().await.unwrap())), expected, "sorted");
    let last = table.query().sort_by("id", Direction::Descending).limit(5).collect().await.unwrap();
    let expected_last: Vec<i64> = expected.iter().rev().take(5).copied().collect();
    assert_eq!(support::ids(&rows_of(&last)), expected_last, "the last ones");
    let counted = table.query().aggregate(Aggregation::new().count()).collect().await.unwrap();
    let counts = counted[0].column(0).as_any().downcast_ref::<arrow_array::UInt64Array>().unwrap();
    assert_eq!(counts.value(0), expected.len() as u64, "counted");
}

/// A query while these rows are written, after those before them, finds the latter and the first of the former, each once.
pub async fn assert_whole_while_writing(database: &Database, ids: Range<i64>) {
    let (seen, ()) = futures::join!(found(database), async {
        write(database, ids.clone()).await;
        database.flush().await.unwrap();
    });
    assert!(seen.len() as i64 >= ids.start, "acknowledged before the query began");
    assert_eq!(seen, (0..seen.len() as i64).collect::<Vec<_>>(), "each once");
}

pub async fn pause(machine: &SimWorld, seconds: u64) {
    machine.world().clock.sleep(Duration::from_secs(seconds)).await;
}
