//! Bad input, failing disks and wrong configuration: a clear error each, and nothing lost.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io;
use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use support::{Row, TABLE, batch, everything, small, sorted_ids};
use tsds_engine::query::{Aggregation, Direction, col};
use tsds_engine::traits::{Durability, ErrorKind};
use tsds_engine::{Database, TableSpec};
use tsds_io::{Fault, Operation, SimWorld};

fn rows(ids: std::ops::Range<i64>) -> Vec<Row> {
    ids.map(|id| Row { time: id * 1_000, host: "a".into(), value: Some(1.0), id }).collect()
}

async fn fresh(machine: &SimWorld) -> Database {
    let database = support::open(machine).await.unwrap();
    database.create_table(support::spec()).await.unwrap();
    database
}

#[test]
fn an_empty_batch_a_query_without_rows_and_limit_0_are_not_errors() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let database = fresh(&machine).await;
        let table = database.table(TABLE).unwrap();
        assert!(everything(&database).await.unwrap().is_empty());
        assert_eq!(table.ingest(batch(&[])).await.unwrap().rows, 0);
        table.ingest(batch(&rows(0..5))).await.unwrap();
        for query in [
            table.query().limit(0),
            table.query().filter(col("id").gt(99)),
            table.query().sort_by("id", Direction::Ascending).limit(0),
        ] {
            assert!(query.collect().await.unwrap().is_empty());
        }
        let none = table
            .query()
            .filter(col("id").gt(99))
            .aggregate(Aggregation::new().count())
            .collect()
            .await
            .unwrap();
        assert_eq!(none.iter().map(RecordBatch::num_rows).sum::<usize>(), 1, "count over nothing is one row");
    });
}

#[test]
fn unknown_names_and_wrong_types_are_named() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let database = fresh(&machine).await;
        let table = database.table(TABLE).unwrap();
        let refused = |query: tsds_engine::query::Query| async move { query.collect().await.unwrap_err() };
        for (query, expected) in [
            (table.query().filter(col("cpu").gt(1)), "column=cpu columns=time,host,value,id"),
            (table.query().project(["cpu"]), "column=cpu"),
            (table.query().sort_by("cpu", Direction::Ascending), "column=cpu"),
            (table.query().filter(col("host").gt(1)), "column=host type=dictionary(int32,utf8)"),
            (table.query().aggregate(Aggregation::new().sum("host")), "column=host"),
            (table.query().aggregate(Aggregation::new()), "computes nothing"),
        ] {
            let error = refused(query).await;
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            assert!(
                error.to_string().contains(expected) && error.to_string().contains("table=metrics"),
                "{error}"
            );
        }
        let error = database.table("metric").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("table=metric tables=metrics"), "{error}");
    });
}

#[test]
fn tables_that_cannot_be_are_refused_by_name() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let database = fresh(&machine).await;
        let time = Field::new("time", DataType::Timestamp(TimeUnit::Second, None), false);
        let spec = |fields: Vec<Field>| TableSpec::new("other", Arc::new(Schema::new(fields)), "time");
        let half = spec(vec![time.clone(), Field::new("half", DataType::Float16, true)]);
        let error = database.create_table(half).await.unwrap_err();
        assert!(error.to_string().contains("column=half type=Float16"), "{error}");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let level = spec(vec![time.clone(), Field::new("month", DataType::Int64, true)]);
        assert!(database.create_table(level).await.unwrap_err().to_string().contains("month"));
        let untimed = TableSpec::new("other", Arc::new(Schema::new(vec![time.clone()])), "when");
        assert!(database.create_table(untimed).await.unwrap_err().to_string().contains("when"));
        let cases = spec(vec![
            time.clone(),
            Field::new("Load", DataType::Int64, true),
            Field::new("load", DataType::Int64, true),
        ]);
        assert!(database.create_table(cases).await.is_err());
        assert_eq!(database.create_table(support::spec()).await.unwrap_err().kind(), ErrorKind::Conflict);
        assert_eq!(database.tables().len(), 1);
        database.create_table(spec(vec![time])).await.unwrap();
    });
}

#[test]
fn names_and_numbers_of_columns_have_limits() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let database = fresh(&machine).await;
        let time = Field::new("time", DataType::Timestamp(TimeUnit::Second, None), false);
        let spec = |name: &str, columns: Vec<String>| {
            let columns = columns.into_iter().map(|name| Field::new(name, DataType::Int64, true));
            let fields: Vec<Field> = [time.clone()].into_iter().chain(columns).collect();
            TableSpec::new(name, Arc::new(Schema::new(fields)), "time")
        };
        let (long, longest) = ("ß".repeat(129), "x".repeat(256));
        for (name, column, expected) in [
            ("", "a", "name is empty table="),
            ("a\0b", "a", "name has control characters table=a\\0b"),
            ("a\u{1b}[31m", "a", "name has control characters table=a\\u{1b}[31m"),
            (&long, "a", "name is longer than 256 bytes table=ß"),
            ("other", "", "name is empty column="),
            ("other", "a\nb", "name has control characters column=a\\nb"),
            ("other", &long, "name is longer than 256 bytes column=ß"),
            ("other", "TIME", "column names must differ in more than case column=TIME"),
        ] {
            let error = database.create_table(spec(name, vec![column.into()])).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            assert!(error.to_string().starts_with(expected), "{error}");
        }
        let columns = |count: usize| (1..count).map(|number| format!("c{number}")).collect();
        let error = database.create_table(spec("wide", columns(1_025))).await.unwrap_err().to_string();
        assert!(error.starts_with("table has too many columns columns=1025 limit=1024"), "{error}");
        database.create_table(spec("wide", columns(1_024))).await.unwrap();
        // Names are never part of a path.
        database.create_table(spec("../../etc/\\:*", vec![longest])).await.unwrap();
        assert_eq!(database.tables().len(), 3);
    });
}

#[test]
fn a_refused_batch_leaves_nothing_behind() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let database = fresh(&machine).await;
        let table = database.table(TABLE).unwrap();
        table.ingest(batch(&rows(0..3))).await.unwrap();
        let good = batch(&rows(3..5));
        let mut columns = good.columns().to_vec();
        columns[0] = Arc::new(TimestampMillisecondArray::from(vec![Some(1), None])) as ArrayRef;
        let nullable: Vec<_> =
            good.schema().fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
        let bad = RecordBatch::try_new(Arc::new(Schema::new(nullable)), columns).unwrap();
        let error = table.ingest(bad).await.unwrap_err();
        assert!(error.to_string().contains("column=time row=1 table=metrics"), "{error}");
        let other =
            RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
        assert!(table.ingest(other).await.is_err());
        let blob = RecordBatch::try_from_iter([(
            "id",
            Arc::new(BinaryArray::from(vec![b"x".as_slice()])) as ArrayRef,
        )]);
        assert!(table.ingest(blob.unwrap()).await.is_err());
        assert_eq!(sorted_ids(&everything(&database).await.unwrap()), [0, 1, 2]);
    });
}

#[test]
fn a_table_is_created_by_its_first_batch_only_where_that_is_allowed() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let database = support::open(&machine).await.unwrap();
        let error = database.ingest(TABLE, batch(&rows(0..2))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        database.close().await.unwrap();
        let mut settings = small();
        settings.tables.auto_create = true;
        settings.tables.time_column = "time".into();
        settings.tables.series_columns = vec!["host".into(), "rack".into()];
        let database = support::open_with(&machine, settings).await.unwrap();
        database.ingest(TABLE, batch(&rows(0..2))).await.unwrap();
        let schema = database.table(TABLE).unwrap().schema().unwrap();
        assert_eq!(schema.series_indices(), [1]);
    });
}

#[test]
fn a_database_that_is_open_cannot_be_opened_again() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let database = fresh(&machine).await;
        let error = support::open(&machine).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
        assert!(error.to_string().contains("/db"), "{error}");
        database.close().await.unwrap();
        support::open(&machine).await.unwrap();
    });
}

#[test]
fn a_closed_database_says_so() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let database = fresh(&machine).await;
        let table = database.table(TABLE).unwrap();
        database.close().await.unwrap();
        database.close().await.unwrap();
        assert_eq!(table.ingest(batch(&rows(0..1))).await.unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(table.query().collect().await.unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(database.stats().await.unwrap_err().kind(), ErrorKind::Closed);
    });
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_space_and_loses_nothing() {
    for seed in 0..8 {
        let machine = SimWorld::new(seed);
        let mut acknowledged = Vec::new();
        machine.block_on(async {
            let database = fresh(&machine).await;
            let table = database.table(TABLE).unwrap();
            let mut next = 0;
            let mut ingest = async |acknowledged: &mut Vec<i64>| {
                let ids = next..next + 10;
                next += 10;
                let written = table.ingest(batch(&rows(ids.clone()))).await;
                if written.is_ok() {
                    acknowledged.extend(ids);
                }
                written
            };
            for _ in 0..5 {
                ingest(&mut acknowledged).await.unwrap();
            }
            machine.faults().set_capacity(Some(0));
            let mut refused = 0;
            for _ in 0..400 {
                if let Err(error) = ingest(&mut acknowledged).await {
                    assert!(
                        matches!(error.kind(), ErrorKind::NoSpace | ErrorKind::Exhausted),
                        "seed {seed}: {error:?}"
                    );
                    refused += 1;
                }
                if refused > 2 {
                    break;
                }
            }
            assert!(refused > 0, "seed {seed}: the disk never was full");
            assert_eq!(
                sorted_ids(&everything(&database).await.unwrap()),
                acknowledged,
                "seed {seed}: reads go on"
            );
            machine.faults().set_capacity(None);
            for _ in 0..5 {
                ingest(&mut acknowledged)
                    .await
                    .unwrap_or_else(|error| panic!("seed {seed}: no resuming: {error:?}"));
            }
            database.settle().await.unwrap();
            assert_eq!(sorted_ids(&everything(&database).await.unwrap()), acknowledged, "seed {seed}");
        });
        let machine = machine.crash();
        machine.block_on(async {
            let database = support::open(&machine).await.unwrap();
            assert_eq!(
                sorted_ids(&everything(&database).await.unwrap()),
                acknowledged,
                "seed {seed}: after a crash"
            );
        });
    }
}

#[test]
fn a_failed_sync_of_the_log_stops_writes_but_not_reads() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let database = fresh(&machine).await;
        let table = database.table(TABLE).unwrap();
        table.ingest(batch(&rows(0..3))).await.unwrap();
        machine
            .faults()
            .inject(Fault::on(Operation::Sync, io::ErrorKind::Other).on_paths_with("/wal/").sticky());
        let error = table.ingest(batch(&rows(3..6))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotDurable, "{error:?}");
        assert_eq!(table.ingest(batch(&rows(6..9))).await.unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(sorted_ids(&everything(&database).await.unwrap()), [0, 1, 2]);
    });
    let machine = machine.crash();
    machine.block_on(async {
        let database = support::open(&machine).await.unwrap();
        let found = sorted_ids(&everything(&database).await.unwrap());
        assert!(found == [0, 1, 2] || found == [0, 1, 2, 3, 4, 5], "{found:?}");
        database.table(TABLE).unwrap().ingest(batch(&rows(9..10))).await.unwrap();
    });
}

#[test]
fn without_a_log_receipts_say_volatile_and_a_clean_close_keeps_everything() {
    let machine = SimWorld::new(1);
    let mut settings = small();
    settings.hot_tier.wal_enabled = false;
    machine.block_on(async {
        let database = support::open_with(&machine, settings.clone()).await.unwrap();
        database.create_table(support::spec()).await.unwrap();
        let receipt = database.table(TABLE).unwrap().ingest(batch(&rows(0..7))).await.unwrap();
        assert_eq!(receipt.durability, Durability::Volatile);
        database.close().await.unwrap();
        let database = support::open_with(&machine, settings).await.unwrap();
        assert_eq!(sorted_ids(&everything(&database).await.unwrap()), (0..7).collect::<Vec<_>>());
        database.close().await.unwrap();
        // Nothing is left in the log that is none: the other one may take over.
        let database = support::open(&machine).await.unwrap();
        let receipt = database.table(TABLE).unwrap().ingest(batch(&rows(7..8))).await.unwrap();
        assert_eq!(receipt.durability, Durability::Power);
    });
}

#[test]
fn writers_wait_for_memory_and_then_get_a_retryable_error() {
    let machine = SimWorld::new(1);
    let mut settings = small();
    settings.ingest.timeout_ms = 1_000;
    machine.block_on(async {
        let database = support::open_with(&machine, settings).await.unwrap();
        database.create_table(support::spec()).await.unwrap();
        let table = database.table(TABLE).unwrap();
        // What a snapshot holds stays in memory however often it is sealed.
        let mut snapshots = Vec::new();
        let mut refused = None;
        for id in 0..40 {
            match table.ingest(batch(&rows(id * 10..id * 10 + 10))).await {
                Ok(_) => snapshots.push(database.snapshot()),
                Err(error) => {
                    refused = Some(error);
                    break;
                }
            }
        }
        let error = refused.expect("memory is bounded");
        assert_eq!(error.kind(), ErrorKind::Exhausted, "{error}");
        assert!(error.to_string().contains("oldest_pin_seconds="), "{error}");
        drop(snapshots);
        database.settle().await.unwrap();
        table.ingest(batch(&rows(900..910))).await.unwrap();
    });
}

#[test]
fn impossible_settings_are_refused_at_opening() {
    let machine = SimWorld::new(1);
    let mut settings = small();
    settings.warm_tier.backend = "tsds.warm.none".into();
    let error = machine.block_on(support::open_with(&machine, settings)).unwrap_err();
    assert!(error.to_string().contains("tsds.warm.cpu"), "says which there are: {error}");
    let mut settings = small();
    settings.warm_tier.file_codec = "tsds.none".into();
    assert!(machine.block_on(support::open_with(&machine, settings)).is_err());
}

#[test]
fn a_damaged_catalog_is_named_and_never_panics() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let database = fresh(&machine).await;
        database.table(TABLE).unwrap().ingest(batch(&rows(0..40))).await.unwrap();
        database.settle().await.unwrap();
        database.close().await.unwrap();
    });
    let catalog = machine.read_file("/db/catalog.redb").unwrap();
    let mut damaged = 0;
    for offset in (0..catalog.len() as u64).step_by(997) {
        machine.corrupt("/db/catalog.redb", offset, 0x40).unwrap();
        match machine.block_on(support::open(&machine)) {
            Ok(database) => machine.block_on(async {
                assert_eq!(everything(&database).await.unwrap().len(), 40, "offset {offset}");
                database.close().await.unwrap();
            }),
            Err(error) => {
                assert!(error.to_string().contains("catalog"), "offset {offset}: {error}");
                damaged += 1;
            }
        }
        machine.write_file("/db/catalog.redb", &catalog).unwrap();
    }
    assert!(damaged > 0, "no flip was found");
}
