//! How the tier and the evictor are registered.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value as Json;
use tsds_traits::{BuildContext, Evictor, Factory, Plugin, Presence, Result, Tier, plugin_settings};

use crate::{CpuTier, LRU, LruEvictor, NAME};

/// The plugins of this crate, to be registered.
pub fn plugins() -> [Plugin; 2] {
    let plugin = |id, factory| Plugin {
        id,
        crate_version: env!("CARGO_PKG_VERSION"),
        format_version: 1,
        reads_from: 1,
        factory,
        probe: || Presence::Present(String::new()),
    };
    [plugin(NAME, Factory::Tier(build_tier)), plugin(LRU, Factory::Evictor(build_evictor))]
}

fn build_tier(settings: Json, context: BuildContext) -> BoxFuture<'static, Result<Arc<dyn Tier>>> {
    async move { Ok(CpuTier::new(plugin_settings(&settings)?, context)? as Arc<dyn Tier>) }.boxed()
}

fn build_evictor(settings: &Json) -> Result<Arc<dyn Evictor>> {
    Ok(Arc::new(LruEvictor::new(plugin_settings(settings)?)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tsds_traits::{ErrorKind, Registry};

    use super::*;
    use crate::CpuSettings;

    #[test]
    fn both_plugins_register_under_their_own_names() {
        let mut registry = Registry::new();
        plugins().into_iter().try_for_each(|plugin| registry.register(plugin)).unwrap();
        assert_eq!(registry.evictor(LRU, &Json::Null).unwrap().name(), LRU);
        assert_eq!(registry.get(NAME).unwrap().factory.role(), "tier");
    }

    #[test]
    fn an_unknown_setting_is_refused_and_named() {
        let error = plugin_settings::<CpuSettings>(&json!({"max_memory": 3})).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert!(error.to_string().contains("max_memory"), "{error}");
        assert!(build_evictor(&json!({"size": 1})).is_err());
    }

    #[test]
    fn settings_have_defaults() {
        assert_eq!(plugin_settings::<CpuSettings>(&Json::Null).unwrap(), CpuSettings { max_memory_mb: None });
        assert_eq!(
            plugin_settings::<CpuSettings>(&json!({"max_memory_mb": 3})).unwrap().limit_bytes(),
            Some(3 << 20)
        );
    }
}
