//! [`Workshop`]: builds plugins, each behind its guard, from what the engine tells it and what is configured for it.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use tsds_traits::{
    BuildContext, CodecLookup, DatabaseId, Error, ErrorKind, Factory, Presence, Registry, Result,
    SegmentFiles, WalOpen, WalSink, World,
};

use crate::config::Settings;
use crate::guard::{GuardedEvictor, GuardedTier, GuardedWal, Health, Losses, Watch};

/// What every plugin is built from.
#[derive(Clone, Debug)]
pub(crate) struct Workshop {
    pub world: World,
    /// The database's directory.
    pub path: PathBuf,
    pub settings: Settings,
    pub registry: Registry,
    pub watch: Arc<Watch>,
    pub database: DatabaseId,
    pub codecs: Arc<dyn CodecLookup>,
    pub files: Arc<dyn SegmentFiles>,
}

/// Checks that whatever is configured for a plugin is for one that there is.
///
/// # Errors
///
/// `ConfigInvalid`, naming those that there are.
pub(crate) fn check_plugin_ids(settings: &Settings, registry: &Registry) -> Result<()> {
    let unknown = settings.plugins.keys().find(|id| registry.get(id).is_err());
    let Some(id) = unknown else { return Ok(()) };
    let ids: Vec<&str> = registry.plugins().map(|plugin| plugin.id).collect();
    Err(Error::new(ErrorKind::ConfigInvalid, "there are settings for a plugin that is not registered")
        .with("key", format!("plugins.{id}"))
        .with("registered", ids.join(",")))
}

impl Workshop {
    /// What a plugin is told: what is configured for it over what the engine says.
    fn settings_of(&self, id: &str, given: impl IntoIterator<Item = (&'static str, Json)>) -> Json {
        let given = given.into_iter().map(|(key, value)| (key.to_owned(), value));
        let configured = self.settings.plugins.get(id).cloned().unwrap_or_default();
        Json::Object(given.chain(configured).collect())
    }

    /// Says where settings come from that a plugin may have refused.
    fn explained(&self, id: &str, error: Error) -> Error {
        match self.settings.plugins.contains_key(id) {
            true => error.with("settings", format!("plugins.{id}")),
            false => error,
        }
    }

    /// The health of a plugin that is about to be built.
    fn health(&self, id: &str, role: &'static str) -> Result<Arc<Health>> {
        Ok(self.watch.health(self.registry.get(id)?.id, role))
    }

    /// Builds the cold tier.
    ///
    /// # Errors
    ///
    /// What the registry and the factory say.
    pub(crate) async fn cold(&self) -> Result<GuardedTier> {
        let Settings { storage, cold_tier, query, .. } = &self.settings;
        let url = storage.cold_url();
        let directory = match &storage.cold_path {
            Some(given) if url.is_none() => self.path.join(given),
            _ => self.path.join("cold"),
        };
        let mut given = vec![
            ("compression", json!(cold_tier.compression)),
            ("max_concurrent_files", json!(query.max_concurrent_files)),
        ];
        // What a tier need not know unless it is asked for.
        if !cold_tier.hive {
            given.push(("hive", json!(false)));
        }
        if let Some(url) = url {
            given.push(("url", json!(url)));
        }
        if !cold_tier.object_store.is_empty() {
            given.push(("object_store", json!(cold_tier.object_store)));
        }
        let settings = self.settings_of(&cold_tier.backend, given);
        self.tier(&cold_tier.backend, settings, directory, None).await
    }

    /// Builds a tier for recent segments. With `losses` it is one that may lose its device.
    ///
    /// # Errors
    ///
    /// What the registry and the factory say.
    pub(crate) async fn warm(&self, id: &str, losses: Option<&Arc<Losses>>) -> Result<GuardedTier> {
        let settings =
            self.settings_of(id, [("max_memory_mb", json!(self.settings.warm_tier.max_memory_mb))]);
        self.tier(id, settings, self.path.join("warm"), losses).await
    }

    async fn tier(
        &self,
        id: &str,
        settings: Json,
        directory: PathBuf,
        losses: Option<&Arc<Losses>>,
    ) -> Result<GuardedTier> {
        let health = self.health(id, "tier")?;
        let context =
            BuildContext::new(self.world.clone(), self.database, directory, Arc::clone(&self.codecs))
                .with_segment_files(Arc::clone(&self.files));
        let (registry, id) = (self.registry.clone(), health.id());
        let built = async move { registry.tier(id, settings, context).await };
        let tier = self.watch.call(&health, "build", built).await;
        let tier = tier.map_err(|error| self.explained(id, error))?;
        match losses {
            Some(losses) => GuardedTier::mortal(tier, &self.watch, &health, losses),
            None => GuardedTier::new(tier, &self.watch, &health),
        }
    }

    /// Asks a tier whether it can run here, and on which device.
    ///
    /// # Errors
    ///
    /// Why it cannot: what its probe says, or did.
    pub(crate) async fn probe(&self, id: &str) -> std::result::Result<String, String> {
        let plugin = *self.registry.get(id).map_err(|error| error.to_string())?;
        if !matches!(plugin.factory, Factory::Tier(_)) {
            return Err(format!("it is no tier but a {}", plugin.factory.role()));
        }
        let health = self.watch.health(plugin.id, "tier");
        let probed = self.watch.job(&health, "probe", move || Ok((plugin.probe)())).await;
        match probed {
            Ok(Presence::Present(device)) => Ok(device),
            Ok(Presence::Absent(reason)) => Err(reason),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Builds the evictor.
    ///
    /// # Errors
    ///
    /// What the registry and the factory say.
    pub(crate) async fn evictor(&self) -> Result<GuardedEvictor> {
        let health = self.health(&self.settings.warm_tier.evictor, "evictor")?;
        let (registry, id, settings) =
            (self.registry.clone(), health.id(), self.settings_of(health.id(), []));
        let built = self.watch.job(&health, "build", move || registry.evictor(id, &settings)).await;
        let evictor = built.map_err(|error| self.explained(id, error))?;
        Ok(GuardedEvictor::new(evictor, &self.watch, &health))
    }

    /// Opens the log.
    ///
    /// # Errors
    ///
    /// What the registry and the factory say, naming the log's directory.
    pub(crate) async fn log(&self, directory: PathBuf, open: WalOpen) -> Result<Arc<dyn WalSink>> {
        let wal = &self.settings.wal;
        let health = self.health(&wal.backend, "wal")?;
        let settings = self.settings_of(&wal.backend, [("file_bytes", json!(wal.file_mb * 1_000_000))]);
        let codecs = Arc::clone(&self.codecs);
        let context = BuildContext::new(self.world.clone(), self.database, directory.clone(), codecs);
        let (registry, id) = (self.registry.clone(), health.id());
        let opened = async move { registry.wal(id, settings, context, open).await };
        // Which directory, since a volume that is not mounted looks like a log that is lost.
        let named = |error: Error| self.explained(id, error.with("directory", directory.display()));
        let log = self.watch.call(&health, "build", opened).await.map_err(named)?;
        Ok(Arc::new(GuardedWal::new(log, &self.watch, &health)?))
    }
}
