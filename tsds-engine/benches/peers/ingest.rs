//! Rows that are durable before the next ones are written.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_ipc::writer::FileWriter;
use tsds_engine::config::Settings;
use tsds_io::Runtime;

use crate::report::{Answer, Report};
use crate::trades::{NANOS_PER_ROW, Symbols, create, median, trades};
use crate::{BATCH, python};

const BATCHES: usize = 100;
const ROUNDS: usize = 5;
const OPERATION: &str = "a million trades";

/// The database and a bare file take turns; those of Python come after them, on the same rows.
pub(crate) fn measure(runtime: &Runtime, directory: &Path, report: &mut Report) {
    let mut settings = Settings::default();
    settings.hot_tier.max_records = 10_000_000;
    settings.hot_tier.max_memory_mb = 2_048;
    let (database, table) = runtime.block_on(create(runtime, &directory.join("ingest"), settings, "1d"));
    let (mut bare, mut durable) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let first = round * BATCHES * BATCH;
        let batches: Vec<RecordBatch> =
            (0..BATCHES).map(|n| trades(first + n * BATCH, BATCH, NANOS_PER_ROW, Symbols::Skewed)).collect();
        bare.push(bare_file(&directory.join("batches.arrow"), &batches));
        let begin = Instant::now();
        runtime.block_on(async {
            for batch in batches {
                table.ingest(batch).await.unwrap();
            }
        });
        durable.push(begin.elapsed());
    }
    assert_eq!(database.tier_counts().hot, (ROUNDS * BATCHES * BATCH) as u64);
    runtime.block_on(database.close()).unwrap();
    let all = Answer { rows: (BATCHES * BATCH) as u64, sum: 0 };
    report.add("TSDS", OPERATION, median(&mut durable), all);
    report.add("a bare file, which answers nothing", OPERATION, median(&mut bare), all);
    python::measure("ingest", directory, report);
}

fn bare_file(path: &Path, batches: &[RecordBatch]) -> Duration {
    let begin = Instant::now();
    let mut writer = FileWriter::try_new_buffered(File::create(path).unwrap(), &batches[0].schema()).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
        writer.flush().unwrap();
        writer.get_ref().get_ref().sync_data().unwrap();
    }
    writer.finish().unwrap();
    begin.elapsed()
}
