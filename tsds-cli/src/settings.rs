//! Settings: defaults, then the file, then the environment, then the command line.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tsds_engine::config::{Layers, Settings};
use tsds_traits::{OpenMode, Vfs};

use crate::arguments::Common;
use crate::failure::{Failure, Result};

/// A configuration file beyond this is none.
const MAX_CONFIG_BYTES: u64 = 16 << 20;

/// Lays all sources over each other. Blocking.
///
/// # Errors
///
/// What is wrong with a source, by name.
pub(crate) fn layers(common: &Common, vfs: &dyn Vfs) -> Result<Layers> {
    let mut layers = Layers::new();
    if let Some(path) = &common.config {
        let text = read_text(vfs, path).map_err(|error| {
            Failure::usage("cannot read the configuration file")
                .value("file", path.display())
                .value("cause", error)
        })?;
        layers.json(&path.display().to_string(), &text)?;
    }
    let variables: Vec<_> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    layers.environment(variables.iter().map(|(name, value)| (name.as_str(), value.as_str())))?;
    for (key, text) in &common.settings {
        layers.code(key, value_of(key, text)).map_err(|error| error.with("option", "--set"))?;
    }
    Ok(layers)
}

/// The directory of the database.
pub(crate) fn database_path(common: &Common, settings: &Settings) -> PathBuf {
    common.path.clone().unwrap_or_else(|| PathBuf::from(&settings.storage.base_path))
}

/// Text becomes JSON where the setting is not text.
fn value_of(key: &str, text: &str) -> Value {
    let defaults = serde_json::to_value(Settings::default()).unwrap_or_default();
    let default = key.split_once('.').and_then(|(section, name)| defaults.get(section)?.get(name));
    match default {
        Some(Value::String(_)) => Value::String(text.into()),
        _ => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.into())),
    }
}

fn read_text(vfs: &dyn Vfs, path: &Path) -> std::io::Result<String> {
    let invalid = |text: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, text.to_owned());
    let file = vfs.open(path, OpenMode::Read)?;
    let len = file.len()?;
    if len > MAX_CONFIG_BYTES {
        return Err(invalid("the file is larger than 16 MiB"));
    }
    let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
    file.read_exact_at(&mut bytes, 0)?;
    String::from_utf8(bytes).map_err(|_| invalid("the file is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn common(settings: &[(&str, &str)]) -> Common {
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Common { path: None, config: None, settings, quiet: true }
    }

    #[test]
    fn values_take_the_type_of_their_setting() {
        let set = [
            ("hot_tier.max_records", "5"),
            ("storage.base_path", "7"),
            ("debug.enabled", "true"),
            ("storage.wal_path", "w"),
        ];
        let settings = layers(&common(&set), &tsds_io::RealVfs::new()).unwrap().settings().unwrap();
        assert_eq!(settings.hot_tier.max_records, 5);
        assert_eq!(settings.storage.base_path, "7");
        assert!(settings.debug.enabled);
        assert_eq!(settings.storage.wal_path.as_deref(), Some("w"));
        assert_eq!(database_path(&common(&[]), &settings), PathBuf::from("7"));
    }

    #[test]
    fn an_unknown_setting_is_a_usage_error_that_names_the_nearest() {
        let failure = layers(&common(&[("hot_tier.max_record", "5")]), &tsds_io::RealVfs::new()).unwrap_err();
        let Failure::Usage(report) = failure else { panic!("{failure:?}") };
        assert!(report.text().contains("did_you_mean = hot_tier.max_records"), "{}", report.text());
    }

    #[test]
    fn a_configuration_file_that_is_not_there_is_named() {
        let common = Common { config: Some(PathBuf::from("/nowhere/tsds.json")), ..common(&[]) };
        let Err(Failure::Usage(report)) = layers(&common, &tsds_io::RealVfs::new()) else { panic!() };
        assert!(
            report.text().starts_with("cannot read the configuration file\n  file  = /nowhere/tsds.json"),
            "{}",
            report.text()
        );
    }
}
