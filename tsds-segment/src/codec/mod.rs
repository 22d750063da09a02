//! The codecs that ship with the segment file: `tsds.plain` and `tsds.zstd`.

mod filter;
mod plain;
mod plain_layout;
mod zstd;

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value as Json;
use tsds_traits::{Codec, Error, ErrorKind, Factory, Plugin, Presence, Result};

pub use plain::{PLAIN, PlainCodec};
pub use plain_layout::PlainView;
pub use zstd::{MAX_EXPANSION, ZSTD, ZstdCodec};

/// The codecs of this crate, to be registered.
pub fn plugins() -> [Plugin; 2] {
    let plugin = |id, factory| Plugin {
        id,
        crate_version: env!("CARGO_PKG_VERSION"),
        format_version: 1,
        reads_from: 1,
        factory: Factory::Codec(factory),
        probe: || Presence::Present(String::new()),
    };
    [plugin(PLAIN, build_plain), plugin(ZSTD, build_zstd)]
}

/// `tsds.plain` has no settings.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct PlainSettings {}

/// Settings of `tsds.zstd`.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ZstdSettings {
    level: i32,
}

impl Default for ZstdSettings {
    fn default() -> Self {
        Self { level: zstd::DEFAULT_LEVEL }
    }
}

fn settings<'a, T: Deserialize<'a> + Default>(json: &'a Json) -> Result<T> {
    if json.is_null() {
        return Ok(T::default());
    }
    let invalid = |cause: String| {
        Error::new(ErrorKind::ConfigInvalid, "codec settings are not valid").with("cause", cause)
    };
    if !json.is_object() {
        // Serde would take a list as the fields in order.
        return Err(invalid("settings must be an object".into()));
    }
    T::deserialize(json).map_err(|error| invalid(error.to_string()))
}

fn build_plain(json: &Json) -> Result<Arc<dyn Codec>> {
    let PlainSettings {} = settings(json)?;
    Ok(Arc::new(PlainCodec::new()))
}

fn build_zstd(json: &Json) -> Result<Arc<dyn Codec>> {
    let ZstdSettings { level } = settings(json)?;
    Ok(Arc::new(ZstdCodec::with_level(level)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> tsds_traits::Registry {
        let mut registry = tsds_traits::Registry::new();
        plugins().into_iter().for_each(|plugin| registry.register(plugin).unwrap());
        registry
    }

    #[test]
    fn both_codecs_build_with_default_settings() {
        use tsds_traits::CodecLookup;
        let codecs = registry().codecs().unwrap();
        for id in [PLAIN, ZSTD] {
            let codec = codecs.codec(id).unwrap();
            assert_eq!((codec.id(), codec.version()), (id, 1));
        }
    }

    #[test]
    fn an_unknown_setting_or_an_impossible_level_is_a_config_error() {
        let build = |build: fn(&Json) -> Result<Arc<dyn Codec>>, json| build(&json).unwrap_err().kind();
        for json in [serde_json::json!({"levl": 3}), serde_json::json!({"level": 0}), serde_json::json!([1])]
        {
            assert_eq!(build(build_zstd, json), ErrorKind::ConfigInvalid);
        }
        assert_eq!(build(build_plain, serde_json::json!({"level": 1})), ErrorKind::ConfigInvalid);
        assert!(build_zstd(&serde_json::json!({"level": 19})).is_ok());
    }
}
