//! `tsds config`: what the settings are, where they come from, and which there are.

use serde::Serialize;
use serde_json::Value;
use tsds_engine::config::{Layers, Origin, Settings, schema};
use tsds_traits::World;

use crate::arguments::{Common, Config, ConfigShow};
use crate::failure::{Failure, Result};
use crate::output::{Align, Output, TextTable};
use crate::settings::{layers, sources};

/// Runs one of the commands. No database is opened.
pub(super) async fn run(world: &World, output: &Output, common: Common, arguments: Config) -> Result<()> {
    match arguments {
        Config::Show(arguments) => show(world, output, common, arguments).await,
        Config::Schema => document(output, &schema()),
    }
}

async fn show(world: &World, output: &Output, common: Common, arguments: ConfigShow) -> Result<()> {
    let vfs = std::sync::Arc::clone(&world.vfs);
    let layers = (*world.executor).blocking(move || Ok(layers(&sources(&common), &*vfs))).await??;
    let settings = layers.settings()?;
    for warning in settings.warnings() {
        output.warn(warning);
    }
    match (arguments.origins, arguments.json) {
        (false, _) => document(output, &settings),
        (true, true) => output.print_json(&entries(&layers, &settings)),
        (true, false) => output.print(&text(&entries(&layers, &settings))),
    }
}

/// Prints what people read and edit, too.
fn document(output: &Output, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::failed("the settings cannot be written as JSON").value("cause", error))?;
    output.print(&(text + "\n"))
}

/// One setting, as `--origins --json` prints it.
#[derive(Debug, PartialEq, Serialize)]
struct Entry {
    key: String,
    value: Value,
    /// `default`, `file`, `environment` or `command line`.
    origin: &'static str,
    /// Of the file or the variable.
    name: Option<String>,
}

impl Entry {
    fn new(key: String, value: Value, origin: Option<&Origin>) -> Self {
        let (origin, name) = match origin {
            None => ("default", None),
            Some(Origin::File(name)) => ("file", Some(name.clone())),
            Some(Origin::Environment(name)) => ("environment", Some(name.clone())),
            Some(Origin::Code) => ("command line", None),
        };
        Self { key, value, origin, name }
    }
}

/// All settings in force, by key; those of plugins are `plugins.<id>.<key>`.
fn entries(layers: &Layers, settings: &Settings) -> Vec<Entry> {
    let Ok(Value::Object(sections)) = serde_json::to_value(settings) else { return Vec::new() };
    let mut entries = Vec::new();
    for (section, keys) in sections {
        let Value::Object(keys) = keys else { continue };
        for (key, value) in keys {
            let key = format!("{section}.{key}");
            match value {
                Value::Object(of_plugin) if section == "plugins" => {
                    entries.extend(of_plugin.into_iter().map(|(name, value)| {
                        let key = format!("{key}.{name}");
                        let origin = layers.origin(&key);
                        Entry::new(key.clone(), value, origin)
                    }))
                }
                value => entries.push(Entry::new(key.clone(), value, layers.origin(&key))),
            }
        }
    }
    entries
}

fn text(entries: &[Entry]) -> String {
    let columns = [("key", Align::Left), ("value", Align::Left), ("from", Align::Left)];
    let mut table = TextTable::new(columns).unlimited();
    for entry in entries {
        let value = match &entry.value {
            Value::String(text) => text.clone(),
            Value::Null => "-".into(),
            value => value.to_string(),
        };
        let from = match &entry.name {
            Some(name) => format!("{} {name}", entry.origin),
            None => entry.origin.to_owned(),
        };
        table.row([&entry.key, &value, &from]);
    }
    table.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_listed_with_its_origin() {
        let mut layers = Layers::new();
        layers
            .json("a.json", r#"{"wal": {"max_mb": 3}, "plugins": {"acme.x": {"deep": {"er": 1}}}}"#)
            .unwrap();
        layers.environment([("TSDS_HOT_MAX_RECORDS", "10")]).unwrap();
        layers.code("query.memory_limit_mb", 64).unwrap();
        let entries = entries(&layers, &layers.settings().unwrap());
        let of = |key: &str| entries.iter().find(|entry| entry.key == key).unwrap();
        assert_eq!((of("wal.max_mb").origin, of("wal.max_mb").name.as_deref()), ("file", Some("a.json")));
        assert_eq!(of("hot_tier.max_records").name.as_deref(), Some("TSDS_HOT_MAX_RECORDS"));
        assert_eq!(of("query.memory_limit_mb").origin, "command line");
        assert_eq!(of("wal.file_mb").origin, "default");
        assert_eq!(of("plugins.acme.x.deep").value, serde_json::json!({"er": 1}));
        assert_eq!(of("plugins.acme.x.deep").origin, "file");
    }
}
