//! What every benchmark of a whole database has: a place, a table and made-up trades.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampNanosecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use tsds_engine::config::Settings;
use tsds_engine::{Database, Table, TableSpec};
use tsds_io::Runtime;

/// Of each table.
pub(crate) const SYMBOLS: u64 = 100;
/// Ten million rows a day.
pub(crate) const NANOS_PER_ROW: i64 = 8_640_000;
/// 2024-01-01T00:00:00Z.
const BEGIN: i64 = 1_704_067_200 * 1_000_000_000;

/// A directory of its own, which goes with it, and what of the benchmark is wanted.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) runtime: Runtime,
    pub(crate) directory: PathBuf,
    wanted: Vec<String>,
}

impl Bench {
    pub(crate) fn start(name: &str) -> Self {
        tsds_io::share_freed_memory();
        let wanted = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
        let base = std::env::var_os("TSDS_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let directory = base.join(format!("tsds-{name}-bench-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        Self { runtime: Runtime::new(None).unwrap(), directory, wanted }
    }

    /// Whether a part is asked for: all are, unless some are named.
    pub(crate) fn runs(&self, part: &str) -> bool {
        self.wanted.is_empty() || self.wanted.iter().any(|wanted| wanted == part)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

pub(crate) async fn create(
    runtime: &Runtime,
    path: &Path,
    settings: Settings,
    chunk: &str,
) -> (Database, Table) {
    let database = Database::builder(path).world(runtime.world()).settings(settings).open().await.unwrap();
    let spec = TableSpec::new("trades", schema(), "timestamp").series(["symbol"]).chunk_interval(chunk);
    let table = database.create_table(spec).await.unwrap();
    (database, table)
}

pub(crate) fn median(runs: &mut [Duration]) -> Duration {
    runs.sort_unstable();
    runs[runs.len() / 2]
}

/// Which symbol a row has, of a number that its own scatters.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Symbols {
    /// All of them as often.
    #[allow(dead_code, reason = "not every benchmark has these")]
    Even,
    /// The first one of a tenth of the rows, the last one of a two-hundredth.
    #[allow(dead_code, reason = "not every benchmark has these")]
    Skewed,
}

impl Symbols {
    fn of(self, scattered: u64) -> u64 {
        match self {
            Self::Even => scattered % SYMBOLS,
            Self::Skewed => {
                let part = scattered as f64 / f64::from(u32::MAX);
                ((part * part * SYMBOLS as f64) as u64).min(SYMBOLS - 1)
            }
        }
    }
}

pub(crate) fn schema() -> SchemaRef {
    let text = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    Arc::new(Schema::new(vec![
        Field::new("timestamp", DataType::Timestamp(TimeUnit::Nanosecond, None), false),
        Field::new("symbol", text(), false),
        Field::new("side", text(), false),
        Field::new("price", DataType::Float64, false),
        Field::new("volume", DataType::Int64, false),
    ]))
}

/// Rows in the order of time, so many nanoseconds from one to the next.
pub(crate) fn trades(first: usize, rows: usize, nanos: i64, symbols: Symbols) -> RecordBatch {
    let numbers = first..first + rows;
    let scatter = |number: usize| (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let time = numbers.clone().map(|number| BEGIN + number as i64 * nanos);
    let keys: Int32Array = numbers.clone().map(|number| Some(symbols.of(scatter(number)) as i32)).collect();
    let names: StringArray = (0..SYMBOLS).map(|symbol| Some(format!("SYM{symbol:03}"))).collect();
    let sides: Int32Array = numbers.clone().map(|number| Some((scatter(number) >> 7 & 1) as i32)).collect();
    let price = numbers.clone().map(|number| 20.0 + (scatter(number) % 5_000) as f64 / 100.0);
    let volume = numbers.map(|number| (scatter(number) % 1_000) as i64);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampNanosecondArray::from_iter_values(time)),
        Arc::new(DictionaryArray::<Int32Type>::new(keys, Arc::new(names))),
        Arc::new(DictionaryArray::<Int32Type>::new(sides, Arc::new(StringArray::from(vec!["buy", "sell"])))),
        Arc::new(Float64Array::from_iter_values(price)),
        Arc::new(Int64Array::from_iter_values(volume)),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}
