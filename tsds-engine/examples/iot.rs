//! Sensors on a bad line: they send batches again when no answer came, and nothing is counted twice. Without an async runtime:
//! `cargo run -p tsds-engine --example iot`.
#![allow(clippy::print_stdout, reason = "an example shows what it finds")]

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt64Type};
use arrow_array::{Float32Array, RecordBatch, StringArray, TimestampSecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use tsds_engine::blocking::Database;
use tsds_engine::query::{Aggregation, col};
use tsds_engine::traits::Result;
use tsds_engine::{BatchId, TableSpec};

/// One a minute.
const MESSAGES: i64 = 60;

fn main() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let database = Database::open(directory.path())?;
    let table = database.create_table(TableSpec::new("rooms", schema(), "time").series(["sensor"]))?;

    for message in 0..MESSAGES {
        let id = BatchId::from(message as u128);
        table.ingest_once(id, readings(message)?)?;
        // Every third answer is lost on its way: the sensor sends the same again, under the same id.
        if message % 3 == 0 {
            table.ingest_once(id, readings(message)?)?;
        }
    }

    let cold = Aggregation::new().by(["sensor"]).count().min("celsius");
    for batch in table.rows(|query| query.filter(col("celsius").is_not_null()).aggregate(cold))? {
        let batch = batch?;
        let (sensors, rows) = (batch.column(0), batch.column(1).as_primitive::<UInt64Type>());
        let lowest = arrow_cast::cast(batch.column(2), &DataType::Float64)?;
        let lowest = lowest.as_primitive::<Float64Type>();
        let sensors = arrow_cast::cast(sensors, &DataType::Utf8)?;
        for (row, sensor) in sensors.as_string::<i32>().iter().enumerate() {
            let name = sensor.unwrap_or("?");
            println!("{name}: {} readings, the lowest {:.1} degrees", rows.value(row), lowest.value(row));
        }
    }
    database.close()
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("time", DataType::Timestamp(TimeUnit::Second, None), false),
        Field::new("sensor", DataType::Utf8, false),
        Field::new("celsius", DataType::Float32, true),
    ]))
}

/// What three sensors measured in one minute; the one in the cellar has its gaps.
fn readings(minute: i64) -> Result<RecordBatch> {
    let degrees = |offset: f32| offset + (minute % 7) as f32 / 10.0;
    let cellar = (minute % 5 != 0).then(|| degrees(8.0));
    let columns: Vec<arrow_array::ArrayRef> = vec![
        Arc::new(TimestampSecondArray::from(vec![minute * 60; 3])),
        Arc::new(StringArray::from(vec!["attic", "cellar", "hall"])),
        Arc::new(Float32Array::from(vec![Some(degrees(24.0)), cellar, Some(degrees(19.5))])),
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}
