//! The macro that makes a test binary.

/// The `main` function of a conformance test binary (`harness = false`): every case of each trait over each backend. Also
/// makes the [`MemoryMeter`](crate::MemoryMeter) the global allocator of the binary.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use tsds_traits::{Action, Evictor, Presence, Result, TierView};
/// # #[derive(Debug)]
/// # struct Never;
/// # impl Evictor for Never {
/// #     fn name(&self) -> &'static str { "acme.evict.never" }
/// #     fn plan(&self, _: &TierView<'_>) -> Vec<Action> { Vec::new() }
/// # }
/// # struct NeverFixture;
/// # impl tsds_conformance::fixture::EvictorFixture for NeverFixture {
/// #     fn id(&self) -> String { "acme.evict.never".into() }
/// #     fn probe(&self) -> Presence { Presence::Present(String::new()) }
/// #     fn open(&self) -> Result<Arc<dyn Evictor>> { Ok(Arc::new(Never)) }
/// # }
/// tsds_conformance::conformance_main! {
///     evictors: [NeverFixture],
/// }
/// ```
///
/// The sections are `tiers`, `codecs`, `wals`, `evictors` and `key_providers`, in any order, each with any number of
/// fixtures. Anything that is a registered plugin needs no fixture of its own: `codecs: [PluginFixture::new(PLUGIN)]`.
#[macro_export]
macro_rules! conformance_main {
    ($($section:ident: [$($fixture:expr),* $(,)?]),* $(,)?) => {
        #[global_allocator]
        static MEMORY_METER: $crate::MemoryMeter = $crate::MemoryMeter;

        fn main() -> ::std::process::ExitCode {
            let suite = $crate::Suite::new();
            $($(let suite = $crate::conformance_main!(@add suite $section $fixture);)*)*
            suite.main()
        }
    };
    (@add $suite:ident tiers $fixture:expr) => { $suite.tier($fixture) };
    (@add $suite:ident codecs $fixture:expr) => { $suite.codec($fixture) };
    (@add $suite:ident wals $fixture:expr) => { $suite.wal($fixture) };
    (@add $suite:ident evictors $fixture:expr) => { $suite.evictor($fixture) };
    (@add $suite:ident key_providers $fixture:expr) => { $suite.key_provider($fixture) };
}
