//! Segments to write and read, and worlds to do it in.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, unreachable_pub)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BooleanArray, DictionaryArray, Float32Array, Float64Array, Int8Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt64Array,
};
use arrow_schema::{DataType, TimeUnit};
use futures::TryStreamExt;
use tsds_codec_gorilla::GorillaCodec;
use tsds_compute::{SortedRows, describe_segment, sort_for_segment};
use tsds_io::SimWorld;
use tsds_segment::{PlainCodec, SegmentFile, SegmentWriteOptions, Written, ZstdCodec, write_segment};
use tsds_traits::{
    ChunkRange, CodecLookup, CodecSet, Column, ColumnId, DatabaseId, KeyDomain, Result, SchemaVersion,
    SegmentId, SegmentMeta, SegmentSource, Sequence, SequenceInterval, TableId, TableSchema, World,
};

pub const DATABASE: DatabaseId = DatabaseId([7; 16]);
pub const TIME: ColumnId = ColumnId(1);
pub const HOST: ColumnId = ColumnId(2);
pub const VALUE: ColumnId = ColumnId(3);
pub const FLAG: ColumnId = ColumnId(4);
pub const NOTE: ColumnId = ColumnId(5);
pub const KIND: ColumnId = ColumnId(6);
pub const SMALL: ColumnId = ColumnId(7);
pub const COUNT: ColumnId = ColumnId(8);
pub const RATIO: ColumnId = ColumnId(9);

pub fn codecs() -> Arc<dyn CodecLookup> {
    let set = CodecSet::default().with(Arc::new(PlainCodec::new())).unwrap();
    let set = set.with(Arc::new(ZstdCodec::new())).unwrap();
    Arc::new(set.with(Arc::new(GorillaCodec::new())).unwrap())
}

pub fn dictionary_type() -> DataType {
    DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into())
}

/// Every shape of value: text as dictionary and plain, floats, bits, narrow and wide integers.
pub fn schema() -> Arc<TableSchema> {
    let column = |id, name: &str, data_type, nullable| Column { id, name: name.into(), data_type, nullable };
    let columns = vec![
        column(HOST, "host", DataType::Utf8, true),
        column(TIME, "time", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false),
        column(VALUE, "value", DataType::Float64, true),
        column(FLAG, "flag", DataType::Boolean, true),
        column(NOTE, "note", DataType::Utf8, true),
        column(KIND, "kind", dictionary_type(), true),
        column(SMALL, "small", DataType::Int8, true),
        column(COUNT, "count", DataType::UInt64, false),
        column(RATIO, "ratio", DataType::Float32, true),
    ];
    let schema = TableSchema::new(TableId(3), SchemaVersion(2), columns, TIME, &[HOST]).unwrap();
    Arc::new(schema.with_name("sensörs"))
}

/// One row of [`schema`].
#[derive(Clone, Debug)]
pub struct Row {
    pub host: Option<String>,
    pub time: i64,
    pub value: Option<f64>,
    pub flag: Option<bool>,
    pub note: Option<String>,
    pub kind: Option<String>,
    pub small: Option<i8>,
    pub count: u64,
    pub ratio: Option<f32>,
}

pub fn batch(rows: &[Row]) -> RecordBatch {
    let text = |value: fn(&Row) -> &Option<String>| rows.iter().map(value).map(Option::as_deref);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(text(|row| &row.host).collect::<StringArray>()),
        Arc::new(
            rows.iter().map(|row| Some(row.time)).collect::<TimestampMicrosecondArray>().with_timezone("UTC"),
        ),
        Arc::new(rows.iter().map(|row| row.value).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|row| row.flag).collect::<BooleanArray>()),
        Arc::new(text(|row| &row.note).collect::<StringArray>()),
        Arc::new(text(|row| &row.kind).collect::<DictionaryArray<Int32Type>>()),
        Arc::new(rows.iter().map(|row| row.small).collect::<Int8Array>()),
        Arc::new(rows.iter().map(|row| Some(row.count)).collect::<UInt64Array>()),
        Arc::new(rows.iter().map(|row| row.ratio).collect::<Float32Array>()),
    ];
    RecordBatch::try_new(schema().arrow().clone(), columns).unwrap()
}

/// Rows that are the same on every run: `series` series of `per_series` rows, with nulls, NaNs, zeros of both signs, extremes,
/// text of every kind.
pub fn sample_rows(series: usize, per_series: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    for host in 0..series {
        for point in 0..per_series {
            let at = host * per_series + point;
            let noise = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 7;
            let values = [f64::from_bits(0xfff8_0000_0000_beef), -0.0, 0.0, f64::INFINITY, f64::MIN, 5e-324];
            rows.push(Row {
                host: (host > 0).then(|| format!("höst-{host}")),
                time: (point as i64) * 1_000 - 5_000,
                value: (!at.is_multiple_of(5)).then(|| *values.get(at % 11).unwrap_or(&(noise as f64 * 0.1))),
                flag: (!at.is_multiple_of(3)).then_some(noise.is_multiple_of(2)),
                note: (!at.is_multiple_of(7)).then(|| format!("{noise:x}\0")),
                kind: (!at.is_multiple_of(4)).then(|| ["", "a", "ü"][at % 3].to_owned()),
                small: (!at.is_multiple_of(6)).then_some(noise as i8),
                count: if at.is_multiple_of(10) { u64::MAX } else { noise },
                ratio: (!at.is_multiple_of(8))
                    .then(|| if at.is_multiple_of(9) { f32::NAN } else { noise as f32 * -0.5 }),
            });
        }
    }
    rows
}

pub struct Segment {
    pub schema: Arc<TableSchema>,
    pub meta: Arc<SegmentMeta>,
    pub sorted: SortedRows,
}

impl Segment {
    pub fn new(id: SegmentId, rows: &[Row]) -> Self {
        Self::of_batches(id, schema(), &[batch(rows)])
    }

    pub fn of_batches(id: SegmentId, schema: Arc<TableSchema>, batches: &[RecordBatch]) -> Self {
        let sorted = sort_for_segment(&schema, batches).unwrap();
        let chunk = ChunkRange { start: -1_000_000_000, end: 1_000_000_000 };
        let interval = SequenceInterval::new(Sequence(4), Sequence(9));
        let meta = describe_segment(&schema, id, chunk, KeyDomain(0), interval, &sorted).unwrap();
        Self { schema, meta: Arc::new(meta), sorted }
    }

    pub fn rows(&self) -> &RecordBatch {
        &self.sorted.batch
    }

    /// The rows in pieces of these lengths, over and over.
    pub fn pieces(&self, lengths: &[usize]) -> Vec<RecordBatch> {
        let (mut pieces, mut at) = (Vec::new(), 0);
        for length in lengths.iter().cycle() {
            let length = (*length).min(self.rows().num_rows() - at);
            if length > 0 {
                pieces.push(self.rows().slice(at, length));
            }
            at += length;
            if at == self.rows().num_rows() {
                return pieces;
            }
        }
        panic!("no lengths");
    }

    pub fn write(&self, world: &World, path: &Path, options: &SegmentWriteOptions) -> Result<Written> {
        let rows = [self.rows().clone()];
        write_segment(&*world.vfs, path, options, &self.schema, &self.meta, &rows, &self.sorted.run_starts)
    }
}

/// A machine with one written segment file.
pub struct Disk {
    pub machine: SimWorld,
    pub path: PathBuf,
}

impl Disk {
    pub fn new() -> Self {
        let machine = SimWorld::new(1);
        machine.world().vfs.create_dir_all(Path::new("/segments")).unwrap();
        Self { machine, path: "/segments/one.seg".into() }
    }

    pub fn with(segment: &Segment, options: &SegmentWriteOptions) -> Self {
        let disk = Self::new();
        segment.write(&disk.machine.world(), &disk.path, options).unwrap();
        disk
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.machine.read_file(&self.path).unwrap()
    }

    pub fn open(&self) -> Result<SegmentFile> {
        SegmentFile::open(&self.machine.world(), &self.path, codecs(), DATABASE)
    }

    /// All rows through the stream of batches.
    pub fn read(&self) -> Result<Vec<RecordBatch>> {
        let segment = self.open()?;
        self.machine.block_on(segment.batches().try_collect())
    }
}

pub fn plain_options() -> SegmentWriteOptions {
    SegmentWriteOptions::new(DATABASE)
}

pub fn gorilla_options() -> SegmentWriteOptions {
    plain_options().with_codec(Arc::new(GorillaCodec::new()))
}

pub fn zstd_options() -> SegmentWriteOptions {
    plain_options().with_codec(Arc::new(ZstdCodec::new()))
}

/// Whether two lists of batches hold the same rows, to the bit.
pub fn same_rows(left: &[RecordBatch], right: &RecordBatch) -> bool {
    let schema = right.schema();
    let left = arrow_select::concat::concat_batches(&schema, left).unwrap();
    left.num_rows() == right.num_rows() && left.columns().iter().zip(right.columns()).all(|(a, b)| a == b)
}
