//! What is asked of ten million trades, in the warm tier, in the cold tier, and elsewhere.

use std::path::Path;
use std::time::Instant;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};
use arrow_array::{Array, RecordBatch};
use arrow_ipc::writer::FileWriter;
use arrow_schema::DataType;
use futures::TryStreamExt;
use tsds_engine::config::Settings;
use tsds_engine::query::{Aggregation, Direction, Query, col};
use tsds_engine::{Database, Table};
use tsds_io::Runtime;

use crate::report::{Answer, Report};
use crate::trades::{NANOS_PER_ROW, Symbols, create, median, schema, trades};
use crate::{BATCH, python};

const ROWS: usize = 10_000_000;
const RUNS: usize = 7;

/// Name, query, and the column whose sum is compared, if that is not the number of rows.
type Question = (&'static str, fn(&Table) -> Query, Option<&'static str>);

const QUESTIONS: &[Question] = &[
    (
        "one symbol, one hour, all columns",
        |table| {
            let hour = col("timestamp").in_range("2024-01-01T05:00:00", "2024-01-01T06:00:00");
            table.query().filter(hour.and(col("symbol").eq("SYM000")))
        },
        Some("volume"),
    ),
    (
        "3 symbols and price > 60: count, sum",
        |table| {
            let some = col("symbol").is_in(["SYM003", "SYM030", "SYM090"]);
            let asked = Aggregation::new().count().sum("volume");
            table.query().filter(some.and(col("price").gt(60.0))).aggregate(asked)
        },
        Some("sum(volume)"),
    ),
    ("volume > 990, all columns", |table| table.query().filter(col("volume").gt(990_i64)), Some("volume")),
    (
        "top 1000 by price of one symbol",
        |table| {
            let prices = table.query().filter(col("symbol").eq("SYM000")).project(["price"]);
            prices.sort_by("price", Direction::Descending).limit(1_000)
        },
        None,
    ),
    (
        "all trades of one symbol in time order",
        |table| table.query().filter(col("symbol").eq("SYM000")).sort_by("timestamp", Direction::Ascending),
        Some("volume"),
    ),
    (
        "1-minute buckets per symbol: count, sum, min",
        |table| {
            let every = Aggregation::new().every("1m".parse().unwrap()).by(["symbol"]);
            table.query().aggregate(every.count().sum("volume").min("price"))
        },
        Some("sum(volume)"),
    ),
    (
        "last price of each symbol",
        |table| table.query().aggregate(Aggregation::new().by(["symbol"]).last("price")),
        None,
    ),
    (
        "everything in time order, streamed",
        |table| table.query().sort_by("timestamp", Direction::Ascending),
        Some("volume"),
    ),
];

pub(crate) async fn measure(runtime: &Runtime, directory: &Path, report: &mut Report) {
    for (who, most_mb) in [("TSDS, warm", 4_096), ("TSDS, cold", 1)] {
        let mut settings = Settings::default();
        settings.warm_tier.max_memory_mb = most_mb;
        let (database, table) = create(runtime, &directory.join(who), settings, "1d").await;
        for first in (0..ROWS).step_by(BATCH) {
            table.ingest(trades(first, BATCH, NANOS_PER_ROW, Symbols::Skewed)).await.unwrap();
        }
        database.flush().await.unwrap();
        database.settle().await.unwrap();
        size(&database, who).await;
        for (operation, query, column) in QUESTIONS {
            let (mut runs, mut answer) = (Vec::new(), None);
            for _ in 0..=RUNS {
                let begin = Instant::now();
                let (rows, sum) = answered(&query(&table), *column).await;
                runs.push(begin.elapsed());
                answer = Some(Answer { rows, sum });
            }
            report.add(who, operation, median(&mut runs[1..]), answer.unwrap());
        }
        database.close().await.unwrap();
    }
    write_file(&directory.join("trades.arrow"));
    python::measure("questions", directory, report);
}

async fn size(database: &Database, who: &str) {
    let stats = database.stats().await.unwrap().tiers;
    let bytes = (stats.warm.bytes + stats.cold.bytes) as f64 / ROWS as f64;
    println!(
        "{who}: {bytes:.2} bytes a row; rows warm {}, cold {}, hot {}",
        stats.warm.rows, stats.cold.rows, stats.hot.rows
    );
}

/// Rows of an answer, and the sum of one of its columns: every batch is looked at, as it comes.
async fn answered(query: &Query, column: Option<&str>) -> (u64, i64) {
    let (mut rows, mut sum) = (0, 0);
    let mut batches = query.stream().await.unwrap();
    while let Some(batch) = batches.try_next().await.unwrap() {
        rows += batch.num_rows() as u64;
        sum += column.map_or(0, |name| sum_of(&batch, name));
    }
    (rows, sum)
}

fn sum_of(batch: &RecordBatch, name: &str) -> i64 {
    let column = batch.column_by_name(name).unwrap();
    match column.data_type() {
        DataType::UInt64 => column.as_primitive::<UInt64Type>().values().iter().sum::<u64>() as i64,
        _ => column.as_primitive::<Int64Type>().values().iter().sum(),
    }
}

/// The same trades for those who read Arrow.
fn write_file(path: &Path) {
    let file = std::fs::File::create(path).unwrap();
    let mut writer = FileWriter::try_new_buffered(file, &schema()).unwrap();
    for first in (0..ROWS).step_by(BATCH * 10) {
        writer.write(&trades(first, BATCH * 10, NANOS_PER_ROW, Symbols::Skewed)).unwrap();
    }
    writer.finish().unwrap();
}
