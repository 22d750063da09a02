//! How small published series get on disk that arrive one point at a time.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]
#![allow(clippy::disallowed_methods, reason = "a test reads files of its machine")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use libtest_mimic::{Arguments, Failed, Trial};
use tsds_engine::config::Settings;
use tsds_engine::{Database, TableSpec, TableStorage};
use tsds_io::SimWorld;

const POINTS: usize = 1000;
/// A time and a value of 8 bytes each.
const RAW: u64 = 16 * POINTS as u64;

/// A column of a file: its place in each line, and the milliseconds between its points, which are regular.
struct Source {
    file: &'static str,
    column: usize,
    every: i64,
}

const SOURCES: [Source; 2] = [
    Source { file: "beijing_air/PRSA_Data_Changping_20130301-20170228.csv", column: 11, every: 3_600_000 },
    Source { file: "nab/data/realAWSCloudwatch/ec2_cpu_utilization_5f5533.csv", column: 1, every: 300_000 },
];

fn main() -> ExitCode {
    let data = match std::env::var_os("TSDS_TEST_DATA") {
        Some(data) => PathBuf::from(data),
        None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data")),
    };
    let trials = SOURCES.map(|source| {
        let name = format!("1000_points_of_{}_take_15_percent_of_raw_on_disk", source.file.replace('/', "_"));
        match Some(data.join(source.file)).filter(|path| path.is_file()) {
            Some(path) => {
                Trial::test(name, move || small_on_disk(&values(&path, source.column), source.every))
            }
            None => Trial::test(name, || Err("set TSDS_TEST_DATA".into()))
                .with_kind("absent:TSDS_TEST_DATA")
                .with_ignored_flag(true),
        }
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}

/// The first values of a column.
fn values(path: &PathBuf, column: usize) -> Vec<f64> {
    let text = std::fs::read_to_string(path).unwrap();
    let cells = text.lines().skip(1).map(|line| line.split(',').nth(column).unwrap().trim_matches('"'));
    let values: Vec<f64> = cells.filter_map(|cell| cell.parse().ok()).take(POINTS).collect();
    assert_eq!(values.len(), POINTS, "{}", path.display());
    values
}

fn small_on_disk(values: &[f64], every: i64) -> Result<(), Failed> {
    let machine = SimWorld::new(1);
    let storage = machine.block_on(stored(&machine, values.to_vec(), every));
    let blocks: u64 = storage.columns.iter().map(|column| column.bytes).sum();
    let share = |bytes: u64| bytes as f64 * 100.0 / RAW as f64;
    let modes: Vec<_> = storage.columns.iter().flat_map(|column| &column.modes).collect();
    let report = format!(
        "blocks {blocks} bytes, {:.1} % of raw; whole files {} bytes, {:.1} %; {modes:?}",
        share(blocks),
        storage.file_bytes,
        share(storage.file_bytes)
    );
    println!("{report}");
    if blocks * 100 <= RAW * 15 { Ok(()) } else { Err(report.into()) }
}

/// Inserts the points one by one, moves them into a segment file, reads them back, and says how that is stored.
async fn stored(machine: &SimWorld, values: Vec<f64>, every: i64) -> TableStorage {
    let mut settings = Settings::default();
    settings.wal.file_mb = 1;
    let database = Database::builder("/db").world(machine.world()).settings(settings).open().await.unwrap();
    let table = database.create_table(TableSpec::new("points", schema(), "time")).await.unwrap();
    for (number, value) in values.iter().enumerate() {
        table.ingest(point(1_700_000_000_000 + number as i64 * every, *value)).await.unwrap();
    }
    database.flush().await.unwrap();
    let rows = table.query().project(["value"]).collect().await.unwrap();
    let found = rows.iter().flat_map(|batch| {
        let column = batch.column(0).as_any().downcast_ref::<Float64Array>().unwrap();
        column.values().iter().map(|value| value.to_bits()).collect::<Vec<_>>()
    });
    assert!(found.eq(values.iter().map(|value| value.to_bits())));
    let storage = database.storage_stats().await.unwrap().remove(0);
    assert_eq!((storage.files, storage.rows, storage.unreadable_files), (1, POINTS as u64, 0));
    database.close().await.unwrap();
    storage
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("time", DataType::Timestamp(TimeUnit::Millisecond, None), false),
        Field::new("value", DataType::Float64, true),
    ]))
}

fn point(time: i64, value: f64) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMillisecondArray::from(vec![time])),
        Arc::new(Float64Array::from(vec![value])),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}
