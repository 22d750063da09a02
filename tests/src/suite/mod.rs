//! The suite: backends, and the cases of each.

mod execute;
mod harness;
mod report;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tsds_traits::{Factory, Plugin, Presence, Registry, panic_text};

use crate::case::{Bench, Case};
use crate::cases;
use crate::claims::{Claims, Skip};
use crate::fixture::{
    CodecFixture, EvictorFixture, KeyProviderFixture, PluginFixture, TierFixture, WalFixture,
};
use crate::{CaseResult, Failure, Settings};

pub use report::{BackendReport, Outcome, Report};

/// The backends of a run. Every case of a trait reaches every backend of it: there is nothing to list.
#[derive(Default)]
pub struct Suite {
    backends: Vec<Backend>,
    /// How many inputs a property is tried with, where the environment does not say.
    inputs: Option<u32>,
}

/// One backend with its cases.
struct Backend {
    role: &'static str,
    id: String,
    /// Its device, or why it is absent.
    presence: Presence,
    /// What it claims, if it can be opened.
    claims: Result<Claims, Failure>,
    cases: Vec<PreparedCase>,
}

struct PreparedCase {
    name: &'static str,
    skip: Option<Skip>,
    body: Arc<dyn Fn(&Settings) -> CaseResult + Send + Sync>,
}

impl Suite {
    /// Without backends.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tries each property with so many inputs unless `TSDS_CASES` says how many: for backends that are slow.
    #[must_use]
    pub fn with_inputs(self, inputs: u32) -> Self {
        Self { inputs: Some(inputs), ..self }
    }

    /// Every plugin of a registry, with default settings; tiers and logs find the registry's codecs.
    ///
    /// # Errors
    ///
    /// If a codec cannot be built.
    pub fn of_registry(registry: &Registry) -> tsds_traits::Result<Self> {
        let codecs = Arc::new(registry.codecs()?);
        let fixture = |plugin: &Plugin| PluginFixture::new(*plugin).with_codecs(codecs.clone());
        Ok(registry.plugins().map(fixture).fold(Self::new(), Self::plugin))
    }

    /// Adds a plugin, whatever its role.
    #[must_use]
    pub fn plugin(self, fixture: PluginFixture) -> Self {
        match fixture.plugin().factory {
            Factory::Tier(_) => self.tier(fixture),
            Factory::Codec(_) => self.codec(fixture),
            Factory::Wal(_) => self.wal(fixture),
            Factory::Evictor(_) => self.evictor(fixture),
            Factory::KeyProvider(_) => self.key_provider(fixture),
            _ => self,
        }
    }

    /// Only the backends of this plugin id, variants included.
    #[must_use]
    pub fn only(mut self, id: &str) -> Self {
        self.backends.retain(|backend| backend.is(id));
        self
    }

    /// Role and name of every backend.
    pub fn backends(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.backends.iter().map(|backend| (backend.role, backend.id.as_str()))
    }

    /// How many cases apply to the backends that are here.
    pub fn applicable_cases(&self) -> usize {
        self.backends.iter().flat_map(|backend| &backend.cases).filter(|case| case.runs()).count()
    }

    /// Adds a tier.
    #[must_use]
    pub fn tier(self, fixture: impl TierFixture) -> Self {
        let fixture: Arc<dyn TierFixture> = Arc::new(fixture);
        let (id, presence) = (fixture.id(), probed(|| fixture.probe()));
        self.backend("tier", id, presence, &fixture, cases::tier::claims, cases::tier::cases())
    }

    /// Adds a codec.
    #[must_use]
    pub fn codec(self, fixture: impl CodecFixture) -> Self {
        let fixture: Arc<dyn CodecFixture> = Arc::new(fixture);
        let (id, presence) = (fixture.id(), probed(|| fixture.probe()));
        self.backend("codec", id, presence, &fixture, cases::codec::claims, cases::codec::cases())
    }

    /// Adds a write-ahead log.
    #[must_use]
    pub fn wal(self, fixture: impl WalFixture) -> Self {
        let fixture: Arc<dyn WalFixture> = Arc::new(fixture);
        let (id, presence) = (fixture.id(), probed(|| fixture.probe()));
        self.backend("wal", id, presence, &fixture, cases::wal::claims, cases::wal::cases())
    }

    /// Adds an evictor.
    #[must_use]
    pub fn evictor(self, fixture: impl EvictorFixture) -> Self {
        let fixture: Arc<dyn EvictorFixture> = Arc::new(fixture);
        let (id, presence) = (fixture.id(), probed(|| fixture.probe()));
        self.backend("evictor", id, presence, &fixture, cases::evictor::claims, cases::evictor::cases())
    }

    /// Adds a key provider.
    #[must_use]
    pub fn key_provider(self, fixture: impl KeyProviderFixture) -> Self {
        let fixture: Arc<dyn KeyProviderFixture> = Arc::new(fixture);
        let (id, presence) = (fixture.id(), probed(|| fixture.probe()));
        let (claims, cases) = (cases::key_provider::claims, cases::key_provider::cases());
        self.backend("key_provider", id, presence, &fixture, claims, cases)
    }

    fn backend<F: ?Sized + Send + Sync + 'static>(
        mut self,
        role: &'static str,
        id: String,
        presence: Result<Presence, Failure>,
        fixture: &Arc<F>,
        claims_of: fn(&F) -> CaseResult<Claims>,
        cases: Vec<Case<F>>,
    ) -> Self {
        let (presence, claims) = match presence {
            Ok(Presence::Present(device)) => (Presence::Present(device), guarded(|| claims_of(fixture))),
            Ok(absent) => (absent, Ok(Claims::default())),
            Err(failure) => (Presence::Absent("its probe fails".into()), Err(failure)),
        };
        let prepare = |case: Case<F>| {
            let (fixture, known) = (fixture.clone(), claims.clone().unwrap_or_default());
            let skip = match (&presence, &claims) {
                (Presence::Absent(why), _) => Some(Skip::Absent(why.clone())),
                (_, Err(_)) => Some(Skip::Absent("it does not open".into())),
                (_, Ok(claims)) => claims.skip(case.needs),
            };
            let body = move |settings: &Settings| {
                let bench = Bench::new(fixture.clone(), known.clone(), settings, case.name);
                guarded(|| (case.body)(&bench))
            };
            PreparedCase { name: case.name, skip, body: Arc::new(body) }
        };
        let cases = cases.into_iter().map(prepare).collect();
        self.backends.push(Backend { role, id, presence, claims, cases });
        self
    }
}

fn probed(probe: impl FnOnce() -> Presence) -> Result<Presence, Failure> {
    guarded(|| Ok(probe())).map_err(|failure| failure.during("probing"))
}

/// A panic is a failure like any other.
fn guarded<T>(body: impl FnOnce() -> CaseResult<T>) -> CaseResult<T> {
    catch_unwind(AssertUnwindSafe(body))
        .unwrap_or_else(|panic| Err(Failure::new(format!("panicked: {}", panic_text(&*panic)))))
}
