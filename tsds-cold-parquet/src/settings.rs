//! What can be set: the serde structure of the tier's settings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tsds_traits::{Error, ErrorKind, Result};

use crate::place::StoreOptions;

/// Settings of the cold tier. Unknown keys are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ParquetSettings {
    /// How pages are compressed: `zstd` (level 1), `zstd(1)` to `zstd(22)`, `snappy`, `lz4`, or `none`.
    pub compression: String,
    /// Rows per row group, from 1,024 to 16,777,216. Memory for writing and reading grows with it; so does what a reader
    /// skips at once.
    pub row_group_rows: usize,
    /// How many files one scan or aggregate reads at the same time, from 1 to 1,024.
    pub max_concurrent_files: usize,
    /// Directories as `year=2013/month=03/day=01/`, which readers elsewhere turn into columns; else `y2013/m03/d01/`.
    pub hive: bool,
    /// Accepted for compatibility. Files are always staged: safety does not depend on a setting.
    pub staging_enabled: bool,
    /// After how many seconds what a dead process left under `_staging/` is removed at opening.
    pub staging_grace_seconds: u64,
    /// Where the files lie, if not in the directory of the build context: `s3://bucket/prefix`, `gs://bucket/prefix`,
    /// `az://container/prefix`, `abfss://container@account.dfs.core.windows.net/prefix`, the `https` URLs of these
    /// services, `file:///path`, or `memory:///` for a store that is gone when the tier is. Without credentials.
    pub url: Option<String>,
    /// Options of the store at `url`: those of its client by the names that `object_store` gives them, such as `region`,
    /// `endpoint`, `allow_http`, `skip_signature`, `timeout` or `proxy_url`; and `max_retries` (10),
    /// `retry_deadline_seconds` (45), and for S3 `profile`. Credentials are refused: they belong to the environment, or to
    /// a profile.
    pub object_store: BTreeMap<String, Json>,
    /// The parts in which a file is uploaded, in MiB, from 5 to 512. Smaller files are uploaded at once.
    pub part_mb: usize,
    /// How much memory the footers, page indexes and bloom filters of files that were read may take, in MiB, up to 65,536. A
    /// file that is not among them is asked for them once more. 0 keeps none.
    pub footer_cache_mb: usize,
}

impl Default for ParquetSettings {
    fn default() -> Self {
        Self {
            compression: "zstd".into(),
            row_group_rows: 262_144,
            max_concurrent_files: 4,
            hive: true,
            staging_enabled: true,
            staging_grace_seconds: 3_600,
            url: None,
            object_store: BTreeMap::new(),
            part_mb: 8,
            footer_cache_mb: 64,
        }
    }
}

/// How pages are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PageCompression {
    None,
    Snappy,
    Lz4,
    Zstd(i32),
}

const ROW_GROUP_ROWS: std::ops::RangeInclusive<usize> = 1_024..=16_777_216;
const CONCURRENT_FILES: std::ops::RangeInclusive<usize> = 1..=1_024;
const FOOTER_CACHE_MB: std::ops::RangeInclusive<usize> = 0..=65_536;
/// Object stores take no smaller parts, and two of the largest fit into memory.
const PART_MB: std::ops::RangeInclusive<usize> = 5..=512;

impl ParquetSettings {
    /// Reads settings from JSON. `null` is the default.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` for unknown keys, wrong types and values out of range.
    pub fn from_json(json: Json) -> Result<Self> {
        let settings = if json.is_null() {
            Self::default()
        } else {
            serde_json::from_value(json).map_err(|error| {
                Error::new(ErrorKind::ConfigInvalid, "settings of the cold tier are not valid")
                    .with("cause", &error)
            })?
        };
        settings.validate()?;
        Ok(settings)
    }

    /// Checks every value.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid`, naming the key, the value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        self.page_compression()?;
        let refuse = |key: &'static str, value: usize, allowed: &std::ops::RangeInclusive<usize>| {
            Err(Error::new(ErrorKind::ConfigInvalid, "setting of the cold tier is out of range")
                .with(key, value)
                .with("allowed", format!("{}..={}", allowed.start(), allowed.end())))
        };
        if !ROW_GROUP_ROWS.contains(&self.row_group_rows) {
            return refuse("row_group_rows", self.row_group_rows, &ROW_GROUP_ROWS);
        }
        if !CONCURRENT_FILES.contains(&self.max_concurrent_files) {
            return refuse("max_concurrent_files", self.max_concurrent_files, &CONCURRENT_FILES);
        }
        if !PART_MB.contains(&self.part_mb) {
            return refuse("part_mb", self.part_mb, &PART_MB);
        }
        if !FOOTER_CACHE_MB.contains(&self.footer_cache_mb) {
            return refuse("footer_cache_mb", self.footer_cache_mb, &FOOTER_CACHE_MB);
        }
        StoreOptions::read(&self.object_store)?;
        if self.url.is_none() && !self.object_store.is_empty() {
            return Err(Error::new(
                ErrorKind::ConfigInvalid,
                "there are options of an object store, but storage.cold_path is no URL of one",
            ));
        }
        Ok(())
    }

    pub(crate) fn part_bytes(&self) -> usize {
        self.part_mb << 20
    }

    pub(crate) fn page_compression(&self) -> Result<PageCompression> {
        let refuse =
            |why: &str| Err(Error::new(ErrorKind::ConfigInvalid, why).with("compression", &self.compression));
        let level = |text: &str| text.strip_prefix("zstd(")?.strip_suffix(')')?.parse::<i32>().ok();
        match self.compression.as_str() {
            "none" | "uncompressed" => Ok(PageCompression::None),
            "zstd" => Ok(PageCompression::Zstd(1)),
            "snappy" => Ok(PageCompression::Snappy),
            "lz4" | "lz4_raw" => Ok(PageCompression::Lz4),
            "gzip" | "brotli" | "lzo" => {
                refuse("cold files are not written with this compression; use zstd, snappy, lz4 or none")
            }
            other => match level(other) {
                Some(level) if (1..=22).contains(&level) => Ok(PageCompression::Zstd(level)),
                Some(_) => refuse("zstd levels go from 1 to 22"),
                None => refuse("compression is unknown; use zstd, zstd(1) to zstd(22), snappy, lz4, or none"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn defaults_are_valid_and_fill_in_what_is_left_out() {
        let settings = ParquetSettings::from_json(json!({"compression": "none"})).unwrap();
        assert_eq!(settings, ParquetSettings { compression: "none".into(), ..ParquetSettings::default() });
        assert_eq!(ParquetSettings::from_json(Json::Null).unwrap(), ParquetSettings::default());
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = ParquetSettings::from_json(json!({"compresion": "none"})).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert!(error.to_string().contains("compresion"), "{error}");
    }

    #[test]
    fn a_compression_that_is_not_written_is_refused_by_name() {
        for (name, text) in [("gzip", "not written"), ("zstd(0)", "levels"), ("zstd(", "unknown")] {
            let error = ParquetSettings::from_json(json!({ "compression": name })).unwrap_err();
            assert!(error.to_string().contains(text) && error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn options_without_a_store_and_credentials_are_refused() {
        let error = ParquetSettings::from_json(json!({"object_store": {"region": "x"}})).unwrap_err();
        assert!(error.to_string().contains("cold_path"), "{error}");
        let settings = json!({"url": "s3://bucket", "object_store": {"secret_access_key": "HIDDEN"}});
        let error = ParquetSettings::from_json(settings).unwrap_err();
        assert!(!format!("{error:?}").contains("HIDDEN"), "{error:?}");
    }

    #[test]
    fn sizes_out_of_range_are_refused() {
        for key in ["row_group_rows", "max_concurrent_files", "part_mb"] {
            let error = ParquetSettings::from_json(json!({ key: 0 })).unwrap_err();
            assert!(error.to_string().contains(key), "{error}");
        }
    }
}
