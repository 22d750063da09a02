//! Segments in memory, a tier on a simulated machine, and the rows that a scan should give.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

pub mod test_store;

use std::sync::Arc;

use arrow_array::builder::{StringBuilder, StringDictionaryBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, TimestampMicrosecondArray, UInt32Array};
use arrow_schema::{DataType, TimeUnit};
use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tsds_cold_parquet::{ParquetSettings, ParquetTier, VfsObjectStore};
use tsds_compute::SegmentDescriber;
use tsds_io::SimWorld;
use tsds_traits::{
    BlockLayout, BuildContext, ChunkRange, CodecSet, Column, ColumnId, DatabaseId, EncodedColumn, KeyDomain,
    Put, Result, ScanRequest, SchemaVersion, SegmentBatch, SegmentHandle, SegmentId, SegmentMeta,
    SegmentSource, Sequence, SequenceInterval, Stored, TableId, TableSchema, Tier, World,
};

pub const DAY: i64 = 86_400;
/// 2013-03-01T00:00:00Z.
pub const MARCH_2013: i64 = 1_362_096_000;
pub const COLD: &str = "/db/cold";
/// Says whose store it is.
pub const ROOT_OBJECT: &str = "_tsds.json";
/// The database of [`context`].
pub const DATABASE: DatabaseId = DatabaseId([7; 16]);

pub const TIME: ColumnId = ColumnId(1);
pub const HOST: ColumnId = ColumnId(2);
pub const LOAD: ColumnId = ColumnId(3);
pub const CORES: ColumnId = ColumnId(4);
pub const NOTE: ColumnId = ColumnId(5);

pub fn column(id: ColumnId, name: &str, data_type: DataType, nullable: bool) -> Column {
    Column { id, name: name.into(), data_type, nullable }
}

pub fn text_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// time, host (the series), load, cores, note.
pub fn schema() -> Arc<TableSchema> {
    let columns = vec![
        column(TIME, "time", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false),
        column(HOST, "host", text_type(), true),
        column(LOAD, "load", DataType::Float64, true),
        column(CORES, "cores", DataType::UInt32, false),
        column(NOTE, "note", DataType::Utf8, true),
    ];
    Arc::new(TableSchema::new(TableId(7), SchemaVersion(1), columns, TIME, &[HOST]).unwrap())
}

/// `rows` rows of `hosts` hosts, sorted by host and time, all in the first day of March 2013.
pub fn batch(rows: usize, hosts: usize) -> RecordBatch {
    let per_host = rows.div_ceil(hosts);
    let times = (0..rows).map(|row| (MARCH_2013 * 1_000_000) + (row % per_host) as i64 * 250_000);
    let times = TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC");
    let mut host = StringDictionaryBuilder::<Int32Type>::new();
    (0..rows).for_each(|row| host.append_value(format!("host-{:03}", row / per_host)));
    let load = (0..rows).map(|row| match row % 11 {
        3 => None,
        5 => Some(f64::NAN),
        7 => Some(-0.0),
        _ => Some(((row * 7_919) % 1_000) as f64 / 8.0 - 30.0),
    });
    let load: Float64Array = load.collect();
    let cores = UInt32Array::from_iter_values((0..rows).map(|row| (row * 31 % 97) as u32));
    let mut note = StringBuilder::new();
    (0..rows).for_each(|row| note.append_option((row % 4 != 0).then(|| format!("note {}", row % 50))));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(times),
        Arc::new(host.finish()),
        Arc::new(load),
        Arc::new(cores),
        Arc::new(note.finish()),
    ];
    RecordBatch::try_new(Arc::clone(schema().arrow()), columns).unwrap()
}

/// Rows in memory.
#[derive(Debug)]
pub struct MemorySource {
    pub meta: Arc<SegmentMeta>,
    pub schema: Arc<TableSchema>,
    pub batches: Vec<RecordBatch>,
}

impl MemorySource {
    pub fn new(
        id: u64,
        schema: &Arc<TableSchema>,
        chunk: ChunkRange,
        batches: Vec<RecordBatch>,
    ) -> Arc<Self> {
        let mut describer = SegmentDescriber::new(schema);
        batches.iter().for_each(|batch| describer.push(batch).unwrap());
        let interval = SequenceInterval::new(Sequence(id * 10), Sequence(id * 10 + 10));
        let meta = describer.finish(SegmentId::new(id), chunk, KeyDomain(0), interval).unwrap();
        Arc::new(Self { meta: Arc::new(meta), schema: Arc::clone(schema), batches })
    }

    /// A segment of [`schema`] with [`batch`].
    pub fn sample(id: u64, rows: usize) -> Arc<Self> {
        let chunk = ChunkRange { start: MARCH_2013, end: MARCH_2013 + DAY };
        Self::new(id, &schema(), chunk, vec![batch(rows, 3)])
    }

    /// The same rows in batches of another size.
    pub fn rebatched(&self, rows: usize) -> Arc<Self> {
        let slices = self.batches.iter().flat_map(|batch| {
            let starts = (0..batch.num_rows()).step_by(rows);
            starts.map(|start| batch.slice(start, rows.min(batch.num_rows() - start))).collect::<Vec<_>>()
        });
        Arc::new(Self {
            meta: Arc::clone(&self.meta),
            schema: Arc::clone(&self.schema),
            batches: slices.collect(),
        })
    }

    pub fn rows(&self) -> RecordBatch {
        arrow_select::concat::concat_batches(self.schema.arrow(), &self.batches).unwrap()
    }
}

#[async_trait]
impl SegmentSource for MemorySource {
    fn meta(&self) -> &Arc<SegmentMeta> {
        &self.meta
    }

    fn schema(&self) -> &Arc<TableSchema> {
        &self.schema
    }

    fn batches(&self) -> BoxStream<'static, Result<RecordBatch>> {
        stream::iter(self.batches.clone()).map(Ok).boxed()
    }

    fn layout(&self, _: ColumnId) -> Result<Option<Vec<BlockLayout>>> {
        Ok(None)
    }

    async fn blocks(&self, _: ColumnId, _: std::ops::Range<u64>) -> Result<Option<EncodedColumn>> {
        Ok(None)
    }
}

pub fn context(world: &World) -> BuildContext {
    let codecs = Arc::new(CodecSet::default());
    BuildContext::new(world.clone(), DATABASE, COLD.into(), codecs)
}

/// Small row groups, so that small segments have many.
pub fn settings() -> ParquetSettings {
    ParquetSettings { row_group_rows: 1_024, ..ParquetSettings::default() }
}

pub fn tier_with(world: &World, settings: ParquetSettings) -> Arc<ParquetTier> {
    let store = Arc::new(VfsObjectStore::new(world.clone(), COLD));
    ParquetTier::new(store, settings, context(world)).unwrap()
}

pub fn tier(world: &World) -> Arc<ParquetTier> {
    tier_with(world, settings())
}

pub async fn put(tier: &ParquetTier, source: &Arc<MemorySource>) -> Result<Stored> {
    let source: Arc<dyn SegmentSource> = Arc::clone(source) as _;
    match tier.put(source).await? {
        Put::Stored(stored) => Ok(stored),
        Put::Declined(reason) => panic!("declined: {reason}"),
    }
}

pub fn handle(source: &MemorySource, stored: &Stored) -> SegmentHandle {
    SegmentHandle { meta: Arc::clone(&source.meta), record: stored.record.clone() }
}

pub async fn scan(tier: &Arc<ParquetTier>, request: ScanRequest) -> Result<Vec<SegmentBatch>> {
    use futures::TryStreamExt;
    Arc::clone(tier).scan(request).try_collect().await
}

/// All columns of all rows.
pub fn everything(schema: &Arc<TableSchema>, handles: Vec<SegmentHandle>) -> ScanRequest {
    let all = schema.columns().iter().map(|column| column.id).collect();
    ScanRequest::new(Arc::clone(schema), handles, all)
}

/// The rows of all batches, as text with the bits of floats: equal only if every value and null is.
pub fn rows_of(batches: &[RecordBatch]) -> Vec<String> {
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let values = batch.columns().iter().map(|array| value_text(array, row));
            rows.push(values.collect::<Vec<_>>().join("|"));
        }
    }
    rows
}

pub fn value_text(array: &ArrayRef, row: usize) -> String {
    if array.is_null(row) {
        return "null".into();
    }
    match array.data_type() {
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_dictionary::<Int32Type>();
            value_text(dictionary.values(), dictionary.key(row).unwrap())
        }
        DataType::Boolean => format!("{}", array.as_boolean().value(row)),
        DataType::Utf8 => format!("{:?}", array.as_string::<i32>().value(row)),
        // Little-endian bytes tell every number and every payload apart.
        _ => format!("{:02x?}", array.slice(row, 1).to_data().buffers()[0].as_slice()),
    }
}

/// The files of segments under [`COLD`], without the object that says whose they are.
pub fn segment_files(machine: &SimWorld) -> Vec<String> {
    let files = machine.list_files(COLD).unwrap_or_default();
    files.into_iter().filter(|file| file != ROOT_OBJECT).collect()
}

pub fn sim(seed: u64) -> (SimWorld, World) {
    let machine = SimWorld::new(seed);
    let world = machine.world();
    (machine, world)
}

/// A segment of [`schema`] whose loads are as long as random numbers.
pub fn noisy(id: u64, rows: usize) -> Arc<MemorySource> {
    let mut columns = batch(rows, 3).columns().to_vec();
    let bits = (0..rows as u64).map(|row| (row + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31));
    columns[2] = Arc::new(Float64Array::from_iter_values(bits.map(|bits| (bits >> 11) as f64)));
    let batch = RecordBatch::try_new(Arc::clone(schema().arrow()), columns).unwrap();
    let chunk = ChunkRange { start: MARCH_2013, end: MARCH_2013 + 30 * DAY };
    MemorySource::new(id, &schema(), chunk, vec![batch])
}
