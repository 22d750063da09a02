//! Queries while rows arrive, seal and move: never fewer rows than were acknowledged when the query began, none twice.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;

use support::{Row, TABLE, rows_of, sorted_ids};
use tsds_engine::traits::ErrorKind;
use tsds_engine::{Database, TableSpec};
use tsds_io::{Runtime, SimWorld};

const BATCHES: usize = 60;
const ROWS: usize = 17;

fn rows(batch: usize) -> Vec<Row> {
    let row = |index: usize| {
        let id = (batch * ROWS + index) as i64;
        Row { time: id % 7_000 * 1_000, host: format!("host-{}", id % 3), value: Some(id as f64), id }
    };
    (0..ROWS).map(row).collect()
}

/// Writers of one database, and readers that check what they see, until the writers are done.
async fn write_and_read(database: Database, spawn: impl Fn(futures::future::BoxFuture<'static, ()>)) {
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let done = Arc::new(AtomicBool::new(false));
    let (finished, readers_finished) = futures::channel::oneshot::channel();
    {
        let (database, acknowledged, done) = (database.clone(), Arc::clone(&acknowledged), Arc::clone(&done));
        spawn(Box::pin(async move {
            let table = database.table(TABLE).unwrap();
            let mut queries = 0;
            loop {
                let last = done.load(Ordering::SeqCst);
                let before = acknowledged.load(Ordering::SeqCst);
                let mut query = table.query();
                if queries % 3 == 1 {
                    query = query.sort_by("id", tsds_engine::query::Direction::Descending).limit(1_000_000);
                }
                let found = rows_of(&query.collect().await.unwrap());
                let distinct: BTreeSet<i64> = found.iter().map(|row| row.id).collect();
                assert_eq!(distinct.len(), found.len(), "a row was seen twice");
                assert!(found.len() >= before, "{} rows of {before} acknowledged ones", found.len());
                assert_eq!(found.len() % ROWS, 0, "half a batch was visible");
                queries += 1;
                if last {
                    break;
                }
            }
            assert!(queries > 3, "{queries} queries only");
            finished.send(()).unwrap();
        }));
    }
    let table = database.table(TABLE).unwrap();
    for batch in 0..BATCHES {
        table.ingest(support::batch(&rows(batch))).await.unwrap();
        acknowledged.fetch_add(ROWS, Ordering::SeqCst);
    }
    done.store(true, Ordering::SeqCst);
    readers_finished.await.unwrap();
    database.settle().await.unwrap();
    let counts = database.tier_counts();
    assert_eq!(counts.total(), (BATCHES * ROWS) as u64);
    assert!(counts.warm > 0 && counts.cold > 0, "{counts:?}: nothing moved");
}

#[test]
fn a_query_sees_every_acknowledged_row_once_while_rows_move_on_simulated_machines() {
    for seed in 0..12 {
        let machine = SimWorld::new(seed);
        machine.block_on(async {
            let database = support::open(&machine).await.unwrap();
            database.create_table(support::spec()).await.unwrap();
            let world = machine.world();
            write_and_read(database, |task| world.executor.spawn(task)).await;
        });
    }
}

#[test]
fn a_query_sees_every_acknowledged_row_once_while_rows_move_on_real_threads() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = Runtime::new(Some(4)).unwrap();
    let world = runtime.world();
    runtime.block_on(async {
        let database = Database::builder(directory.path())
            .world(world.clone())
            .registry(support::registry())
            .settings(support::small())
            .open()
            .await
            .unwrap();
        database.create_table(support::spec()).await.unwrap();
        write_and_read(database.clone(), |task| world.executor.spawn(task)).await;
        database.close().await.unwrap();
    });
}

#[test]
fn writers_that_write_at_once_all_arrive_once() {
    for seed in 0..12 {
        let machine = SimWorld::new(seed);
        machine.block_on(async {
            let database = support::open(&machine).await.unwrap();
            database.create_table(support::spec()).await.unwrap();
            let table = database.table(TABLE).unwrap();
            let writes = (0..BATCHES).map(|batch| {
                let table = table.clone();
                async move { table.ingest(support::batch(&rows(batch))).await.unwrap().sequence }
            });
            let sequences = futures::future::join_all(writes).await;
            let distinct: BTreeSet<_> = sequences.iter().collect();
            assert_eq!(distinct.len(), BATCHES);
            let found = support::everything(&database).await.unwrap();
            assert_eq!(sorted_ids(&found), (0..(BATCHES * ROWS) as i64).collect::<Vec<_>>());
        });
    }
}

#[test]
fn a_writer_who_stops_waiting_changes_nothing() {
    let machine = SimWorld::new(3);
    machine.block_on(async {
        let database = support::open(&machine).await.unwrap();
        database.create_table(support::spec()).await.unwrap();
        let table = database.table(TABLE).unwrap();
        // Polled once, then dropped: the write is on its way.
        let mut write = Box::pin(table.ingest(support::batch(&rows(0))));
        assert!(futures::poll!(&mut write).is_pending());
        drop(write);
        table.ingest(support::batch(&rows(1))).await.unwrap();
        let found = support::everything(&database).await.unwrap();
        assert!([ROWS, 2 * ROWS].contains(&found.len()), "{} rows", found.len());
        assert_eq!(found.len() % ROWS, 0);
    });
}

/// Waits for at most `polls` polls, then drops the future.
async fn abandon_after<F: Future>(polls: usize, future: F) {
    let mut future = Box::pin(future);
    let mut left = polls;
    std::future::poll_fn(move |context| {
        if left == 0 || future.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        left -= 1;
        if left == 0 {
            // Dropped at the next poll, when whatever it waited for may have happened.
            context.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await;
}

#[test]
fn a_caller_who_stops_waiting_for_a_seal_a_move_or_a_table_changes_nothing() {
    for polls in 1..40 {
        let machine = SimWorld::new(polls as u64);
        machine.block_on(async {
            let database = support::open(&machine).await.unwrap();
            database.create_table(support::spec()).await.unwrap();
            let table = database.table(TABLE).unwrap();
            for batch in 0..12 {
                table.ingest(support::batch(&rows(batch))).await.unwrap();
                abandon_after(polls, database.flush()).await;
                abandon_after(polls, database.settle()).await;
            }
            let other = TableSpec::new("other", support::schema(), "time");
            abandon_after(polls, database.create_table(other.clone())).await;
            // Made meanwhile, or not yet: either way there is one in the end.
            let _ = database.create_table(other).await;
            let third =
                database.create_table(TableSpec::new("third", support::schema(), "time")).await.unwrap();
            third.ingest(support::batch(&rows(0))).await.unwrap();
            database.settle().await.unwrap();
            abandon_after(polls, database.close()).await;
            while support::open(&machine).await.is_err_and(|error| error.kind() == ErrorKind::Locked) {
                machine.world().clock.sleep(std::time::Duration::from_millis(1)).await;
            }
        });
        let machine = machine.kill();
        machine.block_on(async {
            let database = support::open(&machine).await.unwrap();
            let expected: Vec<i64> = (0..12 * ROWS as i64).collect();
            let found = sorted_ids(&support::everything(&database).await.unwrap());
            assert_eq!(found, expected, "{polls} polls");
            let third = rows_of(&database.table("third").unwrap().query().collect().await.unwrap());
            assert_eq!(sorted_ids(&third), (0..ROWS as i64).collect::<Vec<_>>());
            assert_eq!(database.tables().len(), 3);
        });
    }
}
