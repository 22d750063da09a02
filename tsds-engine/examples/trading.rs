//! Trades that outgrow memory, and one-minute bars over all of them: `cargo run --release -p tsds-engine --example trading`.
#![allow(clippy::print_stdout, reason = "an example shows what it finds")]

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use tsds_engine::config::Settings;
use tsds_engine::query::{Aggregation, Direction, col};
use tsds_engine::traits::Result;
use tsds_engine::{Database, TableSpec};

const SYMBOLS: [&str; 4] = ["AAPL", "AMD", "MSFT", "NVDA"];
/// Trades of one batch.
const BATCH: i64 = 10_000;

fn main() -> Result<()> {
    let runtime = tsds_io::Runtime::new(None)?;
    let directory = tempfile::tempdir()?;
    // So little memory that most trades move on: to segment files, and from there to Parquet.
    let mut settings = Settings::default();
    settings.hot_tier.max_records = 100_000;
    settings.warm_tier.max_memory_mb = 1;
    runtime.block_on(async {
        let database =
            Database::builder(directory.path()).settings(settings).world(runtime.world()).open().await?;
        let table =
            database.create_table(TableSpec::new("trades", schema(), "time").series(["symbol"])).await?;
        for batch in 0..40 {
            table.ingest(trades(batch)?).await?;
        }
        database.settle().await?;
        let rows = database.tier_counts();
        println!("rows in memory {}, in segment files {}, in Parquet {}", rows.hot, rows.warm, rows.cold);

        let bars = Aggregation::new().every("1m".parse()?).by(["symbol"]);
        let bars = bars.first("price").max("price").min("price").last("price").sum("size");
        let of_one = table.query().filter(col("symbol").eq("NVDA")).aggregate(bars);
        let bars = of_one.collect().await?;
        println!("{} bars of NVDA", bars.iter().map(RecordBatch::num_rows).sum::<usize>());
        if let Some(first) = bars.first() {
            let price = |column: usize| first.column(column).as_primitive::<Float64Type>().value(0);
            let volume = first.column(6).as_primitive::<Int64Type>().value(0);
            println!(
                "the first: open {}, high {}, low {}, close {}, volume {volume}",
                price(2),
                price(3),
                price(4),
                price(5)
            );
        }

        // What does a question cost? This runs it, and says what each tier read.
        let largest = table.query().sort_by("size", Direction::Descending).limit(10);
        print!("{}", largest.analyze().await?);
        database.close().await
    })
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("time", DataType::Timestamp(TimeUnit::Microsecond, None), false),
        Field::new("symbol", DataType::Utf8, false),
        Field::new("price", DataType::Float64, false),
        Field::new("size", DataType::Int64, false),
    ]))
}

/// Made-up trades, one a millisecond.
fn trades(batch: i64) -> Result<RecordBatch> {
    let numbers = batch * BATCH..(batch + 1) * BATCH;
    let time = numbers.clone().map(|number| number * 1_000);
    let symbol = numbers.clone().map(|number| SYMBOLS[(number % 4) as usize]);
    let noise = |number: i64| ((number * number).wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64) >> 33).abs();
    let price = numbers.clone().map(|number| (10_000 + noise(number) % 2_000) as f64 / 100.0);
    let size = numbers.map(|number| 1 + noise(number + 1) % 5_000);
    let columns: Vec<arrow_array::ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from_iter_values(time)),
        Arc::new(StringArray::from_iter_values(symbol)),
        Arc::new(Float64Array::from_iter_values(price)),
        Arc::new(Int64Array::from_iter_values(size)),
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}
