//! Settings: defaults, then the file, then the environment, then the command line.

use std::path::PathBuf;

use tsds_engine::config::{Layers, Settings, Sources};
use tsds_traits::Vfs;

use crate::arguments::Common;
use crate::failure::Result;

/// Where the settings of a command come from.
pub(crate) fn sources(common: &Common) -> Sources {
    let mut sources = Sources::from_environment();
    sources.file = common.config.clone();
    let known = Layers::new();
    sources.code =
        common.settings.iter().map(|(key, text)| (key.clone(), known.value_of(key, text))).collect();
    sources
}

/// Lays all sources over each other. Blocking.
///
/// # Errors
///
/// What is wrong with a source, by name.
pub(crate) fn layers(sources: &Sources, vfs: &dyn Vfs) -> Result<Layers> {
    let text = sources.read(vfs)?;
    Ok(sources.layers(text.as_deref())?)
}

/// The directory of the database.
pub(crate) fn database_path(common: &Common, settings: &Settings) -> PathBuf {
    common.path.clone().unwrap_or_else(|| PathBuf::from(&settings.storage.base_path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Failure;

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
        let settings = layers(&sources(&common(&set)), &tsds_io::RealVfs::new()).unwrap().settings().unwrap();
        assert_eq!(settings.hot_tier.max_records, 5);
        assert_eq!(settings.storage.base_path, "7");
        assert!(settings.debug.enabled);
        assert_eq!(settings.storage.wal_path.as_deref(), Some("w"));
        assert_eq!(database_path(&common(&[]), &settings), PathBuf::from("7"));
    }

    #[test]
    fn an_unknown_setting_is_a_usage_error_that_names_the_nearest() {
        let failure =
            layers(&sources(&common(&[("hot_tier.max_record", "5")])), &tsds_io::RealVfs::new()).unwrap_err();
        let Failure::Usage(report) = failure else { panic!("{failure:?}") };
        assert!(report.text().contains("did_you_mean = hot_tier.max_records"), "{}", report.text());
    }

    #[test]
    fn a_configuration_file_that_is_not_there_is_named() {
        let common = Common { config: Some(PathBuf::from("/nowhere/tsds.json")), ..common(&[]) };
        let Err(Failure::Usage(report)) = layers(&sources(&common), &tsds_io::RealVfs::new()) else {
            panic!()
        };
        assert!(
            report.text().starts_with("cannot read the configuration file\n  file  = /nowhere/tsds.json"),
            "{}",
            report.text()
        );
    }
}
