//! The codec as a plugin.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value as Json;
use tsds_traits::{Codec, Error, ErrorKind, Factory, Plugin, Presence, Result};

use super::{GORILLA, GorillaCodec};
use crate::block::VERSION;
use crate::isa::Isa;

/// The codec, to be registered.
pub fn plugin() -> Plugin {
    Plugin {
        id: GORILLA,
        crate_version: env!("CARGO_PKG_VERSION"),
        format_version: VERSION.into(),
        reads_from: 1,
        factory: Factory::Codec(build),
        probe: || Presence::Present(format!("decodes with {}", Isa::best())),
    }
}

/// `tsds.gorilla` has no settings.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Settings {}

fn build(json: &Json) -> Result<Arc<dyn Codec>> {
    if !json.is_null() {
        let invalid = |cause: String| {
            Error::new(ErrorKind::ConfigInvalid, "codec settings are not valid").with("cause", cause)
        };
        if !json.is_object() {
            return Err(invalid("settings must be an object".into()));
        }
        let Settings {} = Settings::deserialize(json).map_err(|error| invalid(error.to_string()))?;
    }
    Ok(Arc::new(GorillaCodec::new()))
}
