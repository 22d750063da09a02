//! Who may write what after a change, and what a change refuses.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int8Array, RecordBatch};
use arrow_schema::DataType;
use tsds_engine::query::col;
use tsds_engine::traits::{Durability, ErrorKind};
use tsds_engine::{Database, SchemaChange, Table};
use tsds_io::SimWorld;

use crate::support::{self, TABLE};
use crate::table::{ModelRow, ModelSchema, text_rows};

async fn fresh(machine: &SimWorld) -> (Database, Table) {
    let database = support::open(machine).await.unwrap();
    database.create_table(ModelSchema::new().spec()).await.unwrap();
    let table = database.table(TABLE).unwrap();
    (database, table)
}

fn rows(schema: &ModelSchema, next_id: &mut i64) -> Vec<ModelRow> {
    let places: Vec<_> = (0..5).map(|row| (row, 0, Some(1), row as u8 * 3)).collect();
    schema.rows(&places, true, next_id)
}

/// The columns that the first rows had, after a change of type, name and number.
const CHANGED: [&str; 4] = ["id", "float", "tiny", "n"];

fn changes() -> [SchemaChange; 3] {
    [
        SchemaChange::widen("float", DataType::Float64),
        SchemaChange::widen("tiny", DataType::Int32),
        SchemaChange::add_column("n", DataType::Utf8),
    ]
}

async fn values(table: &Table) -> Vec<Vec<String>> {
    let mut rows = text_rows(&table.query().project(CHANGED).collect().await.unwrap());
    rows.sort();
    rows
}

#[test]
fn writers_who_do_not_know_of_a_change_yet_go_on() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let (_database, table) = fresh(&machine).await;
        let schema = ModelSchema::new();
        let mut next_id = 0;
        let before = rows(&schema, &mut next_id);
        table.alter(&changes()).await.unwrap();
        let receipt = table.ingest(schema.batch(&before, true)).await.unwrap();
        assert_eq!(receipt.rows, 5);
        let found = values(&table).await;
        assert_eq!(found.len(), 5);
        for (found, row) in found.iter().zip(&before) {
            let expected = [6, 5, 4].map(|column| row.cell(column).text());
            assert_eq!(found[..3], expected);
            assert_eq!(found[3], "null");
        }
    });
}

#[test]
fn columns_that_the_table_always_had_must_come_and_in_a_type_that_they_had() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let (_database, table) = fresh(&machine).await;
        let schema = ModelSchema::new();
        let batch = schema.batch(&rows(&schema, &mut 0), true);
        table.alter(&changes()).await.unwrap();
        let without: Vec<usize> = (0..batch.num_columns()).filter(|column| *column != 3).collect();
        let error = table.ingest(batch.project(&without).unwrap()).await.unwrap_err();
        assert!(error.to_string().contains("lacks a column of the table column=tiny"), "{error}");
        // `id` never was of this type.
        let narrow: ArrayRef = Arc::new(Int8Array::from(vec![1; 5]));
        let given = batch.schema();
        let columns = given.fields().iter().zip(batch.columns()).map(|(field, array)| {
            (field.name().clone(), if field.name() == "id" { Arc::clone(&narrow) } else { Arc::clone(array) })
        });
        let other = RecordBatch::try_from_iter(columns.collect::<Vec<_>>()).unwrap();
        let error = table.ingest(other).await.unwrap_err();
        assert!(error.to_string().contains("column=id expected=int64 given=int8"), "{error}");
        table.alter(&[SchemaChange::rename("float", "load")]).await.unwrap();
        let error = table.ingest(batch).await.unwrap_err();
        assert!(error.to_string().contains("does not have column=float"), "{error}");
    });
}

#[test]
fn a_batch_that_was_written_before_a_change_is_known_after_it() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let (_database, table) = fresh(&machine).await;
        let schema = ModelSchema::new();
        let batch = schema.batch(&rows(&schema, &mut 0), true);
        let first = table.ingest_once(7_u128.into(), batch.clone()).await.unwrap();
        table.alter(&changes()).await.unwrap();
        assert_eq!(table.ingest_once(7_u128.into(), batch).await.unwrap(), first);
        assert_eq!(values(&table).await.len(), 5);
    });
}

#[test]
fn rows_of_several_versions_come_back_from_the_log() {
    let machine = SimWorld::new(1);
    let mut expected = Vec::new();
    machine.block_on(async {
        let (_database, table) = fresh(&machine).await;
        let mut schema = ModelSchema::new();
        let mut next_id = 0;
        for change in changes() {
            let batch = schema.batch(&rows(&schema, &mut next_id), true);
            table.ingest(batch).await.unwrap();
            table.alter(std::slice::from_ref(&change)).await.unwrap();
            schema.apply(&change);
        }
        expected.extend(values(&table).await);
    });
    let machine = machine.crash();
    machine.block_on(async {
        let database = support::open(&machine).await.unwrap();
        assert_eq!(database.recovery().replayed_rows, 15);
        let table = database.table(TABLE).unwrap();
        assert_eq!(table.schema().unwrap().version().0, 4);
        assert_eq!(values(&table).await, expected);
        // One memtable for each version, and the next rows go on in the newest.
        let schema = ModelSchema::new();
        table.ingest(schema.batch(&rows(&schema, &mut 100), true)).await.unwrap();
        database.flush().await.unwrap();
        assert_eq!(values(&table).await.len(), 20);
        assert!(database.verify(|_, _| ()).await.unwrap().damage.is_empty());
    });
}

#[test]
fn a_change_that_cannot_be_made_leaves_nothing_behind() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let (database, table) = fresh(&machine).await;
        let good = SchemaChange::add_column("n", DataType::Int8);
        for (bad, expected) in [
            (SchemaChange::rename("cpu", "x"), "column=cpu columns=time,host,rack,tiny,float,id"),
            (SchemaChange::add_column("Year", DataType::Int8), "directory level of the cold tier"),
            (SchemaChange::rename("tiny", "month"), "directory level of the cold tier"),
            (SchemaChange::widen("host", DataType::Int64), "possible=none"),
            (SchemaChange::add_column("n", DataType::Int8), "taken_by=n"),
        ] {
            let error = table.alter(&[good.clone(), bad]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            let text = error.to_string();
            // Columns that the same call added are among those there are.
            let text = text.replace(",n ", " ");
            assert!(text.contains(expected) && text.contains("table=metrics"), "{text}");
        }
        assert!(table.alter(&[]).await.unwrap_err().to_string().contains("no change was given"));
        assert!(ModelSchema::new().is(&table.schema().unwrap()));
        database.close().await.unwrap();
        assert_eq!(table.alter(&[good]).await.unwrap_err().kind(), ErrorKind::Closed);
        let mut settings = support::small();
        settings.cold_tier.hive = false;
        let database = support::open_with(&machine, settings).await.unwrap();
        let table = database.table(TABLE).unwrap();
        table.alter(&[SchemaChange::rename("tiny", "month")]).await.unwrap();
    });
}

#[test]
fn ids_of_columns_are_given_out_once_also_after_reopening() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let (database, table) = fresh(&machine).await;
        table.alter(&[SchemaChange::add_column("a", DataType::Int8)]).await.unwrap();
        database.close().await.unwrap();
        let database = support::open(&machine).await.unwrap();
        let table = database.table(TABLE).unwrap();
        let schema = table.alter(&[SchemaChange::add_column("b", DataType::Int8)]).await.unwrap();
        let ids: Vec<u32> = schema.columns().iter().map(|column| column.id.0).collect();
        assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(schema.name(), Some(TABLE));
    });
}

#[test]
fn a_full_disk_refuses_a_change_until_there_is_space() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let (_database, table) = fresh(&machine).await;
        machine.faults().set_capacity(Some(0));
        // The catalog has some room in its file.
        let mut refused = None;
        for number in 0..200 {
            let change = SchemaChange::add_column(format!("n{number}"), DataType::Int8);
            if let Err(error) = table.alter(&[change]).await {
                refused = Some((number, error));
                break;
            }
        }
        let (number, error) = refused.expect("the disk is full");
        assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
        assert_eq!(table.schema().unwrap().columns().len(), 6 + number);
        machine.faults().set_capacity(None);
        table.alter(&[SchemaChange::add_column("more", DataType::Int8)]).await.unwrap();
        let schema = ModelSchema::new();
        table.ingest(schema.batch(&rows(&schema, &mut 0), true)).await.unwrap();
        assert_eq!(table.query().filter(col("more").is_null()).collect().await.unwrap()[0].num_rows(), 5);
    });
}

#[test]
fn without_a_log_a_change_and_the_rows_before_it_survive_a_clean_close() {
    let machine = SimWorld::new(1);
    let mut settings = support::small();
    settings.hot_tier.wal_enabled = false;
    machine.block_on(async {
        let database = support::open_with(&machine, settings.clone()).await.unwrap();
        database.create_table(ModelSchema::new().spec()).await.unwrap();
        let table = database.table(TABLE).unwrap();
        let schema = ModelSchema::new();
        let receipt = table.ingest(schema.batch(&rows(&schema, &mut 0), true)).await.unwrap();
        assert_eq!(receipt.durability, Durability::Volatile);
        table.alter(&changes()).await.unwrap();
        table.ingest(schema.batch(&rows(&schema, &mut 5), true)).await.unwrap();
        database.close().await.unwrap();
        let database = support::open_with(&machine, settings).await.unwrap();
        assert_eq!(values(&database.table(TABLE).unwrap()).await.len(), 10);
    });
}
