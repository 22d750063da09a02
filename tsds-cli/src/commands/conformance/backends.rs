//! Which backends are checked: the plugins of the registry, those that ship with TSDS as their crates want to be opened, others
//! with default settings.

use std::sync::Arc;

use tsds_conformance::Suite;
use tsds_conformance::fixture::{PluginFixture, TierFixture};
use tsds_traits::{CodecSet, Factory, Plugin, Registry};

use crate::failure::{Failure, Result};

/// The plugins of a registry with the codecs that they find.
#[derive(Clone)]
pub(super) struct Backends {
    registry: Registry,
    codecs: Arc<CodecSet>,
}

/// One way to open a plugin.
enum Opened {
    /// By its own factory.
    Plugin(PluginFixture),
    /// A tier that its crate opens in its own way.
    #[cfg_attr(
        not(any(feature = "warm-cuda", feature = "warm-wgpu")),
        expect(dead_code, reason = "only devices need it")
    )]
    Tier(Arc<dyn TierFixture>),
}

impl Backends {
    pub(super) fn new(registry: &Registry) -> Result<Self> {
        Ok(Self { registry: registry.clone(), codecs: Arc::new(registry.codecs()?) })
    }

    /// The suite over one plugin in all its ways, or over all plugins. Opens each of them: blocking.
    ///
    /// # Errors
    ///
    /// An unknown id, with those that there are.
    pub(super) fn suite(&self, only: Option<&str>) -> tsds_traits::Result<Suite> {
        let plugins: Vec<&Plugin> = match only {
            Some(id) => vec![self.registry.get(id)?],
            None => self.registry.plugins().collect(),
        };
        let ways = plugins.into_iter().flat_map(|plugin| self.ways(plugin));
        Ok(ways.fold(Suite::new(), |suite, way| match way {
            Opened::Plugin(fixture) => suite.plugin(fixture),
            Opened::Tier(fixture) => suite.tier(fixture),
        }))
    }

    /// A tier in all its ways.
    ///
    /// # Errors
    ///
    /// An unknown id, or a plugin that is no tier.
    pub(super) fn tier(&self, id: &str) -> Result<Vec<Arc<dyn TierFixture>>> {
        let plugin = self.registry.get(id)?;
        if !matches!(plugin.factory, Factory::Tier(_)) {
            return Err(Failure::usage("only tiers are compared with each other")
                .value("id", id)
                .value("role", plugin.factory.role()));
        }
        let tier = |way| match way {
            Opened::Plugin(fixture) => Arc::new(fixture) as Arc<dyn TierFixture>,
            Opened::Tier(fixture) => fixture,
        };
        Ok(self.ways(plugin).into_iter().map(tier).collect())
    }

    fn ways(&self, plugin: &Plugin) -> Vec<Opened> {
        #[cfg(feature = "warm-cuda")]
        if plugin.id == tsds_warm_cuda::NAME {
            let tier = |fixture| Opened::Tier(Arc::new(fixture));
            return tsds_warm_cuda::conformance::fixtures().into_iter().map(tier).collect();
        }
        #[cfg(feature = "warm-wgpu")]
        if plugin.id == tsds_warm_wgpu::NAME {
            let tier = |fixture| Opened::Tier(Arc::new(fixture));
            return tsds_warm_wgpu::conformance::fixtures().into_iter().map(tier).collect();
        }
        let shipped = [
            #[cfg(feature = "codec-gorilla")]
            tsds_codec_gorilla::conformance::fixtures(),
            tsds_segment::conformance::fixtures(),
            tsds_hot::conformance::fixtures(),
            tsds_warm_cpu::conformance::fixtures(),
            tsds_cold_parquet::conformance::fixtures(),
        ];
        let own = shipped.into_iter().flatten().filter(|fixture| fixture.plugin().id == plugin.id);
        let mut own: Vec<PluginFixture> = own.collect();
        if own.is_empty() {
            own.push(PluginFixture::new(*plugin));
        }
        let opened = |fixture: PluginFixture| Opened::Plugin(fixture.with_codecs(self.codecs.clone()));
        own.into_iter().map(opened).collect()
    }
}
