//! Settings that change while a database is open.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use serde::Serialize;
use serde_json::Value;
use tsds_traits::{Error, Result};

use super::Settings;
use super::layers::by_key;
use crate::core::lock;

/// The keys that take effect while a database is open; all others do when it is opened again. `logging.level` is the
/// program's business: see what [`Database::follow`](crate::Database::follow) calls.
pub const RELOADED: [&str; 27] = [
    "cold_tier.merge_target_mb",
    "cold_tier.staging_enabled",
    "debug.enabled",
    "debug.print_query_plans",
    "debug.print_tier_stats",
    "hot_tier.eviction_target_pct",
    "hot_tier.eviction_threshold_pct",
    "hot_tier.max_memory_mb",
    "hot_tier.max_records",
    "hot_tier.segment_age_seconds",
    "hot_tier.segment_rows",
    "ingest.timeout_ms",
    "logging.level",
    "performance.chunk_size",
    "performance.memory_limit_mb",
    "query.memory_limit_mb",
    "query.output_batch_size",
    "query.spill_limit_mb",
    "tables.auto_create",
    "tables.chunk_interval",
    "tables.series_columns",
    "tables.time_column",
    "wal.max_mb",
    "warm_tier.eviction_target_pct",
    "warm_tier.eviction_threshold_pct",
    "warm_tier.min_rows",
    "warm_tier.wal_enabled",
];

/// One setting that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// `section.key`, or `plugins.<plugin id>`.
    pub key: String,
    /// What was in effect.
    pub before: Value,
    /// What is asked for.
    pub after: Value,
}

/// What became of new settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Reload {
    /// These are in effect now.
    pub applied: Vec<Change>,
    /// These will be once the database is opened again.
    pub needs_reopening: Vec<Change>,
}

impl Reload {
    /// Whether nothing was asked for that is not in effect already.
    pub fn is_empty(&self) -> bool {
        self.applied.is_empty() && self.needs_reopening.is_empty()
    }
}

/// How often the configuration has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ConfigStats {
    /// How often settings were changed while the database was open.
    pub reloads: u64,
    /// How often settings that cannot be were refused.
    pub refused: u64,
    /// Why the settings that were last given were refused; absent if they were not.
    pub refusal: Option<String>,
    /// Keys whose new values take effect when the database is opened again.
    pub needs_reopening: Vec<String>,
}

/// The settings in effect.
#[derive(Debug)]
pub(crate) struct LiveSettings {
    now: ArcSwap<Settings>,
    /// Held while they change.
    stats: Mutex<ConfigStats>,
}

impl LiveSettings {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { now: ArcSwap::from_pointee(settings), stats: Mutex::default() }
    }

    pub(crate) fn now(&self) -> Arc<Settings> {
        self.now.load_full()
    }

    pub(crate) fn stats(&self) -> ConfigStats {
        lock(&self.stats).clone()
    }

    /// Takes over what can be taken over.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` if the settings cannot be, alone or with those that stay: nothing has changed then.
    pub(crate) fn change(&self, wanted: &Settings) -> Result<Reload> {
        let mut stats = lock(&self.stats);
        let (next, reload) = wanted.validate().and_then(|()| take_over(&self.now(), wanted))?;
        if !reload.applied.is_empty() {
            self.now.store(Arc::new(next));
            stats.reloads += 1;
        }
        stats.refusal = None;
        stats.needs_reopening = reload.needs_reopening.iter().map(|change| change.key.clone()).collect();
        Ok(reload)
    }

    /// Notes that settings were refused.
    pub(crate) fn refuse(&self, error: &Error) {
        let mut stats = lock(&self.stats);
        stats.refused += 1;
        stats.refusal = Some(error.to_string());
    }
}

/// The settings that come of the wish to go from one to the other.
fn take_over(now: &Settings, wanted: &Settings) -> Result<(Settings, Reload)> {
    let (before, after) = (json(now)?, json(wanted)?);
    let mut next = before.clone();
    let (before, after): (BTreeMap<_, _>, BTreeMap<_, _>) =
        (by_key(&before).collect(), by_key(&after).collect());
    let mut reload = Reload::default();
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).cloned().collect();
    for key in keys.into_iter().filter(|key| key != "storage.base_path") {
        let of = |values: &BTreeMap<String, &Value>| values.get(&key).copied().cloned().unwrap_or_default();
        let change = Change { before: of(&before), after: of(&after), key: key.clone() };
        if change.before == change.after {
            continue;
        }
        if !RELOADED.contains(&key.as_str()) {
            reload.needs_reopening.push(change);
            continue;
        }
        let slot = key.split_once('.').and_then(|(section, name)| next.get_mut(section)?.get_mut(name));
        *slot.ok_or_else(|| Error::internal("a setting is gone").with("key", &key))? = change.after.clone();
        reload.applied.push(change);
    }
    let next: Settings = serde_json::from_value(next).map_err(|error| unreadable(&error))?;
    // What stays may not fit what changes.
    next.validate()?;
    Ok((next, reload))
}

fn json(settings: &Settings) -> Result<Value> {
    serde_json::to_value(settings).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> Error {
    Error::internal("settings cannot be compared").with("cause", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live() -> LiveSettings {
        LiveSettings::new(Settings::default())
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Settings {
        let mut settings = Settings::default();
        change(&mut settings);
        settings
    }

    #[test]
    fn every_key_that_reloads_is_a_key() {
        let settings = serde_json::to_value(Settings::default()).unwrap();
        let known: BTreeMap<_, _> = by_key(&settings).collect();
        for key in RELOADED {
            assert!(known.contains_key(key), "{key}");
        }
    }

    #[test]
    fn what_can_change_changes_and_the_rest_is_named() {
        let live = live();
        let wanted = with(|settings| {
            settings.query.memory_limit_mb = 7;
            settings.warm_tier.max_memory_mb = 5;
            settings.plugins.insert("acme.x".into(), serde_json::Map::new());
            settings.storage.base_path = "elsewhere".into();
        });
        let reload = live.change(&wanted).unwrap();
        assert_eq!(
            reload.applied,
            [Change { key: "query.memory_limit_mb".into(), before: 512.into(), after: 7.into() }]
        );
        let keys: Vec<_> = reload.needs_reopening.iter().map(|change| change.key.as_str()).collect();
        assert_eq!(keys, ["plugins.acme.x", "warm_tier.max_memory_mb"]);
        let now = live.now();
        assert_eq!((now.query.memory_limit_mb, now.warm_tier.max_memory_mb), (7, 1024));
        assert_eq!(live.stats().needs_reopening, keys);
        assert_eq!(live.stats().reloads, 1);
    }

    #[test]
    fn the_same_settings_change_nothing() {
        let live = live();
        assert!(live.change(&Settings::default()).unwrap().is_empty());
        assert_eq!(live.stats(), ConfigStats::default());
    }

    #[test]
    fn impossible_settings_change_nothing() {
        let live = live();
        let wanted = with(|settings| {
            settings.hot_tier.max_records = 5;
            settings.query.memory_limit_mb = 0;
        });
        let error = live.change(&wanted).unwrap_err();
        assert_eq!(error.kind(), tsds_traits::ErrorKind::ConfigInvalid);
        assert_eq!(*live.now(), Settings::default());
    }

    #[test]
    fn settings_that_do_not_fit_what_stays_change_nothing() {
        let live = live();
        // Alone they fit: but the warm tier keeps its gibibyte until the database is opened again.
        let wanted = with(|settings| {
            settings.warm_tier.max_memory_mb = 10;
            settings.performance.memory_limit_mb = Some(300);
        });
        wanted.validate().unwrap();
        let error = live.change(&wanted).unwrap_err();
        assert!(error.to_string().contains("key=performance.memory_limit_mb"), "{error}");
        assert_eq!(*live.now(), Settings::default());
    }
}
