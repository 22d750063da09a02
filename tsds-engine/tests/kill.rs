//! `kill -9` in the middle of whatever the engine does, on the real file system: the parent keeps the list of what was
//! acknowledged, and counts after each restart.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use support::{Row, TABLE};
use tsds_engine::Database;
use tsds_io::Runtime;

const DIRECTORY: &str = "TSDS_KILLED_DATABASE";
const CYCLES: u64 = 12;
const ROWS: i64 = 11;

fn rows(batch: i64) -> Vec<Row> {
    let row = |id: i64| Row {
        time: id % 9_000 * 1_000,
        host: format!("host-{}", id % 3),
        value: Some(id as f64),
        id,
    };
    (batch * ROWS..(batch + 1) * ROWS).map(row).collect()
}

async fn open(runtime: &Runtime, path: &Path) -> Database {
    let builder = Database::builder(path).world(runtime.world()).registry(support::registry());
    let database = builder.settings(support::small()).open().await.unwrap();
    if database.table(TABLE).is_err() {
        database.create_table(support::spec()).await.unwrap();
    }
    database
}

/// Writes batch after batch from the one after the last that is there, and says which were acknowledged.
#[test]
#[ignore = "the parent test starts this as the process that it kills"]
fn the_process_that_is_killed() {
    let Ok(directory) = std::env::var(DIRECTORY) else {
        panic!("started by hand: there is nothing to write to")
    };
    let runtime = Runtime::new(Some(2)).unwrap();
    runtime.block_on(async {
        let database = open(&runtime, Path::new(&directory)).await;
        let next = support::everything(&database)
            .await
            .unwrap()
            .iter()
            .map(|row| row.id / ROWS + 1)
            .max()
            .unwrap_or(0);
        for batch in next.. {
            println!("begin {batch}");
            database.table(TABLE).unwrap().ingest(support::batch(&rows(batch))).await.unwrap();
            println!("done {batch}");
            std::io::stdout().flush().unwrap();
        }
    });
}

/// Lets a child write until it has acknowledged `acknowledgements` batches more, then kills it. Returns the last batch that
/// it acknowledged.
fn write_and_kill(directory: &Path, acknowledgements: u64) -> Option<i64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_process_that_is_killed", "--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut last = None;
    let mut left = acknowledgements;
    let note = |line: String, last: &mut Option<i64>| {
        let done = line.strip_prefix("done ").and_then(|batch| batch.parse().ok());
        *last = done.or(*last);
        done.is_some()
    };
    while left > 0 {
        let line = lines.next().expect("the child goes on writing").unwrap();
        left -= u64::from(note(line, &mut last));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it said before it died, it had done.
    lines.map_while(Result::ok).for_each(|line| {
        note(line, &mut last);
    });
    last
}

#[test]
fn every_acknowledged_row_is_there_once_after_kill_9() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let mut acknowledged = -1;
    for cycle in 0..CYCLES {
        // A few to some hundreds of writes: deaths while memory fills, seals and moves.
        let last = write_and_kill(&path, 1 + cycle * cycle * 2);
        acknowledged = last.unwrap_or(acknowledged).max(acknowledged);
        let runtime = Runtime::new(Some(2)).unwrap();
        let found = runtime.block_on(async {
            let database = open(&runtime, &path).await;
            let rows = support::everything(&database).await.unwrap();
            assert_eq!(rows.len() as u64, database.tier_counts().total());
            database.close().await.unwrap();
            rows
        });
        let mut batches: BTreeMap<i64, i64> = BTreeMap::new();
        for row in &found {
            *batches.entry(row.id / ROWS).or_default() += 1;
        }
        assert!(batches.values().all(|rows| *rows == ROWS), "cycle {cycle}: half a batch, or a row twice");
        let there = batches.len() as i64;
        assert!(there > acknowledged, "cycle {cycle}: {there} batches, but {acknowledged} was acknowledged");
        assert!(there <= acknowledged + 2, "cycle {cycle}: batches that nobody wrote");
        acknowledged = there - 1;
    }
}
