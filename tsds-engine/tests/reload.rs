//! Settings that change while a database is open.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join;
use support::{Row, batch, ids, open, rows_of, small, spec};
use tsds_engine::Database;
use tsds_engine::config::{Settings, Sources};
use tsds_engine::query::Direction;
use tsds_io::SimWorld;
use tsds_traits::{ErrorKind, World};

const FILE: &str = "/etc/tsds.json";

/// What the file says, beside what the tests need.
fn sources() -> Sources {
    let small = serde_json::to_value(small()).unwrap();
    let kept = ["warm_tier.backend", "warm_tier.evictor", "wal.file_mb", "hot_tier.segment_rows"];
    let code = kept.iter().map(|key| {
        let (section, name) = key.split_once('.').unwrap();
        ((*key).to_owned(), small[section][name].clone())
    });
    Sources { file: Some(FILE.into()), code: code.collect(), ..Sources::default() }
}

fn write(machine: &SimWorld, text: &str) {
    machine.write_file(FILE, text.as_bytes()).unwrap();
}

fn row(id: i64) -> Row {
    Row { time: id * 250, host: format!("h{}", id % 3), value: Some(id as f64), id }
}

/// A second passes.
async fn a_second(world: &World) {
    world.clock.sleep(Duration::from_secs(1)).await;
}

#[test]
fn a_change_of_the_file_is_in_effect_within_a_second() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let world = machine.world();
        write(&machine, r#"{"hot_tier": {"max_records": 60}}"#);
        let database = open(&machine).await.unwrap();
        let told = Arc::new(AtomicBool::new(false));
        let tell = Arc::clone(&told);
        database.follow(sources(), move |settings, reload| {
            if settings.query.output_batch_size == 7 {
                assert_eq!(reload.applied.len(), 1, "{reload:?}");
                tell.store(true, Ordering::Relaxed);
            }
        });
        a_second(&world).await;
        assert_eq!(database.settings().hot_tier.max_records, 60);
        write(&machine, r#"{"hot_tier": {"max_records": 60}, "query": {"output_batch_size": 7}}"#);
        a_second(&world).await;
        assert_eq!(database.settings().query.output_batch_size, 7);
        assert!(told.load(Ordering::Relaxed));
        let table = database.create_table(spec()).await.unwrap();
        table.ingest(batch(&(0..20).map(row).collect::<Vec<_>>())).await.unwrap();
        let found = table.query().collect().await.unwrap();
        assert!(found.iter().all(|batch| batch.num_rows() <= 7));
        database.close().await.unwrap();
    });
}

#[test]
fn an_invalid_file_changes_nothing_and_says_why() {
    let machine = SimWorld::new(2);
    machine.block_on(async {
        let world = machine.world();
        write(&machine, r#"{"query": {"output_batch_size": 9}}"#);
        let database = open(&machine).await.unwrap();
        database.follow(sources(), |_, _| {});
        a_second(&world).await;
        let before = database.settings();
        let reloads = database.stats().await.unwrap().config.reloads;
        for (text, why) in [
            (r#"{"query": {"output_batch_size": 10"#, "line=1"),
            (r#"{"query": {"output_batch_size": 11}, "hot_tear": {"max_records": 1}}"#, "did_you_mean"),
            (r#"{"query": {"output_batch_size": 12, "memory_limit_mb": 0}}"#, "query.memory_limit_mb"),
            (r#"{"query": {"output_batch_size": "many"}}"#, "query.output_batch_size"),
            ("", "line=1"),
        ] {
            write(&machine, text);
            a_second(&world).await;
            let stats = database.stats().await.unwrap().config;
            let refusal = stats.refusal.unwrap();
            assert!(
                refusal.contains(why) && (refusal.contains(FILE) || why == "query.memory_limit_mb"),
                "{refusal}"
            );
            assert_eq!(*database.settings(), *before, "{text}");
            assert_eq!(stats.reloads, reloads);
        }
        machine.remove_file(FILE).unwrap();
        a_second(&world).await;
        assert!(database.stats().await.unwrap().config.refusal.unwrap().contains("cannot read"));
        write(&machine, r#"{"query": {"output_batch_size": 13}}"#);
        a_second(&world).await;
        let stats = database.stats().await.unwrap().config;
        assert_eq!((stats.refusal, stats.refused), (None, 6));
        assert_eq!(database.settings().query.output_batch_size, 13);
        database.close().await.unwrap();
    });
}

#[test]
fn what_needs_reopening_is_named_and_stays_as_it_is() {
    let machine = SimWorld::new(3);
    machine.block_on(async {
        let database = open(&machine).await.unwrap();
        let mut wanted = Settings::clone(&database.settings());
        wanted.storage.wal_path = Some("elsewhere".into());
        wanted.wal.max_mb = 5;
        let reload = database.reload(wanted).unwrap();
        assert_eq!(reload.applied.len(), 1);
        assert_eq!(reload.needs_reopening[0].key, "storage.wal_path");
        let now = database.settings();
        assert_eq!((now.storage.wal_path.as_deref(), now.wal.max_mb), (None, 5));
        assert_eq!(database.stats().await.unwrap().config.needs_reopening, ["storage.wal_path"]);
        database.close().await.unwrap();
        let closed = database.reload(Settings::default()).unwrap_err();
        assert_eq!(closed.kind(), ErrorKind::Closed);
    });
}

#[test]
fn a_writer_that_waits_for_memory_goes_on_once_there_may_be_more() {
    let machine = SimWorld::new(4);
    machine.block_on(async {
        let world = machine.world();
        let database = open(&machine).await.unwrap();
        let table = database.create_table(spec()).await.unwrap();
        // A reader pins what is in memory, so that nothing is released.
        table.ingest(batch(&(0..80).map(row).collect::<Vec<_>>())).await.unwrap();
        let snapshot = database.snapshot();
        let began = world.clock.monotonic();
        let mut roomy = Settings::clone(&database.settings());
        roomy.hot_tier.max_records = 10_000;
        let write = async {
            table.ingest(batch(&[row(80)])).await.unwrap();
            world.clock.monotonic() - began
        };
        let raise = async {
            world.clock.sleep(Duration::from_secs(3)).await;
            database.reload(roomy).unwrap();
        };
        let (waited, ()) = join(write, raise).await;
        assert!((3..4).contains(&waited.as_secs()), "{waited:?}");
        drop(snapshot);
        database.close().await.unwrap();
    });
}

/// Writes until told to stop; gives how many rows were acknowledged.
async fn write_rows(database: &Database, world: &World, stop: &AtomicBool) -> i64 {
    let table = database.create_table(spec()).await.unwrap();
    let mut next = 0;
    while !stop.load(Ordering::Relaxed) {
        let rows: Vec<Row> = (next..next + 5).map(row).collect();
        table.ingest(batch(&rows)).await.unwrap();
        next += 5;
        world.clock.sleep(Duration::from_millis(20)).await;
    }
    next
}

#[test]
fn reloads_under_load_lose_no_row() {
    let machine = SimWorld::new(5);
    machine.block_on(async {
        let world = machine.world();
        write(&machine, "{}");
        let database = open(&machine).await.unwrap();
        database.follow(sources(), |_, _| {});
        let stop = AtomicBool::new(false);
        let change = async {
            a_second(&world).await;
            for (records, interval) in [(30, "1h"), (500, "1d"), (0, "1d"), (9, "30m"), (60, "1h")] {
                let text = format!(
                    r#"{{"hot_tier": {{"max_records": {records}}}, "tables": {{"chunk_interval": "{interval}"}}}}"#
                );
                write(&machine, &text);
                world.clock.sleep(Duration::from_millis(900)).await;
            }
            stop.store(true, Ordering::Relaxed);
        };
        let (written, ()) = join(write_rows(&database, &world, &stop), change).await;
        let stats = database.stats().await.unwrap().config;
        // The one with no rows at all is refused.
        assert_eq!((stats.reloads, stats.refused), (5, 1), "{stats:?}");
        database.settle().await.unwrap();
        let expected: Vec<i64> = (0..written).collect();
        let table = database.table(support::TABLE).unwrap();
        let found = table.query().sort_by("time", Direction::Ascending).collect().await.unwrap();
        assert_eq!(ids(&rows_of(&found)), expected);
        database.close().await.unwrap();
        let database = open(&machine).await.unwrap();
        let table = database.table(support::TABLE).unwrap();
        let found = table.query().sort_by("time", Direction::Ascending).collect().await.unwrap();
        assert_eq!(ids(&rows_of(&found)), expected);
        database.close().await.unwrap();
    });
}
