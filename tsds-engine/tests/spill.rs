//! Sorts that do not fit in memory.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use arrow_array::RecordBatch;
use futures::StreamExt;
use proptest::prelude::*;
use support::{PATH, Row, TABLE, open_with, rows_of, spec};
use tsds_engine::config::Settings;
use tsds_engine::query::{Direction, Query, col};
use tsds_engine::{Database, Table};
use tsds_io::SimWorld;
use tsds_traits::{ErrorKind, OpenMode, Result};

/// Segments of some thousand rows, and a megabyte to sort them in.
fn tight() -> Settings {
    let mut settings = support::small();
    settings.hot_tier.max_records = 6_000;
    settings.hot_tier.segment_rows = 2_500;
    settings.query.memory_limit_mb = 1;
    settings
}

/// Rows that agree in many things, in no order.
fn rows(seed: u64, count: i64) -> Vec<Row> {
    let mut state = seed | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as i64
    };
    let row = |id| {
        let value = match next() % 20 {
            0 => None,
            1 => Some(f64::NAN),
            2 => Some(-0.0),
            other => Some((other * next() % 50) as f64 / 4.0),
        };
        Row { time: next() % 600_000, host: format!("host-{}", next() % 40), value, id }
    };
    (0..count).map(row).collect()
}

async fn filled(machine: &SimWorld, settings: Settings, rows: &[Row]) -> (Database, Table) {
    let database = open_with(machine, settings).await.unwrap();
    let table = database.create_table(spec().chunk_interval("1d")).await.unwrap();
    for batch in rows.chunks(500) {
        table.ingest(support::batch(batch)).await.unwrap();
    }
    database.settle().await.unwrap();
    (database, table)
}

/// The same rows, sorted by a database that has memory for it.
async fn in_memory(machine: &SimWorld, query: &dyn Fn(Query) -> Query) -> (Vec<RecordBatch>, u64) {
    let roomy = Settings { query: Default::default(), ..tight() };
    let database = open_with(machine, roomy).await.unwrap();
    let found = query(database.table(TABLE).unwrap().query()).collect().await.unwrap();
    let spilled = database.stats().await.unwrap().spilled_bytes;
    database.close().await.unwrap();
    (found, spilled)
}

fn same(found: &[RecordBatch], expected: &[RecordBatch]) {
    let bits = |row: Row| (row.time, row.host, row.value.map(f64::to_bits), row.id);
    let [found, expected] =
        [found, expected].map(|batches| rows_of(batches).into_iter().map(bits).collect::<Vec<_>>());
    assert_eq!(found.len(), expected.len());
    if let Some(place) = (0..found.len()).find(|place| found[*place] != expected[*place]) {
        panic!("row {place}: {:?}, not {:?}", found[place], expected[place]);
    }
}

fn spill_files(machine: &SimWorld) -> usize {
    let vfs = machine.world().vfs;
    vfs.read_dir(format!("{PATH}/spill").as_ref()).map_or(0, |entries| entries.len())
}

/// Sorts on disk and in memory, and compares.
fn sorts_alike(seed: u64, count: i64, query: &dyn Fn(Query) -> Query) {
    let machine = SimWorld::new(seed);
    machine.block_on(async {
        let (database, table) = filled(&machine, tight(), &rows(seed, count)).await;
        let found = query(table.query()).collect().await.unwrap();
        assert!(database.stats().await.unwrap().spilled_bytes > 0, "nothing was sorted on disk");
        assert_eq!(spill_files(&machine), 0, "files have no name");
        database.close().await.unwrap();
        let (expected, spilled) = in_memory(&machine, query).await;
        assert_eq!(spilled, 0);
        same(&found, &expected);
    });
}

#[test]
fn a_sort_on_disk_gives_the_rows_and_ties_of_one_in_memory() {
    sorts_alike(1, 40_000, &|query| query.sort_by("value", Direction::Descending));
}

#[test]
fn segments_of_several_runs_keep_their_ties() {
    let mut settings = tight();
    settings.hot_tier.max_records = 60_000;
    settings.hot_tier.segment_rows = 20_000;
    let machine = SimWorld::new(2);
    machine.block_on(async {
        // All in one series at one time: only arrival tells rows apart.
        let rows: Vec<Row> = rows(2, 60_000)
            .into_iter()
            .map(|row| Row { time: 0, host: "a".into(), value: row.value.map(|value| value % 2.0), ..row })
            .collect();
        let (database, table) = filled(&machine, settings, &rows).await;
        database.flush().await.unwrap();
        let found = table.query().sort_by("value", Direction::Ascending).collect().await.unwrap();
        assert!(database.stats().await.unwrap().spilled_bytes > 0);
        let found = rows_of(&found);
        assert_eq!(found.len(), rows.len());
        let key = |row: &Row| row.value.map(|value| (value.to_bits() ^ (1 << 63)) as i64);
        let in_order = |pair: &[Row]| key(&pair[0]) != key(&pair[1]) || pair[0].id < pair[1].id;
        assert!(found.windows(2).all(in_order));
    });
}

#[test]
fn a_large_limit_cuts_it() {
    // Above what is gathered as candidates in memory.
    sorts_alike(3, 130_000, &|query| query.sort_by("value", Direction::Ascending).limit(110_000));
}

#[test]
fn a_dropped_sort_leaves_nothing_and_others_go_on() {
    let machine = SimWorld::new(4);
    machine.block_on(async {
        let (database, table) = filled(&machine, tight(), &rows(4, 40_000)).await;
        let sort = || table.query().sort_by("value", Direction::Ascending);
        let mut dropped = sort().stream().await.unwrap();
        dropped.next().await.unwrap().unwrap();
        let mut other = sort().stream().await.unwrap();
        let first = other.next().await.unwrap().unwrap();
        drop(dropped);
        let mut rows = first.num_rows();
        while let Some(batch) = other.next().await {
            rows += batch.unwrap().num_rows();
        }
        assert_eq!((rows, spill_files(&machine)), (40_000, 0));
        database.close().await.unwrap();
    });
}

async fn sorted(table: &Table) -> Result<Vec<RecordBatch>> {
    table.query().sort_by("value", Direction::Ascending).collect().await
}

#[test]
fn beyond_its_disk_a_sort_is_refused_by_the_name_of_the_setting() {
    for (limit, count) in [(0, 40_000), (1, 70_000)] {
        let mut settings = tight();
        settings.query.spill_limit_mb = limit;
        let machine = SimWorld::new(5);
        machine.block_on(async {
            let (_database, table) = filled(&machine, settings, &rows(5, count)).await;
            let error = sorted(&table).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Exhausted);
            assert!(error.to_string().contains("query.spill_limit_mb"), "{error}");
        });
    }
}

#[test]
fn what_a_crash_left_is_removed_at_the_next_opening() {
    let machine = SimWorld::new(6);
    machine.block_on(async {
        let (database, _table) = filled(&machine, tight(), &rows(6, 10)).await;
        database.close().await.unwrap();
        let vfs = machine.world().vfs;
        vfs.create_dir_all(format!("{PATH}/spill").as_ref()).unwrap();
        vfs.open(format!("{PATH}/spill/0000000000000007").as_ref(), OpenMode::CreateNew).unwrap();
        let database = open_with(&machine, tight()).await.unwrap();
        assert_eq!(spill_files(&machine), 0);
        database.close().await.unwrap();
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_and_filter_sort_alike(
        seed in any::<u64>(),
        others in prop::sample::subsequence(vec!["time", "host", "id"], 0..3).prop_shuffle(),
        descending in any::<bool>(),
        nulls_first in any::<bool>(),
        filter in any::<bool>(),
    ) {
        sorts_alike(seed, 30_000, &|mut query| {
            if filter {
                query = query.filter(col("id").gt(1_000_i64));
            }
            let direction = if descending { Direction::Descending } else { Direction::Ascending };
            query = query.sort_by_nulls("value", direction, nulls_first);
            others.iter().fold(query, |query, key| query.sort_by(*key, direction))
        });
    }
}
