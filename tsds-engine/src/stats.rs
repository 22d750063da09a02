//! What a database holds, counted exactly.

use std::sync::Arc;

use serde::Serialize;
use tsds_traits::type_name;

use crate::catalog::Home;
use crate::config::ConfigStats;
use crate::core::Core;
use crate::guard::PluginStats;
use crate::recovery::RecoveryReport;
use crate::version::TableVersion;
use crate::warm::WarmStats;

/// Rows by tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TierCounts {
    /// Rows in memory.
    pub hot: u64,
    /// Rows in segment files.
    pub warm: u64,
    /// Rows in cold files.
    pub cold: u64,
}

impl TierCounts {
    /// All rows.
    pub fn total(&self) -> u64 {
        self.hot + self.warm + self.cold
    }
}

/// What one tier holds, of one table or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TierStats {
    /// Rows.
    pub rows: u64,
    /// Bytes at the rows' home: in memory for the hot tier, else on disk.
    pub bytes: u64,
    /// Memtables or segments.
    pub segments: u64,
}

/// What all tiers hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TiersStats {
    /// In memory.
    pub hot: TierStats,
    /// In segment files.
    pub warm: TierStats,
    /// In cold files.
    pub cold: TierStats,
}

/// One table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableStats {
    /// Its name.
    pub name: String,
    /// All its rows.
    pub rows: u64,
    /// Its columns.
    pub columns: Vec<ColumnInfo>,
    /// The chunk interval; absent until the first seal fixes it.
    pub chunk_interval: Option<String>,
    /// Chunks that have segments.
    pub chunks: u64,
    /// Where its rows are.
    pub tiers: TiersStats,
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnInfo {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub data_type: String,
    /// `time`, `series` or `value`.
    pub role: &'static str,
    /// Whether nulls are allowed.
    pub nullable: bool,
}

/// What the tier that answers for segment files now holds in memory or on a device.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ResidentStats {
    /// The plugin: while a device is lost, the one that reads the files.
    pub backend: &'static str,
    /// The device; absent on the host.
    pub device: Option<String>,
    /// Segments held.
    pub segments: u64,
    /// Rows held.
    pub rows: u64,
    /// Bytes held.
    pub bytes: u64,
    /// The most bytes that may be held.
    pub limit_bytes: Option<u64>,
    /// For how many seconds the device has worked on queries since it was opened; absent on the host.
    pub busy_seconds: Option<f64>,
}

/// The write-ahead log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LogStats {
    /// Bytes of records that are not in segments yet.
    pub bytes: u64,
    /// Files.
    pub files: u64,
    /// The last durable sequence.
    pub durable: u64,
}

/// What a database holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stats {
    /// All tables, by name.
    pub tables: Vec<TableStats>,
    /// All rows, by tier.
    pub tiers: TiersStats,
    /// What is held in memory or on a device besides.
    pub resident: ResidentStats,
    /// Which tier was taken for that, and what became of it.
    pub warm: WarmStats,
    /// The log.
    pub wal: LogStats,
    /// Rows in memory, those that readers still hold included.
    pub hot_rows_pinned: u64,
    /// For how long the oldest snapshot or query has been held, in seconds.
    pub oldest_pin_seconds: Option<f64>,
    /// Bytes that sorts have written to disk since the database was opened.
    pub spilled_bytes: u64,
    /// How the plugins in use have behaved, by id.
    pub plugins: Vec<PluginStats>,
    /// What became of changes of the configuration.
    pub config: ConfigStats,
    /// What opening found.
    pub recovery: RecoveryReport,
}

impl Core {
    pub(crate) fn tier_counts(&self) -> TierCounts {
        let mut counts = TierCounts::default();
        for table in self.version.load().tables.values() {
            counts.hot += table.hot_rows();
            for entry in &table.segments {
                match entry.home {
                    Home::File => counts.warm += entry.meta.rows,
                    Home::Tier(_) => counts.cold += entry.meta.rows,
                }
            }
        }
        counts
    }

    /// Bytes in memory, in segment files and in cold files.
    pub(crate) fn tier_bytes(&self) -> [u64; 3] {
        let mut bytes = [0; 3];
        for table in self.version.load().tables.values() {
            bytes[0] += table.hot_bytes();
            for entry in &table.segments {
                let place = if entry.home == Home::File { 1 } else { 2 };
                bytes[place] += entry.bytes;
            }
        }
        bytes
    }

    pub(crate) fn stats(&self) -> Stats {
        let version = self.version.load_full();
        let tables: Vec<TableStats> =
            version.names.values().filter_map(|id| version.tables.get(id)).map(table_stats).collect();
        let mut tiers = TiersStats::default();
        for table in &tables {
            add(&mut tiers.hot, table.tiers.hot);
            add(&mut tiers.warm, table.tiers.warm);
            add(&mut tiers.cold, table.tiers.cold);
        }
        let log = self.wal.usage();
        Stats {
            tables,
            tiers,
            resident: self.resident_stats(),
            warm: self.warm.stats(self.settings().warm_tier.min_rows),
            wal: LogStats { bytes: log.bytes, files: log.files, durable: self.wal.durable().0 },
            hot_rows_pinned: self.budget.rows(),
            spilled_bytes: self.spilled.bytes(),
            oldest_pin_seconds: self.oldest_pin().map(|age| age.as_secs_f64()),
            plugins: self.watch.stats(),
            config: self.settings.stats(),
            recovery: self.recovery.clone(),
        }
    }
}

impl Core {
    pub(crate) fn resident_stats(&self) -> ResidentStats {
        let serving = self.warm.serving();
        let answers = if serving.works() { &serving.tier } else { self.warm.fallback() };
        let usage = answers.usage();
        ResidentStats {
            backend: answers.name(),
            device: answers.capabilities().device.clone(),
            segments: serving.with_residency(|residency| residency.len()) as u64,
            rows: usage.rows,
            bytes: usage.bytes,
            limit_bytes: usage.limit_bytes,
            busy_seconds: usage.busy.map(|busy| busy.as_secs_f64()),
        }
    }
}

fn add(total: &mut TierStats, part: TierStats) {
    total.rows += part.rows;
    total.bytes += part.bytes;
    total.segments += part.segments;
}

fn table_stats(table: &Arc<TableVersion>) -> TableStats {
    let mut tiers = TiersStats::default();
    for memtable in table.memtables().filter(|memtable| memtable.rows() > 0) {
        add(&mut tiers.hot, TierStats { rows: memtable.rows(), bytes: memtable.bytes(), segments: 1 });
    }
    for entry in &table.segments {
        let part = TierStats { rows: entry.meta.rows, bytes: entry.bytes, segments: 1 };
        match entry.home {
            Home::File => add(&mut tiers.warm, part),
            Home::Tier(_) => add(&mut tiers.cold, part),
        }
    }
    let mut chunks: Vec<_> = table.segments.iter().map(|entry| entry.meta.chunk).collect();
    chunks.dedup();
    let role = |index: usize| match index {
        index if index == table.schema.time_index() => "time",
        index if table.schema.series_indices().contains(&index) => "series",
        _ => "value",
    };
    let columns = table.schema.columns().iter().enumerate().map(|(index, column)| ColumnInfo {
        name: column.name.clone(),
        data_type: type_name(&column.data_type),
        role: role(index),
        nullable: column.nullable,
    });
    TableStats {
        name: table.record.name.clone(),
        rows: tiers.hot.rows + tiers.warm.rows + tiers.cold.rows,
        columns: columns.collect(),
        chunk_interval: table.record.chunk_interval.clone(),
        chunks: chunks.len() as u64,
        tiers,
    }
}
