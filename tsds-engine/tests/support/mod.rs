//! A small table, a naive model of it, and databases on simulated machines.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMillisecondType};
use arrow_array::{
    Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tsds_engine::config::Settings;
use tsds_engine::traits::{
    Action, Evictor, Factory, Plugin, Presence, Registry, Result, SegmentId, TierView,
};
use tsds_engine::{Database, TableSpec, builtin_registry};
use tsds_io::SimWorld;

pub const PATH: &str = "/db";
pub const TABLE: &str = "metrics";

/// One row as the model sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub time: i64,
    pub host: String,
    pub value: Option<f64>,
    pub id: i64,
}

pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("time", DataType::Timestamp(TimeUnit::Millisecond, None), false),
        Field::new("host", DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into()), false),
        Field::new("value", DataType::Float64, true),
        Field::new("id", DataType::Int64, false),
    ]))
}

pub fn spec() -> TableSpec {
    TableSpec::new(TABLE, schema(), "time").series(["host"]).chunk_interval("1h")
}

pub fn batch(rows: &[Row]) -> RecordBatch {
    let time: TimestampMillisecondArray = rows.iter().map(|row| Some(row.time)).collect();
    let host: StringArray = rows.iter().map(|row| Some(row.host.as_str())).collect();
    let host = arrow_cast::cast(&host, schema().field(1).data_type()).unwrap();
    let value: Float64Array = rows.iter().map(|row| row.value).collect();
    let id: Int64Array = rows.iter().map(|row| Some(row.id)).collect();
    let columns: Vec<ArrayRef> = vec![Arc::new(time), host, Arc::new(value), Arc::new(id)];
    RecordBatch::try_new(schema(), columns).unwrap()
}

pub fn rows_of(batches: &[RecordBatch]) -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in batches {
        let time = batch.column_by_name("time").unwrap().as_primitive::<TimestampMillisecondType>();
        let host = arrow_cast::cast(batch.column_by_name("host").unwrap(), &DataType::Utf8).unwrap();
        let host = host.as_string::<i32>();
        let value = batch.column_by_name("value").unwrap().as_primitive::<Float64Type>();
        let id = batch.column_by_name("id").unwrap().as_primitive::<Int64Type>();
        rows.extend((0..batch.num_rows()).map(|row| Row {
            time: time.value(row),
            host: host.value(row).into(),
            value: value.is_valid(row).then(|| value.value(row)),
            id: id.value(row),
        }));
    }
    rows
}

pub fn ids(rows: &[Row]) -> Vec<i64> {
    rows.iter().map(|row| row.id).collect()
}

pub fn sorted_ids(rows: &[Row]) -> Vec<i64> {
    let mut ids = ids(rows);
    ids.sort_unstable();
    ids
}

/// Keeps few segments in the warm tier, whatever their size: small databases then use all three tiers.
#[derive(Debug)]
struct TightEvictor;

impl Evictor for TightEvictor {
    fn name(&self) -> &'static str {
        "test.evict.tight"
    }

    fn plan(&self, view: &TierView<'_>) -> Vec<Action> {
        let mut segments: Vec<_> = view.segments.iter().collect();
        segments.sort_by_key(|segment| (segment.meta.interval.upto, segment.meta.id));
        let ids: Vec<SegmentId> = segments.iter().map(|segment| segment.meta.id).collect();
        let surplus = if ids.len() > 4 { ids.len() - 2 } else { 0 };
        ids.into_iter().take(surplus).map(Action::Evict).collect()
    }
}

fn tight(_: &serde_json::Value) -> Result<Arc<dyn Evictor>> {
    Ok(Arc::new(TightEvictor))
}

pub fn registry() -> Registry {
    let mut registry = builtin_registry().unwrap();
    registry
        .register(Plugin {
            id: "test.evict.tight",
            crate_version: "0",
            format_version: 1,
            reads_from: 1,
            factory: Factory::Evictor(tight),
            probe: || Presence::Present(String::new()),
        })
        .unwrap();
    registry
}

/// Small enough that a few dozen rows pass through every tier.
pub fn small() -> Settings {
    let mut settings = Settings::default();
    // Whatever devices the machine has: a simulated world has none.
    settings.warm_tier.backend = "cpu".into();
    settings.hot_tier.max_records = 60;
    settings.hot_tier.segment_rows = 25;
    settings.warm_tier.evictor = "test.evict.tight".into();
    settings.wal.file_mb = 1;
    settings.ingest.timeout_ms = 60_000;
    settings
}

pub async fn open(machine: &SimWorld) -> Result<Database> {
    open_with(machine, small()).await
}

pub async fn open_with(machine: &SimWorld, settings: Settings) -> Result<Database> {
    open_on(machine, registry(), settings).await
}

pub async fn open_on(machine: &SimWorld, registry: Registry, settings: Settings) -> Result<Database> {
    Database::builder(PATH).world(machine.world()).registry(registry).settings(settings).open().await
}

/// What is counted while a database is written, sealed and read: by name and labels; of histograms how many values.
pub fn counted(work: impl AsyncFnOnce(&SimWorld)) -> BTreeMap<String, f64> {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let machine = SimWorld::new(1);
    metrics::with_local_recorder(&recorder, || machine.block_on(work(&machine)));
    let values = snapshotter.snapshot().into_vec().into_iter().map(|(key, _, _, value)| {
        let key = key.key();
        let labels: String =
            key.labels().map(|label| format!(" {}={}", label.key(), label.value())).collect();
        let value = match value {
            DebugValue::Counter(count) => count as f64,
            DebugValue::Gauge(gauge) => gauge.into_inner(),
            DebugValue::Histogram(values) => values.len() as f64,
        };
        (format!("{}{labels}", key.name()), value)
    });
    values.collect()
}

/// Everything that a query without conditions sees.
pub async fn everything(database: &Database) -> Result<Vec<Row>> {
    Ok(rows_of(&database.table(TABLE)?.query().collect().await?))
}
