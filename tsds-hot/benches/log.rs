//! How fast the log is, beside a bare Arrow IPC file that is synced after each batch, in the same run on the same disk.
//!
//! `cargo bench -p tsds-hot`. The directory is `TSDS_BENCH_DIR`, or the system's temporary one; `TSDS_BENCH_SCALE`
//! multiplies the work.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "measures the real file system, with a real clock"
)]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, Float64Array, RecordBatch, TimestampMicrosecondArray};
use arrow_ipc::writer::FileWriter;
use arrow_schema::{DataType, TimeUnit};
use futures::TryStreamExt;
use tsds_hot::{ArrowWal, WalSettings, decode_rows, encode_rows};
use tsds_io::Runtime;
use tsds_traits::{
    Column, ColumnId, DatabaseId, OpenMode, RecordKind, SchemaVersion, Sequence, TableId, TableSchema, Vfs,
    WalOpen, WalRecord, WalSink, World,
};

const ROWS: usize = 10_000;

fn main() {
    let scale: usize = std::env::var("TSDS_BENCH_SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let base = std::env::var_os("TSDS_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = base.join(format!("tsds-hot-bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let runtime = Runtime::new(None).unwrap();
    durable_ingest(&runtime, &directory, 60 * scale);
    one_row_writers(&runtime, &directory, 400 * scale);
    replay(&runtime, &directory, 1_500 * scale);
    std::fs::remove_dir_all(&directory).unwrap();
}

/// Batches of 10,000 rows, each synced before the next: the log against a bare file, in alternating rounds.
fn durable_ingest(runtime: &Runtime, directory: &Path, batches: usize) {
    let batch = batch(ROWS, 0);
    let bytes: usize = encode_rows(&batch).unwrap().iter().map(bytes::Bytes::len).sum();
    println!("durable ingest: {batches} batches of {ROWS} rows, {bytes} bytes each, synced one by one");
    let wal = runtime.block_on(open(runtime.world(), directory.join("ingest"), 1));
    let (mut bare, mut fresh, mut recycled, mut sequence) = (Vec::new(), Vec::new(), Vec::new(), 1);
    for round in 0..9 {
        bare.push(bare_file(&directory.join(format!("bare-{round}.arrow")), &batch, batches));
        let begin = Instant::now();
        runtime.block_on(async {
            for _ in 0..batches {
                wal.append(record(sequence, ROWS, encode_rows(&batch).unwrap())).await.unwrap();
                wal.sync(Sequence(sequence)).await.unwrap();
                sequence += 1;
            }
        });
        // The first files are new; from the release on, old ones are written again.
        if round < 4 { &mut fresh } else { &mut recycled }.push(begin.elapsed());
        if round >= 3 {
            runtime.block_on(wal.release(Sequence(sequence - 1))).unwrap();
        }
        // Lets the next file be prepared outside of what is measured, for both.
        std::thread::sleep(Duration::from_millis(300));
    }
    runtime.block_on(wal.close()).unwrap();
    let rate = |elapsed: Duration| (batches * ROWS) as f64 / elapsed.as_secs_f64() / 1e6;
    let (bare, fresh, recycled) = (median(&mut bare), median(&mut fresh), median(&mut recycled));
    println!("  bare Arrow IPC file   {:8.2} M rows/s", rate(bare));
    println!(
        "  log, new files        {:8.2} M rows/s   {:.2} x bare",
        rate(fresh),
        bare.as_secs_f64() / fresh.as_secs_f64()
    );
    println!(
        "  log, recycled files   {:8.2} M rows/s   {:.2} x bare",
        rate(recycled),
        bare.as_secs_f64() / recycled.as_secs_f64()
    );
}

fn bare_file(path: &Path, batch: &RecordBatch, batches: usize) -> Duration {
    let begin = Instant::now();
    let mut writer = FileWriter::try_new_buffered(File::create(path).unwrap(), batch.schema_ref()).unwrap();
    for _ in 0..batches {
        writer.write(batch).unwrap();
        writer.flush().unwrap();
        writer.get_ref().get_ref().sync_data().unwrap();
    }
    writer.finish().unwrap();
    let elapsed = begin.elapsed();
    std::fs::remove_file(path).unwrap();
    elapsed
}

/// Writers that wait for each of their single rows: how far group commit carries.
fn one_row_writers(runtime: &Runtime, directory: &Path, each: usize) {
    for writers in [1, 16, 128] {
        let wal = runtime.block_on(open(runtime.world(), directory.join(format!("rows-{writers}")), 1));
        let batch = batch(1, 0);
        let next = tokio::sync::Mutex::new(1u64);
        let begin = Instant::now();
        let mut waits = runtime.block_on(async {
            let writer = || async {
                let mut waits = Vec::with_capacity(each);
                for _ in 0..each {
                    let begin = Instant::now();
                    let sequence = {
                        let mut next = next.lock().await;
                        wal.append(record(*next, 1, encode_rows(&batch).unwrap())).await.unwrap();
                        *next += 1;
                        *next - 1
                    };
                    wal.sync(Sequence(sequence)).await.unwrap();
                    waits.push(begin.elapsed());
                }
                waits
            };
            futures::future::join_all((0..writers).map(|_| writer())).await.concat()
        });
        let elapsed = begin.elapsed();
        runtime.block_on(wal.close()).unwrap();
        waits.sort_unstable();
        let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
        println!(
            "single rows, {writers:3} writers: {:8.0} rows/s, p50 {:?}, p99 {:?}",
            waits.len() as f64 / elapsed.as_secs_f64(),
            at(0.5),
            at(0.99)
        );
    }
}

/// A log of many batches: opened, which verifies all of it, then replayed, then replayed and decoded.
fn replay(runtime: &Runtime, directory: &Path, batches: usize) {
    let path = directory.join("replay");
    let schema = schema();
    let batch = batch(ROWS, 0);
    let payload = encode_rows(&batch).unwrap();
    let bytes = (batches * payload.iter().map(bytes::Bytes::len).sum::<usize>()) as f64;
    runtime.block_on(async {
        let wal = open(runtime.world(), path.clone(), 1).await;
        for sequence in 1..=batches as u64 {
            wal.append(record(sequence, ROWS, payload.clone())).await.unwrap();
            if sequence % 64 == 0 {
                wal.sync(Sequence(sequence)).await.unwrap();
            }
        }
        wal.close().await.unwrap();
    });
    let gigabytes = |elapsed: Duration| bytes / elapsed.as_secs_f64() / 1e9;
    // Opening drops what the system has cached, so both read the disk. The first reading of what was just written is slower
    // on some disks, whoever does it.
    let (mut bare, mut opened) = (Vec::new(), Vec::new());
    let mut wal = None;
    for _ in 0..5 {
        bare.push(bare_read(&path));
        let begin = Instant::now();
        let open = runtime.block_on(open(runtime.world(), path.clone(), batches as u64 + 1));
        opened.push(begin.elapsed());
        if let Some(previous) = wal.replace(open) {
            drop(previous);
        }
    }
    let wal = wal.unwrap();
    let (bare, opened) = (median(&mut bare), median(&mut opened));
    println!("log of {:.2} GB", bytes / 1e9);
    println!("  bare files read        {:.2} GB/s", gigabytes(bare));
    println!(
        "  opened and verified    {:.2} GB/s   {:.2} x bare",
        gigabytes(opened),
        bare.as_secs_f64() / opened.as_secs_f64()
    );
    let mut plain = Vec::new();
    let mut decoded = Vec::new();
    for _ in 0..3 {
        let begin = Instant::now();
        let records =
            runtime.block_on(wal.replay(Sequence::ZERO).try_fold(0, |n, _| async move { Ok(n + 1) }));
        assert_eq!(records.unwrap(), batches);
        plain.push(begin.elapsed());
        let begin = Instant::now();
        let rows = runtime.block_on(wal.replay(Sequence::ZERO).try_fold(0, |rows, record| {
            let schema = schema.clone();
            async move { Ok(rows + decode_rows(&schema, &record.payload[0], record.rows)?.num_rows()) }
        }));
        assert_eq!(rows.unwrap(), batches * ROWS);
        decoded.push(begin.elapsed());
    }
    println!("  replayed               {:.2} GB/s", gigabytes(median(&mut plain)));
    println!("  replayed and decoded   {:.2} GB/s", gigabytes(median(&mut decoded)));
    runtime.block_on(wal.close()).unwrap();
}

/// Reads the files of a directory from the disk, in pieces of 1 MiB.
fn bare_read(directory: &Path) -> Duration {
    let vfs = tsds_io::RealVfs::new();
    let mut piece = vec![0; 1 << 20];
    let begin = Instant::now();
    for entry in vfs.read_dir(directory).unwrap() {
        let file = vfs.open(&directory.join(&entry.name), OpenMode::Read).unwrap();
        file.drop_cache().unwrap();
        let mut at = 0;
        loop {
            let count = file.read_at(&mut piece, at).unwrap();
            if count == 0 {
                break;
            }
            at += count as u64;
        }
    }
    begin.elapsed()
}

async fn open(world: World, directory: PathBuf, next: u64) -> Arc<ArrowWal> {
    let open = WalOpen {
        database: DatabaseId([7; 16]),
        floor: Sequence::ZERO,
        known_durable: Sequence::ZERO,
        next: Sequence(next),
    };
    ArrowWal::open(WalSettings::default(), world, directory, open).await.unwrap()
}

fn record(sequence: u64, rows: usize, payload: Vec<bytes::Bytes>) -> WalRecord {
    WalRecord {
        sequence: Sequence(sequence),
        table: TableId(1),
        schema_version: SchemaVersion(1),
        kind: RecordKind::ROWS,
        rows: rows as u32,
        client_batch_id: None,
        payload,
    }
}

fn schema() -> Arc<TableSchema> {
    let column = |id: u32, name: &str, data_type| Column {
        id: ColumnId(id),
        name: name.into(),
        data_type,
        nullable: false,
    };
    let columns = vec![
        column(1, "time", DataType::Timestamp(TimeUnit::Microsecond, None)),
        column(2, "host", DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))),
        column(3, "load", DataType::Float64),
        column(4, "heat", DataType::Float64),
        column(5, "draw", DataType::Float64),
    ];
    Arc::new(TableSchema::new(TableId(1), SchemaVersion(1), columns, ColumnId(1), &[ColumnId(2)]).unwrap())
}

fn batch(rows: usize, begin: i64) -> RecordBatch {
    let hosts: Vec<String> = (0..100).map(|n| format!("host-{n:03}")).collect();
    let values = |factor: f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values((0..rows).map(|i| (i as f64 * factor).sin())))
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from_iter_values((0..rows as i64).map(|i| begin + i * 1_000))),
        Arc::new((0..rows).map(|i| Some(hosts[i % 100].as_str())).collect::<DictionaryArray<Int32Type>>()),
        values(0.1),
        values(0.01),
        values(0.001),
    ];
    RecordBatch::try_new(schema().arrow().clone(), columns).unwrap()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
