//! Where the settings of a program come from.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tsds_traits::{Error, ErrorKind, OpenMode, Result, Vfs};

use super::Layers;

/// A configuration file beyond this is none.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// A file, environment variables and values from code: what [`Layers`] are made of, and can be made of anew when the file has
/// changed.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The JSON file, if there is one.
    pub file: Option<PathBuf>,
    /// Environment variables, names and values. Those that are none of ours are ignored.
    pub environment: Vec<(String, String)>,
    /// Keys (`section.key`) and their values.
    pub code: Vec<(String, Value)>,
}

impl Sources {
    /// The environment of this process as it is now, no file and nothing from code. Variables that are not UTF-8 are left out.
    pub fn from_environment() -> Self {
        let variables = std::env::vars_os();
        let environment = variables
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { environment, ..Self::default() }
    }

    /// What the file says now; `None` if there is to be no file. Blocking.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid`, naming the file, if it is not there, cannot be read, is no UTF-8 or larger than 16 MiB.
    pub fn read(&self, vfs: &dyn Vfs) -> Result<Option<String>> {
        let Some(path) = &self.file else { return Ok(None) };
        let text = read_text(vfs, path).map_err(|error| {
            Error::new(ErrorKind::ConfigInvalid, "cannot read the configuration file")
                .with("file", path.display())
                .with("cause", error)
        })?;
        Ok(Some(text))
    }

    /// Lays the sources over each other: defaults, the file with this text, the environment, code.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid`: what is wrong with a source, by name.
    pub fn layers(&self, text: Option<&str>) -> Result<Layers> {
        let mut layers = Layers::new();
        if let (Some(path), Some(text)) = (&self.file, text) {
            layers.json(&path.display().to_string(), text)?;
        }
        layers.environment(self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())))?;
        for (key, value) in &self.code {
            layers.code(key, value.clone())?;
        }
        Ok(layers)
    }
}

fn read_text(vfs: &dyn Vfs, path: &Path) -> std::io::Result<String> {
    let invalid = |text: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, text.to_owned());
    let file = vfs.open(path, OpenMode::Read)?;
    let len = file.len()?;
    if len > MAX_FILE_BYTES {
        return Err(invalid("the file is larger than 16 MiB"));
    }
    let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
    file.read_exact_at(&mut bytes, 0)?;
    String::from_utf8(bytes).map_err(|_| invalid("the file is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_laid_over_each_other() {
        let sources = Sources {
            file: Some("tsds.json".into()),
            environment: vec![("TSDS_HOT_MAX_RECORDS".into(), "2".into()), ("HOME".into(), "x".into())],
            code: vec![("wal.max_mb".into(), 3.into())],
        };
        let text = r#"{"hot_tier": {"max_records": 1, "segment_rows": 1}, "wal": {"max_mb": 1}}"#;
        let settings = sources.layers(Some(text)).unwrap().settings().unwrap();
        let found = (settings.hot_tier.segment_rows, settings.hot_tier.max_records, settings.wal.max_mb);
        assert_eq!(found, (1, 2, 3));
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let sources = Sources { file: Some("/nowhere/tsds.json".into()), ..Sources::default() };
        let error = sources.read(&tsds_io::RealVfs::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert!(error.to_string().contains("file=/nowhere/tsds.json"), "{error}");
    }

    #[test]
    fn what_is_no_text_or_too_long_for_a_configuration_is_named_with_the_reason() {
        let machine = tsds_io::SimWorld::new(1);
        let vfs = machine.world().vfs;
        vfs.create_dir_all(Path::new("/c/directory")).unwrap();
        machine.write_file("/c/noise", &[b'{', 0xff, b'}']).unwrap();
        vfs.open(Path::new("/c/long"), OpenMode::CreateNew).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
        for (name, reason) in [
            ("noise", "the file is not UTF-8"),
            ("long", "the file is larger than 16 MiB"),
            ("directory", "is a directory"),
        ] {
            let file = Some(PathBuf::from("/c").join(name));
            let error = Sources { file, ..Sources::default() }.read(&*vfs).unwrap_err().to_string();
            assert!(error.contains(&format!("file=/c/{name}")) && error.contains(reason), "{error}");
        }
    }
}
