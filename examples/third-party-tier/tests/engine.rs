//! Databases with `example.ipc` as their cold or warm tier, chosen by configuration, against one with what ships with TSDS.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Cursor;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow_schema::{DataType, Field, Schema};
use arrow_select::concat::concat_batches;
use tsds_engine::config::{Layers, Settings};
use tsds_engine::query::{Aggregation, Direction, col};
use tsds_engine::{Database, Stats, TableSpec, builtin_registry};
use tsds_io::SimWorld;
use tsds_traits::{ErrorKind, Registry, Result};

const ROWS: i64 = 60_000;

/// So little room, and files so long, that most segments move on to cold files.
const COLD: &str = r#"{
    "cold_tier": {"backend": "example.ipc"},
    "warm_tier": {"max_memory_mb": 1, "file_codec": "tsds.plain"},
    "wal": {"file_mb": 8}
}"#;
const WARM: &str = r#"{"warm_tier": {"backend": "example.ipc"}, "wal": {"file_mb": 8}}"#;
const BUILT_IN: &str = r#"{"wal": {"file_mb": 8}}"#;

fn settings(json: &str) -> Settings {
    let mut layers = Layers::new();
    layers.json("tsds.json", json).unwrap();
    layers.settings().unwrap()
}

fn registry() -> Registry {
    let mut registry = builtin_registry().unwrap();
    registry.register(example_ipc::PLUGIN).unwrap();
    registry
}

async fn open(machine: &SimWorld, json: &str) -> Result<Database> {
    Database::builder("/db").world(machine.world()).registry(registry()).settings(settings(json)).open().await
}

fn rows() -> RecordBatch {
    let time: TimestampMillisecondArray = (0..ROWS).map(|n| Some(1_700_000_000_000 + n * 60_000)).collect();
    let host: DictionaryArray<Int32Type> =
        (0..ROWS).map(|n| Some(["alpha", "beta", "gamma"][n as usize % 3])).collect();
    let note: StringArray = (0..ROWS).map(|n| (n % 5 == 0).then(|| format!("note {n}"))).collect();
    let load: Float64Array = (0..ROWS)
        .map(|n| (n % 11 != 0).then(|| if n % 97 == 0 { f64::NAN } else { (n * 31 % 1_009) as f64 / 8.0 }))
        .collect();
    let count: Int64Array = (0..ROWS).map(|n| Some(n * n % 4_001)).collect();
    let columns: [(&str, ArrayRef, bool); 5] = [
        ("time", Arc::new(time), false),
        ("host", Arc::new(host), false),
        ("note", Arc::new(note), true),
        ("load", Arc::new(load), true),
        ("count", Arc::new(count), false),
    ];
    let fields =
        columns.iter().map(|(name, array, nullable)| Field::new(*name, array.data_type().clone(), *nullable));
    let schema = Schema::new(fields.collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns.into_iter().map(|(_, array, _)| array).collect()).unwrap()
}

/// Fills a database and lets rows find their places.
async fn fill(database: &Database) -> Stats {
    let spec = TableSpec::new("metrics", rows().schema(), "time").series(["host"]).chunk_interval("7d");
    let table = database.create_table(spec).await.unwrap();
    for part in 0..4 {
        let quarter = ROWS as usize / 4;
        table.ingest(rows().slice(part * quarter, quarter)).await.unwrap();
        database.flush().await.unwrap();
    }
    database.settle().await.unwrap();
    database.stats().await.unwrap()
}

/// Answers to queries of every kind. Dictionaries become text: how they are laid out is nobody's promise.
async fn answers(database: &Database) -> Vec<RecordBatch> {
    let table = database.table("metrics").unwrap();
    let by_time = || table.query().sort_by("time", Direction::Ascending);
    let busy = col("load").gt(100.0).and(col("host").eq("beta"));
    let totals = Aggregation::new().by(["host"]).count().sum("load").min("note").last("count");
    let queries = [
        by_time(),
        table.query().filter(busy).sort_by("count", Direction::Descending),
        table.query().sort_by("load", Direction::Descending).limit(25),
        by_time().filter(col("note").is_null()).project(["time", "load"]),
        table.query().aggregate(totals),
    ];
    let mut answers = Vec::new();
    for query in queries {
        let batches = query.collect().await.unwrap();
        let whole = concat_batches(&batches[0].schema(), &batches).unwrap();
        let plain = |array: &ArrayRef| match array.data_type() {
            DataType::Dictionary(_, values) => arrow_cast::cast(array, values).unwrap(),
            _ => array.clone(),
        };
        let schema = whole.schema();
        let columns =
            schema.fields().iter().zip(whole.columns()).map(|(field, array)| (field.name(), plain(array)));
        answers.push(RecordBatch::try_from_iter(columns).unwrap());
    }
    assert_eq!(answers[0].num_rows() as i64, ROWS);
    answers
}

/// What the same database answers with what ships with TSDS.
fn expected() -> Vec<RecordBatch> {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let database = open(&machine, BUILT_IN).await.unwrap();
        fill(&database).await;
        answers(&database).await
    })
}

#[test]
fn as_the_cold_tier_it_answers_like_the_built_in_one_also_after_a_power_cut() {
    let expected = expected();
    let machine = SimWorld::new(2);
    machine.block_on(async {
        let database = open(&machine, COLD).await.unwrap();
        let stats = fill(&database).await;
        assert!(stats.tiers.cold.rows * 2 > ROWS as u64, "{:?}", stats.tiers);
        assert_eq!(answers(&database).await, expected);
        let report = database.verify(|_, _| {}).await.unwrap();
        assert_eq!((report.damage, report.rows), (vec![], ROWS as u64));
    });
    let machine = machine.crash();
    machine.block_on(async {
        let database = open(&machine, COLD).await.unwrap();
        assert_eq!(answers(&database).await, expected);
        database.close().await.unwrap();
    });
}

#[test]
fn as_the_warm_tier_it_answers_like_the_built_in_one_also_after_reopening() {
    let expected = expected();
    let machine = SimWorld::new(3);
    machine.block_on(async {
        let database = open(&machine, WARM).await.unwrap();
        let resident = fill(&database).await.resident;
        assert_eq!((resident.backend, resident.rows), ("example.ipc", ROWS as u64));
        assert_eq!(answers(&database).await, expected);
        database.close().await.unwrap();

        let database = open(&machine, WARM).await.unwrap();
        database.settle().await.unwrap();
        let resident = database.stats().await.unwrap().resident;
        assert_eq!((resident.backend, resident.rows), ("example.ipc", ROWS as u64));
        assert_eq!(answers(&database).await, expected);
        database.close().await.unwrap();
    });
}

#[test]
fn cold_files_open_in_any_arrow_reader() {
    let machine = SimWorld::new(4);
    machine.block_on(async {
        let database = open(&machine, COLD).await.unwrap();
        let cold = fill(&database).await.tiers.cold;
        let files = machine.list_files("/db/cold").unwrap();
        assert_eq!(files.len() as u64, cold.segments);
        let mut rows = 0;
        for name in files {
            let bytes = machine.read_file(format!("/db/cold/{name}")).unwrap();
            let reader = arrow_ipc::reader::FileReader::try_new(Cursor::new(bytes), None).unwrap();
            assert!(reader.custom_metadata()["tsds.segment"].contains("\"rows\""));
            rows += reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>();
        }
        assert_eq!(rows as u64, cold.rows);
        database.close().await.unwrap();
    });
}

#[test]
fn another_cold_tier_than_the_one_that_wrote_is_refused_and_both_are_named() {
    let machine = SimWorld::new(5);
    machine.block_on(async {
        let database = open(&machine, COLD).await.unwrap();
        fill(&database).await;
        database.close().await.unwrap();
        let error = open(&machine, BUILT_IN).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        let text = error.to_string();
        assert!(
            text.contains("persisted=example.ipc") && text.contains("configured=tsds.cold.parquet"),
            "{text}"
        );
    });
}

#[test]
fn without_the_plugin_the_error_names_it() {
    let machine = SimWorld::new(6);
    machine.block_on(async {
        let database = Database::builder("/db").world(machine.world()).settings(settings(COLD));
        let error = database.registry(builtin_registry().unwrap()).open().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("id=example.ipc"), "{error}");
    });
}
