//! Measures codecs and segment files on this machine: `cargo run --release -p tsds-segment --example measure [directory]`.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow_buffer::Buffer;
use arrow_schema::{DataType, TimeUnit};
use futures::TryStreamExt;
use tsds_compute::{describe_segment, sort_for_segment};
use tsds_io::Runtime;
use tsds_segment::{PlainCodec, SegmentFile, SegmentStore, SegmentWriteOptions, ZstdCodec, write_segment};
use tsds_traits::{
    ChunkRange, Codec, CodecSet, Column, ColumnId, DatabaseId, EncodeHints, KeyDomain, KeySet, SchemaVersion,
    SegmentId, SegmentSource, Sequence, SequenceInterval, TableId, TableSchema, World, key_of_f64,
    key_of_i64,
};

const BLOCK: usize = 16_384;
const ROWS: usize = 2_000_000;
const DATABASE: DatabaseId = DatabaseId([1; 16]);

/// The best of several runs.
fn best(world: &World, mut run: impl FnMut()) -> Duration {
    (0..7)
        .map(|_| {
            let start = world.clock.monotonic();
            run();
            world.clock.monotonic() - start
        })
        .min()
        .unwrap()
}

fn report(what: &str, amount: f64, unit: &str, time: Duration) {
    println!(
        "{what:<58} {:>8.2} {unit}/s  {:>9.3} ms",
        amount / 1e9 / time.as_secs_f64(),
        time.as_secs_f64() * 1e3
    );
}

fn noise(row: usize) -> u64 {
    (row as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11
}

fn encode(codec: &dyn Codec, blocks: &[ArrayRef]) -> Vec<Buffer> {
    let one = |block: &ArrayRef| {
        let mut out = Vec::new();
        codec.encode(block, &EncodeHints::default(), &mut out).unwrap();
        Buffer::from_slice_ref(&out)
    };
    blocks.iter().map(one).collect()
}

fn codecs(world: &World) {
    let rows = BLOCK * 64;
    let floats: Vec<ArrayRef> = (0..64)
        .map(|block| {
            let values = (0..BLOCK).map(|row| (noise(block * BLOCK + row) % 10_000) as f64 / 100.0);
            Arc::new(Float64Array::from_iter_values(values)) as ArrayRef
        })
        .collect();
    let integers: Vec<ArrayRef> = floats
        .iter()
        .map(|block| {
            let values = block.as_primitive::<arrow_array::types::Float64Type>().values();
            Arc::new(Int64Array::from_iter_values(values.iter().map(|value| (value * 100.0) as i64)))
                as ArrayRef
        })
        .collect();
    let bytes = (rows * 8) as f64;
    for (codec, name) in
        [(&PlainCodec::new() as &dyn Codec, "tsds.plain"), (&ZstdCodec::new() as &dyn Codec, "tsds.zstd")]
    {
        let mut out = Vec::new();
        let time = best(world, || {
            for block in &floats {
                out.clear();
                codec.encode(block, &EncodeHints::default(), &mut out).unwrap();
            }
        });
        report(&format!("{name} encode 8-byte floats"), bytes, "GB", time);
        let encoded = encode(codec, &floats);
        let time = best(world, || {
            for block in &encoded {
                std::hint::black_box(codec.decode(1, block, BLOCK, &DataType::Float64).unwrap());
            }
        });
        report(&format!("{name} decode 8-byte floats"), bytes, "GB", time);
    }
    let plain = PlainCodec::new();
    let float_keys = [KeySet::from_ranges([key_of_f64(10.0)..=key_of_f64(20.0)])];
    let integer_keys = [1, 4, 16].map(|ranges| {
        KeySet::from_ranges((0..ranges).map(|range| key_of_i64(range * 500)..=key_of_i64(range * 500 + 100)))
    });
    for (what, blocks, data_type, sets) in [
        ("float64", encode(&plain, &floats), DataType::Float64, &float_keys[..]),
        ("int64", encode(&plain, &integers), DataType::Int64, &integer_keys[..]),
    ] {
        for keys in sets {
            let time = best(world, || {
                for block in &blocks {
                    std::hint::black_box(plain.filter(1, block, BLOCK, &data_type, keys).unwrap());
                }
            });
            report(
                &format!("tsds.plain filter {what}, {} ranges", keys.ranges().len()),
                rows as f64,
                "G rows",
                time,
            );
        }
    }
}

fn segment(series: usize) -> (Arc<TableSchema>, RecordBatch) {
    let column = |id, name: &str, data_type| Column {
        id: ColumnId(id),
        name: name.into(),
        data_type,
        nullable: false,
    };
    let columns = vec![
        column(1, "time", DataType::Timestamp(TimeUnit::Nanosecond, None)),
        column(2, "host", DataType::Utf8),
        column(3, "a", DataType::Float64),
        column(4, "b", DataType::Float64),
        column(5, "c", DataType::Int64),
        column(6, "state", DataType::Utf8),
    ];
    let schema =
        TableSchema::new(TableId(1), SchemaVersion(1), columns, ColumnId(1), &[ColumnId(2)]).unwrap();
    let schema = Arc::new(schema);
    let per_series = ROWS / series;
    let rows = per_series * series;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampNanosecondArray::from_iter_values(
            (0..rows).map(|row| (row % per_series) as i64 * 1_000_000 + (noise(row) % 1_000) as i64),
        )),
        Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("host-{:06}", row / per_series)))),
        Arc::new(Float64Array::from_iter_values((0..rows).map(|row| (noise(row) % 10_000) as f64 / 100.0))),
        Arc::new(Float64Array::from_iter_values((0..rows).map(|row| (row % 997) as f64))),
        Arc::new(Int64Array::from_iter_values((0..rows).map(|row| noise(row) as i64))),
        Arc::new(StringArray::from_iter_values((0..rows).map(|row| ["ok", "warn", "fail"][row / 50 % 3]))),
    ];
    let batch = RecordBatch::try_new(schema.arrow().clone(), columns).unwrap();
    (schema, batch)
}

fn files(world: &World, runtime: &Runtime, directory: &std::path::Path, series: usize) {
    let (schema, batch) = segment(series);
    let sorted = sort_for_segment(&schema, std::slice::from_ref(&batch)).unwrap();
    let chunk = ChunkRange { start: -1, end: 1 << 40 };
    let interval = SequenceInterval::new(Sequence(0), Sequence(1));
    let meta = describe_segment(&schema, SegmentId::new(1), chunk, KeyDomain(0), interval, &sorted).unwrap();
    let meta = Arc::new(meta);
    let rows = [sorted.batch.clone()];
    let gigabytes = meta.plain_bytes as f64;
    println!("-- {} rows, {} series, {:.1} MB as Arrow", meta.rows, meta.series, gigabytes / 1e6);
    let set = CodecSet::default().with(Arc::new(PlainCodec::new())).unwrap();
    let lookup = Arc::new(set.with(Arc::new(ZstdCodec::new())).unwrap());
    let options = [
        ("plain", SegmentWriteOptions::new(DATABASE)),
        ("zstd", SegmentWriteOptions::new(DATABASE).with_codec(Arc::new(ZstdCodec::new()))),
    ];
    for (name, options) in options {
        let path = directory.join(format!("{name}.seg"));
        let mut written = None;
        let time = best(world, || {
            written = Some(
                write_segment(&*world.vfs, &path, &options, &schema, &meta, &rows, &sorted.run_starts)
                    .unwrap(),
            );
        });
        let bytes = written.unwrap().bytes;
        report(&format!("{name}: write and sync {:.1} MB", bytes as f64 / 1e6), gigabytes, "GB", time);
        let open = || SegmentFile::open(world, &path, lookup.clone(), DATABASE).unwrap();
        let time = best(world, || drop(open()));
        println!("{:<58} {:>29.3} ms", format!("{name}: open"), time.as_secs_f64() * 1e3);
        let time = best(world, || {
            let file = open();
            for column in schema.columns() {
                std::hint::black_box(file.read_column(column.id, &(0..meta.rows)).unwrap());
            }
        });
        report(&format!("{name}: read encoded columns, checksums"), gigabytes, "GB", time);
        let time = best(world, || {
            let batches: Vec<RecordBatch> = runtime.block_on(open().batches().try_collect()).unwrap();
            std::hint::black_box(batches);
        });
        report(&format!("{name}: read batches"), gigabytes, "GB", time);
        let time = best(world, || {
            open().verify_rows(&rows).unwrap();
        });
        report(&format!("{name}: verify against the rows, cold cache"), gigabytes, "GB", time);
        let codec: Arc<dyn Codec> = options.codec.clone();
        let store = SegmentStore::new(world.clone(), directory.join(name), DATABASE, lookup.clone(), codec);
        let time = best(world, || {
            let starts = sorted.run_starts.clone().into();
            runtime.block_on(store.write(&meta, &schema, rows.to_vec(), starts)).unwrap();
        });
        report(&format!("{name}: store write with read-back"), gigabytes, "GB", time);
    }
}

fn main() {
    let runtime = Runtime::new(None).unwrap();
    let world = runtime.world();
    let directory =
        std::env::args().nth(1).map_or_else(|| std::env::temp_dir().join("tsds-measure"), PathBuf::from);
    world.vfs.create_dir_all(&directory).unwrap();

    let source = vec![1u8; 256 << 20];
    let mut target = vec![0u8; source.len()];
    let time = best(&world, || target.copy_from_slice(std::hint::black_box(&source)));
    report("memcpy 256 MiB", source.len() as f64, "GB", time);
    let time = best(&world, || {
        std::hint::black_box(crc_fast::crc32_iscsi(std::hint::black_box(&source)));
    });
    report("crc32c 256 MiB", source.len() as f64, "GB", time);
    codecs(&world);
    for series in [100, 2_000, 200_000] {
        files(&world, &runtime, &directory, series);
    }
}
