//! Writers and readers go on while the columns change under them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arrow_schema::DataType;
use futures::future::{BoxFuture, FutureExt, join_all};
use tsds_engine::query::{Aggregation, Direction};
use tsds_engine::{Database, SchemaChange, Table};
use tsds_io::{Runtime, SimWorld};

use crate::support::{self, TABLE};
use crate::table::{ModelSchema, text_rows};

const WRITERS: i64 = 3;
const BATCHES: i64 = 25;
const ROWS: i64 = 7;

fn changes() -> Vec<SchemaChange> {
    vec![
        SchemaChange::add_column("a", DataType::Int16),
        SchemaChange::widen("tiny", DataType::Int16),
        SchemaChange::widen("float", DataType::Float64),
        SchemaChange::rename("a", "b"),
        SchemaChange::widen("rack", DataType::UInt32),
        SchemaChange::widen("b", DataType::Int64),
        SchemaChange::widen("tiny", DataType::Int64),
        SchemaChange::add_column("c", DataType::Utf8),
    ]
}

/// Batches of the first shape, of ids that nobody else has.
async fn write(table: Table, writer: i64, acknowledged: Arc<AtomicUsize>) {
    let schema = ModelSchema::new();
    for number in 0..BATCHES {
        let mut next_id = (writer * BATCHES + number) * ROWS;
        let places: Vec<_> =
            (0..ROWS).map(|row| (number * 7 + row, writer as u8, Some(0), (number + row) as u8)).collect();
        let rows = schema.rows(&places, true, &mut next_id);
        table.ingest(schema.batch(&rows, true)).await.unwrap();
        acknowledged.fetch_add(ROWS as usize, Ordering::SeqCst);
    }
}

async fn read(table: Table, acknowledged: Arc<AtomicUsize>, done: Arc<AtomicBool>) {
    let mut queries = 0;
    loop {
        let last = done.load(Ordering::SeqCst);
        let before = acknowledged.load(Ordering::SeqCst);
        let found = match queries % 3 {
            0 => text_rows(&table.query().project(["id", "tiny"]).collect().await.unwrap()),
            1 => {
                let sorted = table.query().project(["id"]).sort_by("float", Direction::Descending);
                text_rows(&sorted.collect().await.unwrap())
            }
            _ => {
                let groups = Aggregation::new().by(["id"]).sum("tiny").max("float");
                text_rows(&table.query().aggregate(groups).collect().await.unwrap())
            }
        };
        let distinct: BTreeSet<&String> = found.iter().map(|row| &row[0]).collect();
        assert_eq!(distinct.len(), found.len(), "a row was seen twice");
        assert!(found.len() >= before, "{} rows of {before} acknowledged ones", found.len());
        assert_eq!(found.len() % ROWS as usize, 0, "half a batch was visible");
        queries += 1;
        if last {
            return;
        }
    }
}

async fn change(database: Database, table: Table) {
    let mut version = 1;
    for (number, change) in changes().into_iter().enumerate() {
        let schema = table.alter(&[change]).await.unwrap();
        version += 1;
        assert_eq!(schema.version().0, version);
        if number % 3 == 1 {
            database.settle().await.unwrap();
        }
    }
}

async fn everything_at_once(database: Database, spawn: impl Fn(BoxFuture<'static, ()>)) {
    let table = database.table(TABLE).unwrap();
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let done = Arc::new(AtomicBool::new(false));
    let start = |task: BoxFuture<'static, ()>| {
        let (finished, wait) = futures::channel::oneshot::channel();
        spawn(Box::pin(async move {
            task.await;
            finished.send(()).unwrap();
        }));
        wait
    };
    let reader = start(Box::pin(read(table.clone(), Arc::clone(&acknowledged), Arc::clone(&done))));
    let mut others: Vec<_> = (0..WRITERS)
        .map(|writer| start(Box::pin(write(table.clone(), writer, Arc::clone(&acknowledged)))))
        .collect();
    others.push(start(Box::pin(change(database.clone(), table.clone()))));
    for other in join_all(others).await {
        other.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    reader.await.unwrap();
    database.settle().await.unwrap();
    let rows = text_rows(&table.query().project(["id", "b", "c"]).collect().await.unwrap());
    assert_eq!(rows.len() as i64, WRITERS * BATCHES * ROWS);
    assert!(rows.iter().all(|row| row[1] == "null" && row[2] == "null"));
    assert!(database.verify(|_, _| ()).await.unwrap().damage.is_empty());
    database.close().await.unwrap();
}

#[test]
fn writers_and_readers_go_on_while_columns_change_on_simulated_machines() {
    for seed in 0..12 {
        let machine = SimWorld::new(seed);
        machine.block_on(async {
            let database = support::open(&machine).await.unwrap();
            database.create_table(ModelSchema::new().spec()).await.unwrap();
            let world = machine.world();
            everything_at_once(database, |task| world.executor.spawn(task)).await;
        });
        // What the log and the catalog say together is the same.
        let machine = machine.crash();
        machine.block_on(async {
            let database = support::open(&machine).await.unwrap();
            let rows = text_rows(&database.table(TABLE).unwrap().query().collect().await.unwrap());
            assert_eq!(rows.len() as i64, WRITERS * BATCHES * ROWS);
        });
    }
}

#[test]
fn writers_and_readers_go_on_while_columns_change_on_real_threads() {
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
        database.create_table(ModelSchema::new().spec()).await.unwrap();
        everything_at_once(database, |task| world.executor.spawn(task)).await;
    });
}

#[test]
fn tables_altered_by_several_at_once_get_every_change_once() {
    for seed in 0..12 {
        let machine = SimWorld::new(seed);
        machine.block_on(async {
            let database = support::open(&machine).await.unwrap();
            database.create_table(ModelSchema::new().spec()).await.unwrap();
            let table = database.table(TABLE).unwrap();
            let altered = (0..10).map(|number| {
                let table = table.clone();
                async move {
                    let change = SchemaChange::add_column(format!("n{}", number % 8), DataType::Int8);
                    table.alter(&[change]).await.is_ok()
                }
            });
            let made = join_all(altered).await.into_iter().filter(|made| *made).count();
            assert_eq!(made, 8, "two names were asked for twice");
            let schema = table.schema().unwrap();
            assert_eq!((schema.columns().len(), schema.version().0), (14, 9));
        });
    }
}

#[test]
fn a_caller_who_stops_waiting_for_a_change_changes_nothing() {
    for polls in 1..12 {
        let machine = SimWorld::new(polls);
        machine.block_on(async {
            let database = support::open(&machine).await.unwrap();
            database.create_table(ModelSchema::new().spec()).await.unwrap();
            let table = database.table(TABLE).unwrap();
            let changes = changes();
            let mut change = table.alter(&changes[..1]).boxed_local();
            for _ in 0..polls {
                if futures::poll!(&mut change).is_ready() {
                    break;
                }
            }
            drop(change);
            // Made meanwhile, or refused since it was.
            let _ = table.alter(&changes[..1]).await;
            table.alter(&changes[3..4]).await.unwrap();
            assert_eq!(table.schema().unwrap().version().0, 3);
        });
    }
}
