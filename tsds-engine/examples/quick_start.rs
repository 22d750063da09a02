//! A table, some rows, two questions: `cargo run -p tsds-engine --example quick_start`.
#![allow(clippy::print_stdout, reason = "an example shows what it finds")]

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use futures::TryStreamExt;
use tsds_engine::query::{Aggregation, Direction, col};
use tsds_engine::traits::Result;
use tsds_engine::{Database, TableSpec};

fn main() -> Result<()> {
    let runtime = tsds_io::Runtime::new(None)?;
    let directory = tempfile::tempdir()?;
    runtime.block_on(async {
        let database = Database::builder(directory.path()).world(runtime.world()).open().await?;

        // A time column, series columns by which rows are kept together, and whatever is measured.
        let schema = Arc::new(Schema::new(vec![
            Field::new("time", DataType::Timestamp(TimeUnit::Millisecond, None), false),
            Field::new("host", DataType::Utf8, false),
            Field::new("load", DataType::Float64, true),
        ]));
        let spec = TableSpec::new("machines", Arc::clone(&schema), "time").series(["host"]);
        let table = database.create_table(spec).await?;

        let minutes = 0..1_440;
        let time = TimestampMillisecondArray::from_iter_values(minutes.clone().map(|minute| minute * 60_000));
        let host = StringArray::from_iter_values(
            minutes.clone().map(|minute| if minute % 2 == 0 { "a" } else { "b" }),
        );
        let load = Float64Array::from_iter_values(minutes.map(|minute| (minute % 100) as f64 / 100.0));
        let rows = RecordBatch::try_new(schema, vec![Arc::new(time), Arc::new(host), Arc::new(load)])?;

        // When this returns, the rows are on the disk and can be queried.
        let receipt = table.ingest(rows).await?;
        println!("{} rows are {:?}", receipt.rows, receipt.durability);

        let busiest = table.query().filter(col("load").gt(0.95).and(col("host").eq("b")));
        let mut busiest = busiest.sort_by("load", Direction::Descending).limit(3).stream().await?;
        while let Some(batch) = busiest.try_next().await? {
            for value in batch.column(2).as_primitive::<Float64Type>().iter().flatten() {
                println!("a load of {value}");
            }
        }

        let per_hour = Aggregation::new().every("1h".parse()?).by(["host"]).count().avg("load");
        let hours: usize =
            table.query().aggregate(per_hour).collect().await?.iter().map(RecordBatch::num_rows).sum();
        println!("{hours} averages, one for each hour and host");

        database.close().await
    })
}
