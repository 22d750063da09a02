//! A database whose segment files are written with `example.pco`, chosen by configuration.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array,
    RecordBatch, StringArray, TimestampMicrosecondArray, TimestampNanosecondArray, UInt8Array, UInt16Array,
    UInt32Array, UInt64Array,
};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use tsds_engine::config::{Layers, Settings};
use tsds_engine::{Database, TableSpec, builtin_registry};
use tsds_io::SimWorld;
use tsds_traits::{ErrorKind, Registry, Result};

const ROWS: i64 = 5_000;
const CONFIGURATION: &str = r#"{"warm_tier": {"file_codec": "example.pco"}, "wal": {"file_mb": 1}}"#;
const PLAIN: &str = r#"{"warm_tier": {"file_codec": "tsds.plain"}, "wal": {"file_mb": 1}}"#;

fn settings(json: &str) -> Settings {
    let mut layers = Layers::new();
    layers.json("tsds.json", json).unwrap();
    layers.settings().unwrap()
}

fn with_plugin() -> Registry {
    let mut registry = builtin_registry().unwrap();
    registry.register(example_pco::PLUGIN).unwrap();
    registry
}

async fn open(machine: &SimWorld, registry: Registry, json: &str) -> Result<Database> {
    Database::builder("/db").world(machine.world()).registry(registry).settings(settings(json)).open().await
}

/// Rows with every type, the numbers among them with nulls and with the values at which codecs break.
fn rows() -> RecordBatch {
    let odd_floats =
        [f64::NAN, -f64::NAN, f64::from_bits(0x7ff0_0000_0000_beef), -0.0, f64::INFINITY, f64::MIN];
    let float = |n: i64| if n % 50 < 6 { odd_floats[(n % 50) as usize] } else { (n % 313) as f64 * 0.01 };
    let some = |n: &i64| n % 7 != 3;
    macro_rules! column {
        ($array:ty, $value:expr) => {
            Arc::new((0..ROWS).map(|n| some(&n).then(|| $value(n))).collect::<$array>()) as ArrayRef
        };
    }
    let name = |n: i64| format!("sensor-{}", n % 3);
    let names: StringArray = (0..ROWS).map(|n| Some(name(n))).collect();
    let times: TimestampMicrosecondArray =
        (0..ROWS).map(|n| Some(1_700_000_000_000_000 + n * 1_000_000)).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("time", Arc::new(times)),
        ("name", Arc::new(names)),
        ("i8", column!(Int8Array, |n| n as i8)),
        ("i16", column!(Int16Array, |n| (n * 7) as i16)),
        ("i32", column!(Int32Array, |n| if n % 11 == 0 { i32::MIN } else { n as i32 })),
        ("i64", column!(Int64Array, |n| if n % 11 == 0 { i64::MAX } else { n * n })),
        ("u8", column!(UInt8Array, |n| n as u8)),
        ("u16", column!(UInt16Array, |n| n as u16)),
        ("u32", column!(UInt32Array, |n| u32::MAX - n as u32)),
        ("u64", column!(UInt64Array, |n| u64::MAX - n as u64 * 1_000)),
        ("f32", column!(Float32Array, |n| float(n) as f32)),
        ("f64", column!(Float64Array, float)),
        ("at", column!(TimestampNanosecondArray, |n| n - 2_500)),
        ("on", column!(BooleanArray, |n| n % 2 == 0)),
    ];
    let field = |(name, array): &(&str, ArrayRef)| {
        Field::new(*name, array.data_type().clone(), !["time", "name"].contains(name))
    };
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns.into_iter().map(|(_, array)| array).collect()).unwrap()
}

/// Writes the rows and moves them into segment files. Returns how many bytes those have.
async fn fill(database: &Database) -> u64 {
    let table = database.create_table(TableSpec::new("air", rows().schema(), "time")).await.unwrap();
    table.ingest(rows()).await.unwrap();
    database.flush().await.unwrap();
    let stats = database.stats().await.unwrap();
    assert_eq!((stats.tiers.hot.rows, stats.tiers.warm.rows), (0, ROWS as u64));
    stats.tiers.warm.bytes
}

async fn read(database: &Database) -> Result<RecordBatch> {
    let mut batches = database.table("air")?.query().collect().await?;
    assert_eq!(batches.len(), 1);
    Ok(batches.remove(0))
}

#[test]
fn rows_come_back_bit_for_bit_and_again_after_reopening() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let database = open(&machine, with_plugin(), CONFIGURATION).await.unwrap();
        fill(&database).await;
        assert_eq!(read(&database).await.unwrap(), rows());
        database.close().await.unwrap();

        let database = open(&machine, with_plugin(), CONFIGURATION).await.unwrap();
        let again = read(&database).await.unwrap();
        assert_eq!(again, rows());
        // Equality of arrays is by bits: the payload of this NaN tells.
        let floats = again.column_by_name("f64").unwrap().to_data();
        assert_eq!(floats.buffers()[0].typed_data::<u64>()[2], 0x7ff0_0000_0000_beef);
        let report = database.verify(|_, _| {}).await.unwrap();
        assert_eq!((report.damage, report.rows), (vec![], ROWS as u64));
        database.close().await.unwrap();
    });
}

#[test]
fn files_are_less_than_half_as_long_as_plain_ones() {
    let bytes = |json| {
        let machine = SimWorld::new(2);
        machine.block_on(async {
            let database = open(&machine, with_plugin(), json).await.unwrap();
            let bytes = fill(&database).await;
            database.close().await.unwrap();
            bytes
        })
    };
    let (plain, packed) = (bytes(PLAIN), bytes(CONFIGURATION));
    assert!(packed * 2 < plain, "{packed} bytes with example.pco, {plain} with tsds.plain");
}

#[test]
fn without_the_plugin_the_database_names_what_is_missing() {
    let machine = SimWorld::new(3);
    machine.block_on(async {
        let database = open(&machine, with_plugin(), CONFIGURATION).await.unwrap();
        fill(&database).await;
        database.close().await.unwrap();

        // Asked for by configuration.
        let error = open(&machine, builtin_registry().unwrap(), CONFIGURATION).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let text = error.to_string();
        assert!(text.contains("id=example.pco") && text.contains("key=warm_tier.file_codec"), "{text}");

        // Asked for by the blocks that are there.
        let opened = open(&machine, builtin_registry().unwrap(), r#"{"wal": {"file_mb": 1}}"#).await;
        let error = match opened {
            Ok(database) => read(&database).await.unwrap_err(),
            Err(error) => error,
        };
        assert!(error.to_string().contains("id=example.pco"), "{error}");
    });
}

#[test]
fn the_schema_has_every_type_of_number() {
    let types: Vec<DataType> =
        rows().schema().fields().iter().map(|field| field.data_type().clone()).collect();
    assert!(types.contains(&DataType::Timestamp(TimeUnit::Nanosecond, None)) && types.len() == 14);
}
