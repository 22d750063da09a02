//! Fixtures: how the suite gets at a backend. They say how to open it and nothing of what it can do: that, the backend
//! itself claims.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tsds_traits::{
    BuildContext, Codec, CodecLookup, CodecSet, DatabaseId, Error, ErrorKind, Evictor, Factory, KeyProvider,
    Plugin, Presence, Result, Tier, TypeSet, WalOpen, WalSink, World,
};

use crate::claims::Claim;
use crate::data::CellCodec;
use crate::data::frozen::FrozenBlock;

/// Opens a tier.
#[async_trait]
pub trait TierFixture: Send + Sync + 'static {
    /// The name of the backend in trials and reports: its plugin id, with something behind it if one plugin is run in
    /// several ways.
    fn id(&self) -> String;

    /// Whether the backend can run on this machine. Asked once.
    fn probe(&self) -> Presence;

    /// Opens the tier. Opening again with the same directory of the same world is what reopening a database is. Where
    /// segments come as encoded blocks, their codec is found in the context and nowhere else.
    ///
    /// # Errors
    ///
    /// Any: the suite reports it.
    async fn open(&self, context: BuildContext) -> Result<Arc<dyn Tier>>;

    /// What the tier must claim as it is opened here. A claim that is lost unnoticed takes its cases with it: a setting that
    /// is ignored, say. Default: nothing.
    fn expected_claims(&self) -> Vec<Claim> {
        Vec::new()
    }

    /// Whether the tier keeps what it stores outside of the machine that it runs on, on a server say: then cases about faults
    /// of the machine's disk do not apply. Default: no.
    fn stores_elsewhere(&self) -> bool {
        false
    }
}

#[async_trait]
impl<F: TierFixture + ?Sized> TierFixture for Arc<F> {
    fn id(&self) -> String {
        (**self).id()
    }

    fn probe(&self) -> Presence {
        (**self).probe()
    }

    async fn open(&self, context: BuildContext) -> Result<Arc<dyn Tier>> {
        (**self).open(context).await
    }

    fn expected_claims(&self) -> Vec<Claim> {
        (**self).expected_claims()
    }

    fn stores_elsewhere(&self) -> bool {
        (**self).stores_elsewhere()
    }
}

/// Builds a codec.
pub trait CodecFixture: Send + Sync + 'static {
    /// As [`TierFixture::id`].
    fn id(&self) -> String;

    /// As [`TierFixture::probe`].
    fn probe(&self) -> Presence;

    /// Builds the codec.
    ///
    /// # Errors
    ///
    /// Any: the suite reports it.
    fn open(&self) -> Result<Arc<dyn Codec>>;

    /// Blocks of every format version that a release wrote, and blocks that the format rules out. Written bytes are for
    /// ever, and only bytes that are kept can show that they still mean what they meant. Default: none, and the cases that
    /// need some are shown as unsupported.
    fn frozen_blocks(&self) -> Vec<FrozenBlock> {
        Vec::new()
    }
}

/// Opens a write-ahead log.
#[async_trait]
pub trait WalFixture: Send + Sync + 'static {
    /// As [`TierFixture::id`].
    fn id(&self) -> String;

    /// As [`TierFixture::probe`].
    fn probe(&self) -> Presence;

    /// Opens the log in the context's directory, new or as an earlier one left it.
    ///
    /// # Errors
    ///
    /// Any: the suite reports it.
    async fn open(&self, context: BuildContext, open: WalOpen) -> Result<Arc<dyn WalSink>>;
}

/// Builds an evictor.
pub trait EvictorFixture: Send + Sync + 'static {
    /// As [`TierFixture::id`].
    fn id(&self) -> String;

    /// As [`TierFixture::probe`].
    fn probe(&self) -> Presence;

    /// Builds the evictor.
    ///
    /// # Errors
    ///
    /// Any: the suite reports it.
    fn open(&self) -> Result<Arc<dyn Evictor>>;
}

/// Opens a key provider.
#[async_trait]
pub trait KeyProviderFixture: Send + Sync + 'static {
    /// As [`TierFixture::id`].
    fn id(&self) -> String;

    /// As [`TierFixture::probe`].
    fn probe(&self) -> Presence;

    /// Opens the provider. Opening again with the same directory of the same world finds the same keys.
    ///
    /// # Errors
    ///
    /// Any: the suite reports it.
    async fn open(&self, context: BuildContext) -> Result<Arc<dyn KeyProvider>>;
}

/// What the suite opens backends with: a directory of their own in a simulated world, and the codec of generated segments.
pub(crate) fn build_context(world: World) -> BuildContext {
    build_context_in(world, PathBuf::from("/database/plugin"))
}

/// As [`build_context`], in another directory.
pub(crate) fn build_context_in(world: World, directory: PathBuf) -> BuildContext {
    let codecs = Arc::new(SuiteCodecs { others: None });
    BuildContext::new(world, DatabaseId(*b"tsds-conformance"), directory, codecs)
}

/// The codec of generated segments, and others behind it.
#[derive(Clone, Debug)]
struct SuiteCodecs {
    others: Option<Arc<dyn CodecLookup>>,
}

impl CodecLookup for SuiteCodecs {
    fn codec(&self, id: &str) -> Result<Arc<dyn Codec>> {
        match &self.others {
            _ if id == CellCodec::ID => Ok(Arc::new(CellCodec::new(TypeSet::ALL))),
            Some(others) => others.codec(id),
            None => CodecSet::default().codec(id),
        }
    }
}

/// The fixture of anything that is a registered [`Plugin`]: opened by its own factory, as the engine opens it.
#[derive(Clone, Debug)]
pub struct PluginFixture {
    plugin: Plugin,
    variant: Option<String>,
    settings: serde_json::Value,
    codecs: Option<Arc<dyn CodecLookup>>,
    frozen: Vec<FrozenBlock>,
    expected: Vec<Claim>,
}

impl PluginFixture {
    /// A plugin with its default settings.
    pub fn new(plugin: Plugin) -> Self {
        let settings = serde_json::Value::Object(serde_json::Map::new());
        Self { plugin, variant: None, settings, codecs: None, frozen: Vec::new(), expected: Vec::new() }
    }

    /// Runs the plugin with these settings, as `<id>+<variant>`.
    #[must_use]
    pub fn with_settings(self, variant: impl Into<String>, settings: serde_json::Value) -> Self {
        Self { variant: Some(variant.into()), settings, ..self }
    }

    /// Lets the plugin find these codecs.
    #[must_use]
    pub fn with_codecs(self, codecs: Arc<dyn CodecLookup>) -> Self {
        Self { codecs: Some(codecs), ..self }
    }

    /// Fails the run unless the tier claims this as well: see [`TierFixture::expected_claims`].
    #[must_use]
    pub fn expecting(mut self, claim: Claim) -> Self {
        self.expected.push(claim);
        self
    }

    /// Holds the codec to these blocks: see [`CodecFixture::frozen_blocks`].
    #[must_use]
    pub fn with_frozen_blocks(self, frozen: Vec<FrozenBlock>) -> Self {
        Self { frozen, ..self }
    }

    /// The plugin.
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    fn name(&self) -> String {
        match &self.variant {
            None => self.plugin.id.into(),
            Some(variant) => format!("{}+{variant}", self.plugin.id),
        }
    }

    fn context(&self, mut context: BuildContext) -> BuildContext {
        if let Some(codecs) = &self.codecs {
            context.codecs = Arc::new(SuiteCodecs { others: Some(codecs.clone()) });
        }
        context
    }

    fn wrong_role(&self, wanted: &'static str) -> Error {
        Error::new(ErrorKind::ConfigInvalid, "plugin has another role")
            .with("id", self.plugin.id)
            .with("role", self.plugin.factory.role())
            .with("wanted", wanted)
    }
}

#[async_trait]
impl TierFixture for PluginFixture {
    fn id(&self) -> String {
        self.name()
    }

    fn probe(&self) -> Presence {
        (self.plugin.probe)()
    }

    async fn open(&self, context: BuildContext) -> Result<Arc<dyn Tier>> {
        match self.plugin.factory {
            Factory::Tier(build) => build(self.settings.clone(), self.context(context)).await,
            _ => Err(self.wrong_role("tier")),
        }
    }

    fn expected_claims(&self) -> Vec<Claim> {
        self.expected.clone()
    }
}

impl CodecFixture for PluginFixture {
    fn id(&self) -> String {
        self.name()
    }

    fn probe(&self) -> Presence {
        (self.plugin.probe)()
    }

    fn open(&self) -> Result<Arc<dyn Codec>> {
        match self.plugin.factory {
            Factory::Codec(build) => build(&self.settings),
            _ => Err(self.wrong_role("codec")),
        }
    }

    fn frozen_blocks(&self) -> Vec<FrozenBlock> {
        self.frozen.clone()
    }
}

#[async_trait]
impl WalFixture for PluginFixture {
    fn id(&self) -> String {
        self.name()
    }

    fn probe(&self) -> Presence {
        (self.plugin.probe)()
    }

    async fn open(&self, context: BuildContext, open: WalOpen) -> Result<Arc<dyn WalSink>> {
        match self.plugin.factory {
            Factory::Wal(build) => build(self.settings.clone(), self.context(context), open).await,
            _ => Err(self.wrong_role("wal")),
        }
    }
}

impl EvictorFixture for PluginFixture {
    fn id(&self) -> String {
        self.name()
    }

    fn probe(&self) -> Presence {
        (self.plugin.probe)()
    }

    fn open(&self) -> Result<Arc<dyn Evictor>> {
        match self.plugin.factory {
            Factory::Evictor(build) => build(&self.settings),
            _ => Err(self.wrong_role("evictor")),
        }
    }
}

#[async_trait]
impl KeyProviderFixture for PluginFixture {
    fn id(&self) -> String {
        self.name()
    }

    fn probe(&self) -> Presence {
        (self.plugin.probe)()
    }

    async fn open(&self, context: BuildContext) -> Result<Arc<dyn KeyProvider>> {
        match self.plugin.factory {
            Factory::KeyProvider(build) => build(self.settings.clone(), self.context(context)).await,
            _ => Err(self.wrong_role("key_provider")),
        }
    }
}
