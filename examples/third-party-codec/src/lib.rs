//! `example.pco`: a TSDS codec for integers, timestamps and floats, over [pco](https://docs.rs/pco).
//!
//! A plugin from outside of TSDS. The [README](https://github.com/tsds/tsds/tree/main/examples/third-party-codec) says how it is used
//! and what its bytes are; the codec itself depends on `tsds-traits`, Arrow and pco.
//!
//! ```
//! let mut registry = tsds_engine::builtin_registry()?;
//! registry.register(example_pco::PLUGIN)?;
//! // Database::builder(path).registry(registry) with the setting warm_tier.file_codec = "example.pco"
//! # Ok::<(), tsds_traits::Error>(())
//! ```

mod block;
mod codec;
mod numbers;
mod pages;
mod preflight;

use std::sync::Arc;

use tsds_traits::{Codec, Error, ErrorKind, Factory, Plugin, Presence, Result};

pub use codec::{ID, PcoCodec};

/// The plugin, for [`tsds_traits::Registry::register`].
pub const PLUGIN: Plugin = Plugin {
    id: ID,
    crate_version: env!("CARGO_PKG_VERSION"),
    format_version: codec::VERSION,
    reads_from: 1,
    factory: Factory::Codec(build),
    probe: || Presence::Present(String::new()),
};

// For `Registry::from_inventory()`, in programs that say `use example_pco as _;`.
tsds_traits::inventory::submit!(PLUGIN);

/// The codec has no settings, so a setting is a mistake.
fn build(settings: &serde_json::Value) -> Result<Arc<dyn Codec>> {
    if settings.is_null() || settings.as_object().is_some_and(serde_json::Map::is_empty) {
        return Ok(Arc::new(PcoCodec::new()));
    }
    Err(Error::new(ErrorKind::ConfigInvalid, "codec has no settings; leave them out")
        .with("settings", settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_refused() {
        let refused = build(&serde_json::json!({ "level": 9 })).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConfigInvalid);
        assert!(build(&serde_json::json!({})).is_ok() && build(&serde_json::Value::Null).is_ok());
    }
}
