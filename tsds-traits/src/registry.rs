//! The registry: which plugins there are, found by id.
//!
//! A [`Registry`] is a value, not a global. Three feeders fill it: explicit [`Registry::register`] for what ships with
//! TSDS, [`Registry::from_inventory`] for linked plugin crates that submit themselves, and `register` at run time.
//!
//! A plugin crate that is a dependency but never named in code is not linked, and then submits nothing: name it once
//! (`use acme_codec as _;`). Static libraries must call `register`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde_json::Value as Json;

use crate::{
    BuildContext, Codec, CodecLookup, Error, ErrorKind, Evictor, KeyProvider, Result, Tier, WalOpen, WalSink,
};

/// A plugin as it is registered. Made of constants, so that it can be submitted with [`inventory::submit!`].
///
/// ```
/// use tsds_traits::{Factory, Plugin, Presence};
///
/// # use std::sync::Arc;
/// # fn make(_: &serde_json::Value) -> tsds_traits::Result<Arc<dyn tsds_traits::Evictor>> { unimplemented!() }
/// const PLUGIN: Plugin = Plugin {
///     id: "acme.evict.random",
///     crate_version: env!("CARGO_PKG_VERSION"),
///     format_version: 1,
///     reads_from: 1,
///     factory: Factory::Evictor(make),
///     probe: || Presence::Present(String::new()),
/// };
/// let mut registry = tsds_traits::Registry::new();
/// registry.register(PLUGIN)?;
/// assert!(registry.get("acme.evict.random").is_ok());
/// # Ok::<(), tsds_traits::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Plugin {
    /// The id, `<owner>.<what>…` in lower case, such as `tsds.warm.cuda`. Stored in catalogs: never changes meaning.
    pub id: &'static str,
    /// The version of the crate, for people.
    pub crate_version: &'static str,
    /// The version of what it writes to disk.
    pub format_version: u16,
    /// The oldest version of what it reads. The catalog refuses to open what was written by an older or newer one.
    pub reads_from: u16,
    /// Builds it.
    pub factory: Factory,
    /// Says whether it can run here, without side effects and without panicking.
    pub probe: fn() -> Presence,
}

/// Whether a plugin can run on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It can; on which device, or empty for none.
    Present(String),
    /// It cannot, and why.
    Absent(String),
}

/// The settings of a plugin, as its factory is given them; those that are not there are the defaults.
///
/// # Errors
///
/// `ConfigInvalid`, with what is wrong and where.
///
/// ```
/// #[derive(Debug, Default, serde::Deserialize)]
/// #[serde(default, deny_unknown_fields)]
/// struct Settings {
///     max_memory_mb: Option<u64>,
/// }
/// let given = serde_json::json!({"max_memory_mb": 64});
/// assert_eq!(tsds_traits::plugin_settings::<Settings>(&given)?.max_memory_mb, Some(64));
/// assert_eq!(tsds_traits::plugin_settings::<Settings>(&serde_json::Value::Null)?.max_memory_mb, None);
/// let wrong = tsds_traits::plugin_settings::<Settings>(&serde_json::json!({"memory": 64})).unwrap_err();
/// assert!(wrong.to_string().contains("memory"));
/// # Ok::<(), tsds_traits::Error>(())
/// ```
pub fn plugin_settings<'a, T: Deserialize<'a> + Default>(settings: &'a Json) -> Result<T> {
    if settings.is_null() {
        return Ok(T::default());
    }
    T::deserialize(settings.into_deserializer()).map_err(|error| {
        Error::new(ErrorKind::ConfigInvalid, "settings of a plugin are wrong").with("cause", error)
    })
}

/// Builds a tier from its settings.
pub type TierFactory = fn(Json, BuildContext) -> BoxFuture<'static, Result<Arc<dyn Tier>>>;
/// Builds a codec from its settings.
pub type CodecFactory = fn(&Json) -> Result<Arc<dyn Codec>>;
/// Opens a write-ahead log from its settings.
pub type WalFactory = fn(Json, BuildContext, WalOpen) -> BoxFuture<'static, Result<Arc<dyn WalSink>>>;
/// Builds an evictor from its settings.
pub type EvictorFactory = fn(&Json) -> Result<Arc<dyn Evictor>>;
/// Opens a key provider from its settings.
pub type KeyProviderFactory = fn(Json, BuildContext) -> BoxFuture<'static, Result<Arc<dyn KeyProvider>>>;

/// What a plugin is, and how it is built.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Factory {
    /// A [`Tier`].
    Tier(TierFactory),
    /// A [`Codec`].
    Codec(CodecFactory),
    /// A [`WalSink`].
    Wal(WalFactory),
    /// An [`Evictor`].
    Evictor(EvictorFactory),
    /// A [`KeyProvider`].
    KeyProvider(KeyProviderFactory),
}

impl Factory {
    /// The role in one word: `tier`, `codec`, `wal`, `evictor`, `key_provider`.
    pub fn role(&self) -> &'static str {
        match self {
            Self::Tier(_) => "tier",
            Self::Codec(_) => "codec",
            Self::Wal(_) => "wal",
            Self::Evictor(_) => "evictor",
            Self::KeyProvider(_) => "key_provider",
        }
    }
}

inventory::collect!(Plugin);

/// Ids that ship with TSDS, and the feature of `tsds-engine` that adds each.
const KNOWN: &[(&str, &str)] = &[
    ("tsds.plain", "segment"),
    ("tsds.zstd", "segment"),
    ("tsds.gorilla", "codec-gorilla"),
    ("tsds.wal.arrow", "hot"),
    ("tsds.evict.lru", "warm-cpu"),
    ("tsds.warm.cpu", "warm-cpu"),
    ("tsds.warm.cuda", "warm-cuda"),
    ("tsds.warm.wgpu", "warm-wgpu"),
    ("tsds.cold.parquet", "cold-parquet"),
];

/// The plugins that a database can use.
#[derive(Clone, Default)]
pub struct Registry {
    plugins: BTreeMap<&'static str, Plugin>,
}

impl Registry {
    /// A registry without plugins.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every plugin that linked crates submitted with [`inventory::submit!`].
    ///
    /// # Errors
    ///
    /// `Conflict` if two submitted the same id.
    pub fn from_inventory() -> Result<Self> {
        let mut registry = Self::new();
        inventory::iter::<Plugin>().try_for_each(|plugin| registry.register(*plugin))?;
        Ok(registry)
    }

    /// Adds a plugin.
    ///
    /// # Errors
    ///
    /// `Conflict` if the id is taken; `InvalidInput` if it is not `<owner>.<what>` in lower case.
    pub fn register(&mut self, plugin: Plugin) -> Result<()> {
        let well_formed =
            |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'.' | b'_' | b'-');
        if !plugin.id.contains('.') || plugin.id.len() > 64 || !plugin.id.bytes().all(well_formed) {
            return Err(Error::invalid_input(
                "plugin id must be <owner>.<what> of lower-case letters, digits, '-' and '_', at most 64 bytes",
            )
            .with("id", plugin.id));
        }
        if let Some(other) = self.plugins.get(plugin.id) {
            return Err(Error::new(ErrorKind::Conflict, "plugin id is registered already")
                .with("id", plugin.id)
                .with("registered_version", other.crate_version)
                .with("refused_version", plugin.crate_version));
        }
        self.plugins.insert(plugin.id, plugin);
        Ok(())
    }

    /// Adds every plugin of `other`.
    ///
    /// # Errors
    ///
    /// As [`Registry::register`].
    pub fn extend(&mut self, other: &Registry) -> Result<()> {
        other.plugins.values().try_for_each(|plugin| self.register(*plugin))
    }

    /// The plugin with this id.
    ///
    /// # Errors
    ///
    /// `NotFound`, listing what is registered, and saying which feature adds a known id and how another one is registered.
    pub fn get(&self, id: &str) -> Result<&Plugin> {
        self.plugins.get(id).ok_or_else(|| not_registered("plugin", id, self.plugins.keys().copied()))
    }

    /// Every plugin, by id.
    pub fn plugins(&self) -> impl Iterator<Item = &Plugin> {
        self.plugins.values()
    }

    fn wrong_role(plugin: &Plugin, wanted: &'static str) -> Error {
        Error::new(ErrorKind::ConfigInvalid, "plugin has another role")
            .with("id", plugin.id)
            .with("role", plugin.factory.role())
            .with("wanted", wanted)
    }

    /// Builds the tier `id`.
    ///
    /// # Errors
    ///
    /// `NotFound`, `ConfigInvalid` if it is no tier, and what the factory says.
    pub async fn tier(&self, id: &str, settings: Json, context: BuildContext) -> Result<Arc<dyn Tier>> {
        let plugin = *self.get(id)?;
        match plugin.factory {
            Factory::Tier(build) => {
                let tier = build(settings, context).await.map_err(|e| e.in_plugin(plugin.id))?;
                if tier.name() == plugin.id { Ok(tier) } else { Err(misnamed(&plugin, tier.name())) }
            }
            _ => Err(Self::wrong_role(&plugin, "tier")),
        }
    }

    /// Opens the write-ahead log `id`.
    ///
    /// # Errors
    ///
    /// As [`Registry::tier`].
    pub async fn wal(
        &self,
        id: &str,
        settings: Json,
        context: BuildContext,
        open: WalOpen,
    ) -> Result<Arc<dyn WalSink>> {
        let plugin = *self.get(id)?;
        match plugin.factory {
            Factory::Wal(build) => build(settings, context, open).await.map_err(|e| e.in_plugin(plugin.id)),
            _ => Err(Self::wrong_role(&plugin, "wal")),
        }
    }

    /// Builds the evictor `id`.
    ///
    /// # Errors
    ///
    /// As [`Registry::tier`].
    pub fn evictor(&self, id: &str, settings: &Json) -> Result<Arc<dyn Evictor>> {
        let plugin = self.get(id)?;
        match plugin.factory {
            Factory::Evictor(build) => build(settings).map_err(|e| e.in_plugin(plugin.id)),
            _ => Err(Self::wrong_role(plugin, "evictor")),
        }
    }

    /// Opens the key provider `id`.
    ///
    /// # Errors
    ///
    /// As [`Registry::tier`].
    pub async fn key_provider(
        &self,
        id: &str,
        settings: Json,
        context: BuildContext,
    ) -> Result<Arc<dyn KeyProvider>> {
        let plugin = *self.get(id)?;
        match plugin.factory {
            Factory::KeyProvider(build) => build(settings, context).await.map_err(|e| e.in_plugin(plugin.id)),
            _ => Err(Self::wrong_role(&plugin, "key_provider")),
        }
    }

    /// Builds every registered codec with default settings.
    ///
    /// # Errors
    ///
    /// What a factory says.
    pub fn codecs(&self) -> Result<CodecSet> {
        let mut set = CodecSet::default();
        for plugin in self.plugins.values().copied() {
            if let Factory::Codec(build) = plugin.factory {
                let codec =
                    build(&Json::Object(serde_json::Map::new())).map_err(|e| e.in_plugin(plugin.id))?;
                if codec.id() != plugin.id {
                    return Err(misnamed(&plugin, codec.id()));
                }
                set = set.with(codec)?;
            }
        }
        Ok(set)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.plugins.keys()).finish()
    }
}

/// A plugin whose value calls itself otherwise than it is registered would write what nobody finds again.
fn misnamed(plugin: &Plugin, name: &str) -> Error {
    Error::internal("plugin calls itself otherwise than it is registered")
        .with("id", plugin.id)
        .with("name", name)
}

/// Built codecs, by id.
#[derive(Clone, Debug, Default)]
pub struct CodecSet {
    codecs: BTreeMap<&'static str, Arc<dyn Codec>>,
}

impl CodecSet {
    /// Adds a codec under its own id.
    ///
    /// # Errors
    ///
    /// `Conflict` if there is one with this id.
    pub fn with(mut self, codec: Arc<dyn Codec>) -> Result<Self> {
        if self.codecs.contains_key(codec.id()) {
            return Err(Error::new(ErrorKind::Conflict, "codec id is taken already").with("id", codec.id()));
        }
        self.codecs.insert(codec.id(), codec);
        Ok(self)
    }
}

impl CodecLookup for CodecSet {
    fn codec(&self, id: &str) -> Result<Arc<dyn Codec>> {
        self.codecs.get(id).cloned().ok_or_else(|| not_registered("codec", id, self.codecs.keys().copied()))
    }
}

/// What an unknown id means to whoever reads it: a feature to enable, or a crate that nobody registered.
fn not_registered<'a>(what: &str, id: &str, registered: impl Iterator<Item = &'a str>) -> Error {
    let feature = KNOWN.iter().find(|(known, _)| *known == id).map(|(_, feature)| feature);
    let message = match feature {
        Some(_) => format!("no {what} is registered under this id"),
        None => format!(
            "no {what} is registered under this id; if it comes from a crate of its own, register that with \
             Registry::register, or start from Registry::from_inventory and write `use that_crate as _;`"
        ),
    };
    let error = Error::new(ErrorKind::NotFound, message)
        .with("id", id)
        .with("registered", registered.collect::<Vec<_>>().join(","));
    match feature {
        Some(feature) => error.with("enable_feature", feature),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_evictor(_: &Json) -> Result<Arc<dyn Evictor>> {
        Err(Error::unsupported("test"))
    }

    fn plugin(id: &'static str) -> Plugin {
        Plugin {
            id,
            crate_version: "1.2.3",
            format_version: 1,
            reads_from: 1,
            factory: Factory::Evictor(no_evictor),
            probe: || Presence::Absent("test".into()),
        }
    }

    #[test]
    fn a_duplicate_id_is_a_conflict() {
        let mut registry = Registry::new();
        registry.register(plugin("acme.a")).unwrap();
        assert_eq!(registry.register(plugin("acme.a")).unwrap_err().kind(), ErrorKind::Conflict);
    }

    #[test]
    fn an_unknown_id_lists_what_is_there_and_names_the_feature() {
        let mut registry = Registry::new();
        registry.register(plugin("acme.a")).unwrap();
        let text = registry.get("tsds.warm.cuda").unwrap_err().to_string();
        assert!(text.contains("registered=acme.a") && text.contains("enable_feature=warm-cuda"), "{text}");
    }

    #[test]
    fn an_unknown_id_of_somebody_else_says_how_its_crate_is_registered() {
        let of_registry = Registry::new().get("acme.codec").unwrap_err();
        let of_codecs = CodecSet::default().codec("acme.codec").unwrap_err();
        for text in [of_registry.to_string(), of_codecs.to_string()] {
            assert!(text.contains("Registry::register") && text.contains("`use that_crate as _;`"), "{text}");
            assert!(text.contains(" id=acme.codec registered="), "{text}");
        }
    }

    #[test]
    fn an_id_without_an_owner_is_refused() {
        for id in ["gorilla", "Acme.a", "acme a.b"] {
            assert!(Registry::new().register(plugin(id)).is_err(), "{id}");
        }
    }

    #[test]
    fn asking_for_another_role_is_a_config_error() {
        fn no_codec(_: &Json) -> Result<Arc<dyn Codec>> {
            Err(Error::unsupported("test"))
        }
        let mut registry = Registry::new();
        registry.register(Plugin { factory: Factory::Codec(no_codec), ..plugin("acme.codec") }).unwrap();
        let error = registry.evictor("acme.codec", &Json::Null).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert!(error.to_string().contains("role=codec wanted=evictor"), "{error}");
    }
}
