//! Lays configuration sources over each other, remembering where each value came from.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use tsds_traits::{Error, ErrorKind, Result};

use super::Settings;
use super::json::Unambiguous;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A JSON file, by path.
    File(String),
    /// An environment variable, by name.
    Environment(String),
    /// The program.
    Code,
}

/// The section whose keys are plugin ids, with dots in them, each with an object of its own.
const PLUGINS: &str = "plugins";

/// Environment variables with names of their own, and the keys that they set.
const SHORT_NAMES: [(&str, &str); 5] = [
    ("TSDS_STORAGE_PATH", "storage.base_path"),
    ("TSDS_HOT_MAX_RECORDS", "hot_tier.max_records"),
    ("TSDS_WARM_MAX_MEMORY_MB", "warm_tier.max_memory_mb"),
    ("TSDS_LOG_LEVEL", "logging.level"),
    ("TSDS_QUERY_BATCH_SIZE", "query.output_batch_size"),
];

/// Configuration sources, later ones over earlier ones.
///
/// ```
/// use tsds_engine::config::Layers;
///
/// let mut layers = Layers::new();
/// layers.json("tsds.json", r#"{"hot_tier": {"max_records": 5000}}"#)?;
/// layers.environment([("TSDS_WARM_TIER__MAX_MEMORY_MB", "64")])?;
/// let settings = layers.settings()?;
/// assert_eq!((settings.hot_tier.max_records, settings.warm_tier.max_memory_mb), (5000, 64));
/// # Ok::<(), tsds_traits::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Layers {
    values: Value,
    origins: BTreeMap<String, Origin>,
}

impl Default for Layers {
    fn default() -> Self {
        Self::new()
    }
}

impl Layers {
    /// The defaults alone.
    pub fn new() -> Self {
        Self { values: defaults(), origins: BTreeMap::new() }
    }

    /// Lays a JSON file's text over what is there. `name` says which file, in errors and origins.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` for text that is no JSON object of sections or has a key twice, with line and column, and for an unknown
    /// key, naming the nearest known one.
    pub fn json(&mut self, name: &str, text: &str) -> Result<()> {
        let Unambiguous(parsed) = serde_json::from_str(text).map_err(|error| {
            Error::new(ErrorKind::ConfigInvalid, "configuration file is not JSON")
                .with("file", name)
                .with("line", error.line())
                .with("column", error.column())
                .with("cause", &error)
        })?;
        let Value::Object(sections) = parsed else {
            return Err(Error::new(ErrorKind::ConfigInvalid, "configuration file must hold one JSON object")
                .with("file", name));
        };
        for (section, keys) in sections {
            let Value::Object(keys) = keys else {
                return Err(unknown_or_misplaced(&section).with("file", name));
            };
            for (key, value) in keys {
                if section == PLUGINS && !value.is_object() {
                    return Err(Error::new(
                        ErrorKind::ConfigInvalid,
                        "settings of a plugin must be an object",
                    )
                    .with("key", format!("{section}.{key}"))
                    .with("file", name));
                }
                self.set(&format!("{section}.{key}"), value, Origin::File(name.into()))
                    .map_err(|error| error.with("file", name))?;
            }
        }
        Ok(())
    }

    /// Lays environment variables over what is there: the five short names, and `TSDS_<SECTION>__<KEY>` for every key. In the
    /// section `plugins`, `__` also stands for the dots of a plugin id: `TSDS_PLUGINS__TSDS__WARM__WGPU__ADAPTER`. Other
    /// variables are ignored.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` for a `TSDS_…__…` variable that names no key.
    pub fn environment<'a>(&mut self, variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<()> {
        for (name, text) in variables {
            let short =
                SHORT_NAMES.iter().find(|(short, _)| *short == name).map(|(_, key)| (*key).to_owned());
            let long = || {
                let (section, key) =
                    name.strip_prefix("TSDS_")?.to_lowercase().split_once("__").map(owned)?;
                let key = if section == PLUGINS { key.replace("__", ".") } else { key };
                Some(format!("{section}.{key}"))
            };
            if let Some(key) = short.or_else(long) {
                self.set(&key, self.value_of(&key, text), Origin::Environment(name.into()))
                    .map_err(|error| error.with("variable", name))?;
            }
        }
        Ok(())
    }

    /// Lays one value from code over what is there; `key` is `section.key`, or `plugins.<plugin id>.<key>`, or
    /// `plugins.<plugin id>` with an object of several keys.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` for an unknown key.
    pub fn code(&mut self, key: &str, value: impl Into<Value>) -> Result<()> {
        self.set(key, value.into(), Origin::Code)
    }

    /// The effective settings.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` for a value of the wrong type or out of range.
    pub fn settings(&self) -> Result<Settings> {
        let settings: Settings = serde_json::from_value(self.values.clone()).map_err(|error| {
            let blamed = self.origins.iter().find(|(key, _)| self.breaks(key));
            let invalid = Error::new(ErrorKind::ConfigInvalid, "setting has a value of the wrong type");
            let invalid = match blamed {
                Some((key, origin)) => invalid.with("key", key).with("origin", describe(origin)),
                None => invalid,
            };
            invalid.with("cause", error)
        })?;
        settings.validate()?;
        Ok(settings)
    }

    /// Where the value of `section.key` came from; `None` for a default.
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.origins.get(key)
    }

    fn set(&mut self, key: &str, value: Value, origin: Origin) -> Result<()> {
        let (section, name) = key.split_once('.').ok_or_else(|| unknown_or_misplaced(key))?;
        if section == PLUGINS {
            return self.set_plugin(name, value, &origin);
        }
        let slot =
            self.values.get_mut(section).and_then(Value::as_object_mut).and_then(|keys| keys.get_mut(name));
        *slot.ok_or_else(|| unknown_or_misplaced(key))? = value;
        self.origins.insert(key.into(), origin);
        Ok(())
    }

    /// `name` is an id, if an object comes with it, else an id and a key.
    fn set_plugin(&mut self, name: &str, value: Value, origin: &Origin) -> Result<()> {
        let (id, values) = match value {
            Value::Object(values) => (name, values),
            value => {
                let split = name.rsplit_once('.').filter(|(id, _)| id.contains('.'));
                let (id, key) = split.ok_or_else(|| {
                    Error::new(
                        ErrorKind::ConfigInvalid,
                        "settings of a plugin are plugins.<plugin id>.<key>, and an id is <owner>.<what>",
                    )
                    .with("key", format!("{PLUGINS}.{name}"))
                })?;
                (id, Map::from_iter([(key.to_owned(), value)]))
            }
        };
        let plugins = self.values.get_mut(PLUGINS).and_then(Value::as_object_mut);
        let plugins = plugins.ok_or_else(|| unknown_or_misplaced(PLUGINS))?;
        let slot = plugins.entry(id).or_insert_with(|| Value::Object(Map::new()));
        for (key, value) in values {
            self.origins.insert(format!("{PLUGINS}.{id}.{key}"), origin.clone());
            if let Some(settings) = slot.as_object_mut() {
                settings.insert(key, value);
            }
        }
        Ok(())
    }

    /// Whether the value of this key alone, over the defaults, does not parse.
    fn breaks(&self, key: &str) -> bool {
        let Some((section, name)) = key.split_once('.') else { return false };
        let Some(value) = self.values.get(section).and_then(|keys| keys.get(name)) else { return false };
        let only = Value::Object(Map::from_iter([(name.to_owned(), value.clone())]));
        let only = Value::Object(Map::from_iter([(section.to_owned(), only)]));
        serde_json::from_value::<Settings>(only).is_err()
    }

    /// What a text means as the value of `section.key`, for whoever has settings as text: JSON, but for keys that take text.
    pub fn value_of(&self, key: &str, text: &str) -> Value {
        let default = key.split_once('.').and_then(|(section, name)| self.values.get(section)?.get(name));
        match default {
            Some(Value::String(_)) => Value::String(text.into()),
            _ => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.into())),
        }
    }
}

fn owned((section, key): (&str, &str)) -> (String, String) {
    (section.to_owned(), key.to_owned())
}

fn describe(origin: &Origin) -> String {
    match origin {
        Origin::File(name) => format!("file {name}"),
        Origin::Environment(name) => format!("environment variable {name}"),
        Origin::Code => "code".into(),
    }
}

fn defaults() -> Value {
    // Settings are plain data: serialising them cannot fail.
    serde_json::to_value(Settings::default()).unwrap_or_default()
}

fn known_keys() -> Vec<String> {
    by_key(&defaults()).map(|(key, _)| key).collect()
}

/// The values of settings with their keys, `section.key`; in `plugins` a key is a plugin's id.
pub(super) fn by_key(settings: &Value) -> impl Iterator<Item = (String, &Value)> {
    let sections = settings.as_object().into_iter().flatten();
    sections.flat_map(|(section, keys)| {
        let keys = keys.as_object().into_iter().flatten();
        keys.map(move |(key, value)| (format!("{section}.{key}"), value))
    })
}

fn unknown_or_misplaced(key: &str) -> Error {
    let known = known_keys();
    let nearest = known.iter().min_by_key(|candidate| edit_distance(key, candidate));
    let error = Error::new(ErrorKind::ConfigInvalid, "unknown configuration key").with("key", key);
    match nearest {
        Some(nearest) => error.with("did_you_mean", nearest),
        None => error,
    }
}

/// Levenshtein's distance, by characters.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (y, pair) in b.iter().zip(row.windows(2)) {
            let [diagonal, above] = pair else { continue };
            let left = next.last().copied().unwrap_or_default();
            next.push((diagonal + usize::from(x != *y)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_beats_environment_beats_file_beats_defaults() {
        let mut layers = Layers::new();
        layers
            .json("a.json", r#"{"hot_tier": {"max_records": 1, "segment_rows": 2}, "wal": {"max_mb": 3}}"#)
            .unwrap();
        layers
            .environment([
                ("TSDS_HOT_MAX_RECORDS", "10"),
                ("TSDS_HOT_TIER__SEGMENT_ROWS", "20"),
                ("HOME", "x"),
            ])
            .unwrap();
        layers.code("hot_tier.segment_rows", 200).unwrap();
        let settings = layers.settings().unwrap();
        assert_eq!(settings.hot_tier.max_records, 10);
        assert_eq!(settings.hot_tier.segment_rows, 200);
        assert_eq!(settings.wal.max_mb, 3);
        assert_eq!(layers.origin("hot_tier.segment_rows"), Some(&Origin::Code));
        assert_eq!(layers.origin("wal.max_mb"), Some(&Origin::File("a.json".into())));
        assert_eq!(layers.origin("wal.file_mb"), None);
    }

    #[test]
    fn an_unknown_key_names_the_nearest_known_one() {
        let mut layers = Layers::new();
        let error = layers.json("a.json", r#"{"hot_teir": {"max_records": 1}}"#).unwrap_err();
        assert!(error.to_string().contains("did_you_mean=hot_tier.max_records"), "{error}");
        let error = layers.environment([("TSDS_QUERY__MEMORY_LIMIT", "1")]).unwrap_err();
        assert!(error.to_string().contains("did_you_mean=query.memory_limit_mb"), "{error}");
        assert!(layers.json("a.json", r#"{"hot_tier": 3}"#).is_err());
    }

    #[test]
    fn a_value_of_the_wrong_type_names_its_key_and_origin() {
        let mut layers = Layers::new();
        layers.environment([("TSDS_HOT_MAX_RECORDS", "many")]).unwrap();
        let text = layers.settings().unwrap_err().to_string();
        assert!(text.contains("key=hot_tier.max_records") && text.contains("TSDS_HOT_MAX_RECORDS"), "{text}");
    }

    #[test]
    fn a_file_that_is_cut_off_anywhere_is_refused() {
        let whole = r#"{"hot_tier": {"max_records": 5000, "wal_enabled": true}, "wal": {"max_mb": 64}}"#;
        Layers::new().json("a.json", whole).unwrap();
        for end in 0..whole.len() {
            let error = Layers::new().json("a.json", &whole[..end]).unwrap_err().to_string();
            assert!(error.contains("not JSON file=a.json line=1"), "{end}: {error}");
        }
    }

    #[test]
    fn a_section_that_stands_there_twice_is_refused_and_named() {
        let text = "{\"wal\": {\"max_mb\": 64},\n \"wal\": {\"file_mb\": 1}}";
        let error = Layers::new().json("a.json", text).unwrap_err().to_string();
        assert!(
            error.contains("file=a.json line=2") && error.contains("the key \"wal\" occurs twice"),
            "{error}"
        );
    }

    #[test]
    fn text_that_is_not_json_names_line_and_column() {
        let error = Layers::new().json("a.json", "{\n  \"hot_tier\": }").unwrap_err();
        assert!(error.to_string().contains("file=a.json line=2"), "{error}");
    }

    #[test]
    fn a_path_that_looks_like_a_number_stays_text() {
        let mut layers = Layers::new();
        layers.environment([("TSDS_STORAGE_PATH", "42"), ("TSDS_STORAGE__WAL_PATH", "wal")]).unwrap();
        let settings = layers.settings().unwrap();
        assert_eq!(settings.storage.base_path, "42");
        assert_eq!(settings.storage.wal_path.as_deref(), Some("wal"));
    }

    #[test]
    fn settings_of_a_plugin_are_laid_over_each_other_key_by_key() {
        let mut layers = Layers::new();
        let text = r#"{"plugins": {"tsds.warm.wgpu": {"adapter": "a", "allow_software": false, "lists": {"of": [1]}}}}"#;
        layers.json("a.json", text).unwrap();
        layers
            .environment([
                ("TSDS_PLUGINS__TSDS__WARM__WGPU__ADAPTER", "llvmpipe"),
                ("TSDS_PLUGINS__ACME__EVICT", r#"{"days": 3}"#),
            ])
            .unwrap();
        layers.code("plugins.tsds.warm.wgpu.allow_software", true).unwrap();
        let settings = layers.settings().unwrap();
        let expected = serde_json::json!({
            "tsds.warm.wgpu": {"adapter": "llvmpipe", "allow_software": true, "lists": {"of": [1]}},
            "acme.evict": {"days": 3},
        });
        assert_eq!(serde_json::to_value(&settings.plugins).unwrap(), expected);
        assert_eq!(layers.origin("plugins.tsds.warm.wgpu.lists"), Some(&Origin::File("a.json".into())));
        assert_eq!(layers.origin("plugins.tsds.warm.wgpu.allow_software"), Some(&Origin::Code));
    }

    #[test]
    fn settings_of_a_plugin_that_are_no_object_or_name_no_id_are_refused() {
        let mut layers = Layers::new();
        let error = layers.json("a.json", r#"{"plugins": {"tsds.warm.wgpu": 3}}"#).unwrap_err();
        assert!(error.to_string().contains("key=plugins.tsds.warm.wgpu file=a.json"), "{error}");
        let error = layers.code("plugins.adapter", 3).unwrap_err();
        assert!(error.to_string().contains("plugins.<plugin id>.<key>"), "{error}");
        assert_eq!(layers.settings().unwrap(), Settings::default());
    }
}
