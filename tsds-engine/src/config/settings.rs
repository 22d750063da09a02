//! The settings of a database, section by section.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use tsds_cold_parquet::ParquetSettings;
use tsds_traits::{Error, ErrorKind, Result};

/// The codec of segment files where nothing is configured.
const FILE_CODEC: &str = if cfg!(feature = "codec-gorilla") { "tsds.gorilla" } else { "tsds.plain" };
/// Eleven days: longer is for ever.
const MAX_DEADLINE_SECONDS: f64 = 1e6;

/// All settings. [`Default`] is what a database without configuration uses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where things are stored.
    pub storage: Storage,
    /// Rows in memory.
    pub hot_tier: HotTier,
    /// Recent segments, on a device or in memory.
    pub warm_tier: WarmTier,
    /// Old segments, in Parquet.
    pub cold_tier: ColdTier,
    /// The write-ahead log.
    pub wal: Wal,
    /// How rows come in.
    pub ingest: Ingest,
    /// Tables that are created by their first batch.
    pub tables: Tables,
    /// How rows are read.
    pub query: Query,
    /// How much of the machine is used.
    pub performance: Performance,
    /// What is logged.
    pub logging: Logging,
    /// What is printed besides.
    pub debug: Debug,
    /// What single plugins are told, by plugin id: laid over what the engine tells them itself. Which keys there are is the
    /// plugin's to say, and it refuses others. An id that is not registered is an error when a database is opened.
    ///
    /// In JSON `{"plugins": {"tsds.warm.wgpu": {"adapter": "llvmpipe"}}}`; as one key `plugins.tsds.warm.wgpu.adapter`, of which
    /// the last part is the plugin's key; in the environment, where names have no dots,
    /// `TSDS_PLUGINS__TSDS__WARM__WGPU__ADAPTER`. An id or key with a capital letter, a `-` or a `__` cannot be written there.
    /// Later sources replace single keys of earlier ones. Default: nothing.
    pub plugins: BTreeMap<String, Map<String, Value>>,
}

/// Where things are stored. Relative paths are relative to `base_path`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Storage {
    /// The database's directory. Default: `./tsds_storage`.
    pub base_path: String,
    /// The directory of the write-ahead log. Default: `wal` in `base_path`.
    pub wal_path: Option<String>,
    /// Where the cold files lie: a directory, or the URL of an object store without credentials, such as
    /// `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`, where the build has its client. Default: `cold`
    /// in `base_path`.
    pub cold_path: Option<String>,
    /// The directory for rolling log files of the command line. Default: none are written.
    pub logs_path: Option<String>,
    /// Whether `base_path` and `wal_path` may lie on a network file system, such as NFS or SMB. Only for one whose locks keep
    /// others out and whose syncs reach a disk: otherwise rows that were acknowledged can be lost. Linux alone is asked what a
    /// directory lies on. Default: false.
    pub allow_network_file_system: bool,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            base_path: "./tsds_storage".into(),
            wal_path: None,
            cold_path: None,
            logs_path: None,
            allow_network_file_system: false,
        }
    }
}

impl Storage {
    /// [`Storage::cold_path`], if it is the URL of an object store and no directory.
    pub(crate) fn cold_url(&self) -> Option<&str> {
        self.cold_path.as_deref().filter(|path| path.contains("://"))
    }
}

/// Rows in memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct HotTier {
    /// How many rows memory may hold. Default: 2,000,000. Minimum: 1.
    pub max_records: u64,
    /// How many MiB the rows in memory may take. Default: 256. Minimum: 1.
    pub max_memory_mb: u64,
    /// At how many rows a memtable is frozen and becomes a segment of its own. Default: 262,144.
    pub segment_rows: u64,
    /// After how many seconds a memtable is sealed even if it is small. Default: 600.
    pub segment_age_seconds: u64,
    /// At which share of `max_records` or `max_memory_mb` sealing starts: a fraction, or a percentage above 1. Default: 0.95.
    #[serde(deserialize_with = "share")]
    pub eviction_threshold_pct: f64,
    /// Down to which share sealing goes. Default: 0.85.
    #[serde(deserialize_with = "share")]
    pub eviction_target_pct: f64,
    /// Whether writes go to the log before they are acknowledged. Without it receipts say `Volatile`. Default: true.
    pub wal_enabled: bool,
}

impl Default for HotTier {
    fn default() -> Self {
        Self {
            max_records: 2_000_000,
            max_memory_mb: 256,
            segment_rows: 262_144,
            segment_age_seconds: 600,
            eviction_threshold_pct: 0.95,
            eviction_target_pct: 0.85,
            wal_enabled: true,
        }
    }
}

/// Recent segments: their home is a segment file, and a tier holds them in memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct WarmTier {
    /// Which tier holds them: `auto`, `cpu`, `wgpu`, `cuda`, or a plugin id. `auto` takes the first of `tsds.warm.cuda` and
    /// `tsds.warm.wgpu` that is registered, finds its device and can be built, else `tsds.warm.cpu`; `stats` says why one was
    /// not taken. What is asked for by name and cannot be built is an error. Default: `auto`.
    pub backend: String,
    /// A part of a query that reads fewer rows of this tier than so many reads segment files instead: to ask a device takes
    /// longer than to read little. 0 asks it always. Default: what the tier itself says; 0 for tiers without a device.
    pub min_rows: Option<u64>,
    /// How many MiB the segments of this tier may take. Default: 1024. Minimum: 1.
    pub max_memory_mb: u64,
    /// At which share of `max_memory_mb` segments move on: a fraction, or a percentage above 1. Default: 0.95.
    #[serde(deserialize_with = "share")]
    pub eviction_threshold_pct: f64,
    /// Down to which share. Default: 0.85.
    #[serde(deserialize_with = "share")]
    pub eviction_target_pct: f64,
    /// Accepted for compatibility; segment files are durable in any case.
    pub wal_enabled: bool,
    /// The codec of segment files. What it does not take, such as text, is written in `tsds.plain`. Default: `tsds.gorilla`;
    /// `tsds.plain` in a build without the feature `codec-gorilla`.
    pub file_codec: String,
    /// The evictor. Default: `tsds.evict.lru`.
    pub evictor: String,
}

impl Default for WarmTier {
    fn default() -> Self {
        Self {
            backend: "auto".into(),
            min_rows: None,
            max_memory_mb: 1024,
            eviction_threshold_pct: 0.95,
            eviction_target_pct: 0.85,
            wal_enabled: true,
            file_codec: FILE_CODEC.into(),
            evictor: "tsds.evict.lru".into(),
        }
    }
}

/// Old segments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ColdTier {
    /// A plugin id. Default: `tsds.cold.parquet`.
    pub backend: String,
    /// `zstd`, `zstd(1)` to `zstd(22)`, `snappy`, `lz4` or `none`. Default: `zstd`.
    pub compression: String,
    /// Directories as `year=2013/month=03/day=01/`, which readers elsewhere turn into columns; columns cannot be named
    /// `year`, `month` or `day` then. Else `y2013/m03/d01/`. Files that are there stay where they are. Default: true.
    pub hive: bool,
    /// Options of the object store at `storage.cold_path`: those of its client, such as `region`, `endpoint`, `timeout` or
    /// `skip_signature`; `max_retries`, `retry_deadline_seconds`; and for S3 `profile`. Credentials are refused: they belong
    /// to the environment (`AWS_ACCESS_KEY_ID` and so on) or to a profile. Default: nothing.
    pub object_store: Map<String, Value>,
    /// Accepted for compatibility; files are always staged and published atomically.
    pub staging_enabled: bool,
    /// Up to how many MiB of plain rows are merged into one file. Default: 128.
    pub merge_target_mb: u64,
}

impl Default for ColdTier {
    fn default() -> Self {
        Self {
            backend: "tsds.cold.parquet".into(),
            compression: "zstd".into(),
            hive: true,
            object_store: Map::new(),
            staging_enabled: true,
            merge_target_mb: 128,
        }
    }
}

/// The write-ahead log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Wal {
    /// A plugin id. Default: `tsds.wal.arrow`.
    pub backend: String,
    /// Beyond how many MiB of log the oldest rows are sealed, so that a quiet table does not pin the log. Default: 1024.
    pub max_mb: u64,
    /// How large one file is, in MiB. Default: 100.
    pub file_mb: u64,
}

impl Default for Wal {
    fn default() -> Self {
        Self { backend: "tsds.wal.arrow".into(), max_mb: 1024, file_mb: 100 }
    }
}

/// How rows come in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Ingest {
    /// How long a write waits for memory before it gives up with a retryable error, in milliseconds. Default: 30,000.
    pub timeout_ms: u64,
    /// How many of the last batches written with an id are remembered for each table, so that writing one of them again changes
    /// nothing. Default: 10,000.
    pub remembered_batches: usize,
}

impl Default for Ingest {
    fn default() -> Self {
        Self { timeout_ms: 30_000, remembered_batches: 10_000 }
    }
}

/// Tables that are created by their first batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Tables {
    /// Whether writing to an unknown table creates it. Default: false.
    pub auto_create: bool,
    /// The time column of such tables. Default: `timestamp`.
    pub time_column: String,
    /// Those of these columns that the batch has are series columns of such tables. Default: none.
    pub series_columns: Vec<String>,
    /// The chunk interval of new tables: `auto`, or such as `1h`, `1d`, `1mo`, `1y`. Default: `auto`.
    pub chunk_interval: String,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            auto_create: false,
            time_column: "timestamp".into(),
            series_columns: Vec::new(),
            chunk_interval: "auto".into(),
        }
    }
}

/// How rows are read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Query {
    /// How many rows a batch of a result holds at most. Default: 65,536.
    pub output_batch_size: usize,
    /// How many cold files one query reads at the same time. Default: 4.
    pub max_concurrent_files: usize,
    /// How many MiB one query may buffer for sorting and grouping. Default: 512.
    pub memory_limit_mb: u64,
    /// How many MiB of disk one query may take for sorting what does not fit in memory, in the directory `spill` of the database;
    /// 0 refuses such sorts. Default: 65,536.
    pub spill_limit_mb: u64,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            output_batch_size: 65_536,
            max_concurrent_files: 4,
            memory_limit_mb: 512,
            spill_limit_mb: 65_536,
        }
    }
}

/// How much of the machine is used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Performance {
    /// Accepted, without effect: a batch is written whole, whatever its length. Default: 1,000,000.
    pub chunk_size: usize,
    /// How many MiB the tiers may take together; more in `hot_tier` and `warm_tier` is refused. Default: no limit.
    pub memory_limit_mb: Option<u64>,
    /// After how many seconds without a sign of life (an answer, or that it was woken by something) a call to a plugin is given
    /// up: one that waits is cancelled; one that blocks its thread disables the plugin until the database is opened again.
    /// What the engine can do without is then done without: a warm tier, an evictor, a codec that encodes. 0 waits for ever.
    /// Default: 60.
    pub plugin_deadline_seconds: f64,
}

impl Default for Performance {
    fn default() -> Self {
        Self { chunk_size: 1_000_000, memory_limit_mb: None, plugin_deadline_seconds: 60.0 }
    }
}

/// What is logged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Logging {
    /// `off`, `error`, `warn`, `info`, `debug` or `trace`. Default: `warn`.
    pub level: String,
}

impl Default for Logging {
    fn default() -> Self {
        Self { level: "warn".into() }
    }
}

/// What is printed besides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Debug {
    /// Switches the other two on. Default: false.
    pub enabled: bool,
    /// Logs the rows and bytes of each tier after each migration. Default: false.
    pub print_tier_stats: bool,
    /// Logs the plan of each query. Default: false.
    pub print_query_plans: bool,
}

/// Reads a share as a fraction in (0, 1], or as a percentage in (1, 100].
fn share<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<f64, D::Error> {
    let value = f64::deserialize(deserializer)?;
    Ok(if value > 1.0 { value / 100.0 } else { value })
}

impl Settings {
    /// Checks every value, and those that must fit each other.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid`, naming the key, its value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        let positive: [(&'static str, u64); 11] = [
            ("hot_tier.max_records", self.hot_tier.max_records),
            ("hot_tier.max_memory_mb", self.hot_tier.max_memory_mb),
            ("hot_tier.segment_rows", self.hot_tier.segment_rows),
            ("hot_tier.segment_age_seconds", self.hot_tier.segment_age_seconds),
            ("warm_tier.max_memory_mb", self.warm_tier.max_memory_mb),
            ("cold_tier.merge_target_mb", self.cold_tier.merge_target_mb),
            ("wal.max_mb", self.wal.max_mb),
            ("wal.file_mb", self.wal.file_mb),
            ("query.output_batch_size", self.query.output_batch_size as u64),
            ("query.max_concurrent_files", self.query.max_concurrent_files as u64),
            ("performance.chunk_size", self.performance.chunk_size as u64),
        ];
        for (key, value) in positive {
            if value == 0 {
                return Err(invalid(key, value, "must be greater than 0"));
            }
        }
        let shares = [
            ("hot_tier", self.hot_tier.eviction_target_pct, self.hot_tier.eviction_threshold_pct),
            ("warm_tier", self.warm_tier.eviction_target_pct, self.warm_tier.eviction_threshold_pct),
        ];
        for (section, target, threshold) in shares {
            if !(threshold > 0.0 && threshold <= 1.0) {
                let key = format!("{section}.eviction_threshold_pct");
                return Err(invalid(&key, threshold, "must be above 0 and at most 1 (or 100 %)"));
            }
            if !(target > 0.0 && target <= threshold) {
                let key = format!("{section}.eviction_target_pct");
                return Err(invalid(&key, target, "must be above 0 and at most eviction_threshold_pct"));
            }
        }
        if self.query.memory_limit_mb == 0 {
            return Err(invalid("query.memory_limit_mb", 0, "must be greater than 0"));
        }
        if self.tables.chunk_interval != "auto" {
            self.tables.chunk_interval.parse::<tsds_compute::ChunkInterval>().map_err(|error| {
                invalid("tables.chunk_interval", &self.tables.chunk_interval, error.message())
            })?;
        }
        if !["off", "error", "warn", "info", "debug", "trace"].contains(&self.logging.level.as_str()) {
            return Err(invalid(
                "logging.level",
                &self.logging.level,
                "must be off, error, warn, info, debug or trace",
            ));
        }
        self.check_cold_tier()?;
        let deadline = self.performance.plugin_deadline_seconds;
        if !(0.0..=MAX_DEADLINE_SECONDS).contains(&deadline) {
            return Err(invalid(
                "performance.plugin_deadline_seconds",
                deadline,
                "must be 0 or more, and at most 1,000,000",
            ));
        }
        let tiers = self.hot_tier.max_memory_mb.saturating_add(self.warm_tier.max_memory_mb);
        if self.performance.memory_limit_mb.is_some_and(|limit| tiers > limit) {
            return Err(invalid(
                "performance.memory_limit_mb",
                self.performance.memory_limit_mb.unwrap_or_default(),
                "must be at least hot_tier.max_memory_mb + warm_tier.max_memory_mb",
            ));
        }
        Ok(())
    }

    /// Lets the tier check what is its own: other tiers have their own ideas.
    fn check_cold_tier(&self) -> Result<()> {
        let ColdTier { backend, compression, hive, object_store, .. } = &self.cold_tier;
        if *backend != ColdTier::default().backend {
            return Ok(());
        }
        let settings = ParquetSettings {
            compression: compression.clone(),
            hive: *hive,
            url: self.storage.cold_url().map(str::to_owned),
            object_store: object_store.clone().into_iter().collect(),
            ..ParquetSettings::default()
        };
        settings.validate().map_err(|error| error.with("section", "cold_tier"))
    }

    /// How long a plugin may show no sign of life; for ever if `None`.
    pub(crate) fn plugin_deadline(&self) -> Option<Duration> {
        let seconds = self.performance.plugin_deadline_seconds;
        Duration::try_from_secs_f64(seconds).ok().filter(|deadline| !deadline.is_zero())
    }

    /// What was accepted for compatibility but has no effect, as sentences for the log.
    pub fn warnings(&self) -> Vec<&'static str> {
        let mut warnings = Vec::new();
        if !self.warm_tier.wal_enabled {
            warnings.push("warm_tier.wal_enabled = false has no effect: segment files are always durable");
        }
        if !self.cold_tier.staging_enabled {
            warnings.push(
                "cold_tier.staging_enabled = false has no effect: cold files are always published atomically",
            );
        }
        if !self.hot_tier.wal_enabled {
            warnings.push(
                "hot_tier.wal_enabled = false: acknowledged rows are lost in a crash until they are sealed",
            );
        }
        warnings
    }
}

fn invalid(key: &str, value: impl std::fmt::Display, must: &str) -> Error {
    Error::new(ErrorKind::ConfigInvalid, format!("setting {must}")).with("key", key).with("value", value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        Settings::default().validate().unwrap();
        assert!(Settings::default().warnings().is_empty());
    }

    #[test]
    fn the_cold_tier_checks_what_is_its_own() {
        let refused = |cold: serde_json::Value, path: Option<&str>| {
            let storage = Storage { cold_path: path.map(str::to_owned), ..Storage::default() };
            let cold_tier = serde_json::from_value(cold).unwrap();
            let settings = Settings { storage, cold_tier, ..Settings::default() };
            settings.validate().err().map(|error| error.to_string())
        };
        let url = Some("s3://bucket/prefix");
        assert_eq!(refused(serde_json::json!({"object_store": {"region": "x"}}), url), None);
        assert_eq!(refused(serde_json::json!({"compression": "lz4", "hive": false}), None), None);
        let error = refused(serde_json::json!({"compression": "gzip"}), None).unwrap();
        assert!(error.contains("compression=gzip") && error.contains("section=cold_tier"), "{error}");
        let error = refused(serde_json::json!({"object_store": {"region": "x"}}), Some("cold")).unwrap();
        assert!(error.contains("cold_path"), "{error}");
        let secret = serde_json::json!({"object_store": {"secret_access_key": "HIDDEN"}});
        let error = refused(secret, url).unwrap();
        assert!(error.contains("secret_access_key") && !error.contains("HIDDEN"), "{error}");
        let other = serde_json::json!({"backend": "acme.cold", "compression": "gzip"});
        assert_eq!(refused(other, None), None, "another tier has its own ideas");
    }

    #[test]
    fn a_share_is_a_fraction_or_a_percentage() {
        for text in [r#"{"eviction_threshold_pct": 90}"#, r#"{"eviction_threshold_pct": 0.9}"#] {
            let hot: HotTier = serde_json::from_str(text).unwrap();
            assert!((hot.eviction_threshold_pct - 0.9).abs() < 1e-12, "{text}");
        }
    }

    #[test]
    fn impossible_values_are_refused_by_key() {
        type Break = fn(&mut Settings);
        let cases: [(&str, Break); 7] = [
            ("performance.plugin_deadline_seconds", |s| s.performance.plugin_deadline_seconds = -1.0),
            ("hot_tier.max_records", |s| s.hot_tier.max_records = 0),
            ("warm_tier.eviction_threshold_pct", |s| s.warm_tier.eviction_threshold_pct = 1.5),
            ("hot_tier.eviction_target_pct", |s| s.hot_tier.eviction_target_pct = 0.99),
            ("tables.chunk_interval", |s| s.tables.chunk_interval = "often".into()),
            ("logging.level", |s| s.logging.level = "loud".into()),
            ("performance.memory_limit_mb", |s| s.performance.memory_limit_mb = Some(1)),
        ];
        for (key, breaks) in cases {
            let mut settings = Settings::default();
            breaks(&mut settings);
            let error = settings.validate().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
            assert!(error.to_string().contains(&format!("key={key}")), "{error}");
        }
    }
}
