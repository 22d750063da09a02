//! Reads everything that is stored and checks every checksum.

use std::sync::Arc;

use futures::stream::TryStreamExt;
use serde::Serialize;
use tsds_traits::{ColumnId, ErrorKind, Result, ScanRequest, WalOpen};

use crate::catalog::Home;
use crate::core::Core;
use crate::open::log_directory;
use crate::version::{SegmentEntry, TableVersion};

/// What verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Segment files that were read.
    pub segment_files: u64,
    /// Cold files that were read.
    pub cold_files: u64,
    /// Log files that were read.
    pub log_files: u64,
    /// Rows that were read.
    pub rows: u64,
    /// Bytes of segment and cold files.
    pub bytes: u64,
    /// What is wrong, each with its place. Empty if all is well.
    pub damage: Vec<Damage>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// The table, where there is one.
    pub table: Option<String>,
    /// The segment, where there is one.
    pub segment: Option<String>,
    /// What is wrong, and where.
    pub problem: String,
}

pub(crate) async fn verify(
    core: &Arc<Core>,
    progress: &(dyn Fn(u64, u64) + Send + Sync),
) -> Result<VerifyReport> {
    let mut report = VerifyReport::default();
    // Holding the version keeps the mover from removing what is read.
    let version = core.version.load_full();
    let _pin = core.pin();
    let all: Vec<(&Arc<TableVersion>, &Arc<SegmentEntry>)> = version
        .tables
        .values()
        .flat_map(|table| table.segments.iter().map(move |entry| (table, entry)))
        .collect();
    let total = all.len() as u64 + 1;
    verify_log(core, &mut report).await?;
    progress(1, total);
    for (done, (table, entry)) in all.into_iter().enumerate() {
        match entry.home {
            Home::File => report.segment_files += 1,
            Home::Tier(_) => report.cold_files += 1,
        }
        report.bytes += entry.bytes;
        match verify_segment(core, table, entry).await {
            Ok(()) => report.rows += entry.meta.rows,
            Err(error) if error.kind() == ErrorKind::Closed => return Err(error),
            Err(error) => report.damage.push(Damage {
                table: Some(table.record.name.clone()),
                segment: Some(entry.id().to_string()),
                problem: error.to_string(),
            }),
        }
        progress(done as u64 + 2, total);
    }
    Ok(report)
}

/// Reads every row of a segment.
///
/// # Errors
///
/// `Corrupt` if it is damaged, missing, or has another number of rows; else why that cannot be said.
pub(crate) async fn verify_segment(
    core: &Arc<Core>,
    table: &TableVersion,
    entry: &SegmentEntry,
) -> Result<()> {
    let rows = match entry.home {
        Home::File => verify_file(core, table, entry).await?,
        Home::Tier(_) => verify_cold(core, table, entry).await?,
    };
    if rows == entry.meta.rows {
        return Ok(());
    }
    Err(tsds_traits::Error::corrupt("segment has another number of rows than the catalog says")
        .with("segment", entry.id())
        .with("rows", rows)
        .with("expected", entry.meta.rows))
}

async fn verify_log(core: &Arc<Core>, report: &mut VerifyReport) -> Result<()> {
    if !core.settings().hot_tier.wal_enabled || core.wal.name() != "tsds.wal.arrow" {
        return Ok(());
    }
    let sequences = core.record.lock().await.sequences();
    let open = WalOpen {
        database: core.database,
        floor: sequences.floor,
        known_durable: core.wal.durable(),
        next: sequences.next,
    };
    let directory = log_directory(&core.path, &core.settings());
    let vfs = Arc::clone(&core.world.vfs);
    let found = core.blocking(move || tsds_hot::verify(&*vfs, &directory, &open)).await;
    match found {
        Ok(found) => {
            report.log_files = found.files.len() as u64;
            report.damage.extend(found.damage.map(|damage| Damage {
                table: None,
                segment: None,
                problem: format!(
                    "log is damaged file={} offset={} last_good={} durable={} evidence={}",
                    damage.file, damage.offset, damage.last_good, damage.durable, damage.evidence
                ),
            }));
        }
        Err(error) => report.damage.push(Damage { table: None, segment: None, problem: error.to_string() }),
    }
    Ok(())
}

async fn verify_file(core: &Arc<Core>, table: &TableVersion, entry: &SegmentEntry) -> Result<u64> {
    let missing = || tsds_traits::Error::corrupt("segment file is missing").with("segment", entry.id());
    let schema = table.schema_of(entry.meta.schema_version)?;
    let file = core.segments.open(&entry.meta, schema).await?.ok_or_else(missing)?;
    Ok(core.blocking(move || file.verify()).await?.rows)
}

async fn verify_cold(core: &Arc<Core>, table: &TableVersion, entry: &SegmentEntry) -> Result<u64> {
    let schema = table.schema_of(entry.meta.schema_version)?;
    let columns: Vec<ColumnId> = schema.columns().iter().map(|column| column.id).collect();
    let request = ScanRequest::new(Arc::clone(schema), vec![entry.handle()], columns);
    let mut batches = core.cold.scan(request);
    let mut rows = 0;
    while let Some(batch) = batches.try_next().await? {
        rows += batch.rows.num_rows() as u64;
    }
    Ok(rows)
}
