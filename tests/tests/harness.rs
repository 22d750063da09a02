//! The harness itself: nothing may pass by not running.
#![allow(missing_docs, unreachable_pub, dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod reference;

use std::sync::Arc;

use tsds_conformance::claims::Claim;
use tsds_conformance::fixture::{CodecFixture, EvictorFixture, PluginFixture};
use tsds_conformance::{BackendReport, Outcome, Report, Settings, Suite};
use tsds_traits::{Codec, Error, Evictor, Factory, Plugin, Presence, Registry, Result};

use reference::evictor::{ReferenceEvictor, ReferenceEvictorFixture};

/// An evictor on a machine that the test chooses.
struct Somewhere {
    id: &'static str,
    probe: fn() -> Presence,
    open: fn() -> Result<Arc<dyn Evictor>>,
}

impl EvictorFixture for Somewhere {
    fn id(&self) -> String {
        self.id.into()
    }

    fn probe(&self) -> Presence {
        (self.probe)()
    }

    fn open(&self) -> Result<Arc<dyn Evictor>> {
        (self.open)()
    }
}

fn absent() -> Somewhere {
    Somewhere {
        id: "acme.device",
        probe: || Presence::Absent("no driver".into()),
        open: || panic!("an absent backend must not be opened"),
    }
}

fn execute(suite: &Suite, settings: &Settings) -> Report {
    suite.execute(settings, |_| true)
}

fn requiring(id: &str) -> Settings {
    Settings { required: [id.to_string()].into(), ..Settings::default() }
}

fn only(report: &Report) -> &BackendReport {
    assert_eq!(report.backends.len(), 1);
    &report.backends[0]
}

#[test]
fn an_absent_backend_is_shown_and_not_counted_as_run() {
    let report = execute(&Suite::new().evictor(absent()), &Settings::default());
    assert!(report.is_clean(), "{report:?}");
    let backend = only(&report);
    assert_eq!((backend.executed, backend.absent), (0, backend.cases.len()));
    assert_eq!(backend.absent_because.as_deref(), Some("no driver"));
    assert!(backend.cases.values().all(|outcome| *outcome == Outcome::Skipped("absent:no driver".into())));
}

#[test]
fn a_required_backend_that_is_absent_is_a_failure() {
    let report = execute(&Suite::new().evictor(absent()), &requiring("acme.device"));
    assert!(!report.is_clean());
    assert!(
        report.problems[0].contains("acme.device") && report.problems[0].contains("no driver"),
        "{report:?}"
    );
}

#[test]
fn a_required_backend_that_nobody_added_is_a_failure() {
    let report = execute(&Suite::new().evictor(ReferenceEvictorFixture), &requiring("tsds.warm.cuda"));
    assert!(!report.is_clean() && report.problems[0].contains("tsds.warm.cuda"), "{report:?}");
}

#[test]
fn a_required_backend_that_is_there_is_no_problem() {
    let report = execute(&Suite::new().evictor(ReferenceEvictorFixture), &requiring("reference.evictor"));
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(only(&report).executed, only(&report).cases.len());
}

#[test]
fn requiring_a_plugin_is_met_by_a_variant_of_it() {
    let variant = || PluginFixture::new(PLUGIN).with_settings("small", serde_json::json!({}));
    let suite = Suite::new().evictor(variant());
    assert!(execute(&suite, &requiring("reference.evictor")).is_clean());
    assert!(execute(&suite, &requiring("reference.evictor+small")).is_clean());
    assert!(!execute(&suite, &requiring("reference.evict")).is_clean());
}

#[test]
fn a_suite_without_backends_is_a_failure() {
    assert!(!execute(&Suite::new(), &Settings::default()).is_clean());
}

#[test]
fn two_backends_with_one_id_are_a_failure() {
    let suite = Suite::new().evictor(ReferenceEvictorFixture).evictor(ReferenceEvictorFixture);
    assert!(execute(&suite, &Settings::default()).problems[0].contains("is_there_once"));
}

#[test]
fn a_backend_that_does_not_open_is_one_failure_and_not_one_for_each_case() {
    let broken = Somewhere {
        id: "acme.broken",
        probe: || Presence::Present(String::new()),
        open: || Err(Error::internal("no such luck")),
    };
    let report = execute(&Suite::new().evictor(broken), &Settings::default());
    assert!(report.problems.len() == 1 && report.problems[0].contains("no such luck"), "{report:?}");
    assert_eq!(only(&report).executed, 0);
}

#[test]
fn a_probe_or_an_opening_that_panics_is_a_failure() {
    let probe = Somewhere { probe: || panic!("library is missing"), ..absent() };
    let open = Somewhere { probe: || Presence::Present("board 7".into()), ..absent() };
    for (backend, says) in [(probe, "library is missing"), (open, "must not be opened")] {
        let report = execute(&Suite::new().evictor(backend), &Settings::default());
        assert!(!report.is_clean() && report.problems[0].contains(says), "{report:?}");
    }
}

#[test]
fn a_codec_without_a_type_is_a_failure() {
    struct Nothing;
    impl CodecFixture for Nothing {
        fn id(&self) -> String {
            "acme.nothing".into()
        }
        fn probe(&self) -> Presence {
            Presence::Present(String::new())
        }
        fn open(&self) -> Result<Arc<dyn Codec>> {
            Ok(Arc::new(reference::codec::ReferenceCodec::new(tsds_traits::TypeSet::NONE)))
        }
    }
    let report = execute(&Suite::new().codec(Nothing), &Settings::default());
    assert!(
        only(&report).failures().any(|(case, _)| case == "a_codec_claims_at_least_one_type"),
        "{report:?}"
    );
}

#[test]
fn what_was_filtered_out_is_not_reported_as_run() {
    let report = Suite::new()
        .evictor(ReferenceEvictorFixture)
        .execute(&Settings::default(), |trial| trial.ends_with("an_empty_tier_gives_an_empty_plan"));
    assert!(report.filtered);
    assert_eq!(only(&report).executed, 1);
    assert!(only(&report).cases.values().filter(|outcome| **outcome == Outcome::NotRun).count() > 1);
}

#[test]
fn the_report_names_every_case_with_its_outcome() {
    let report =
        execute(&Suite::new().evictor(ReferenceEvictorFixture).evictor(absent()), &Settings::default());
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["seed"], tsds_conformance::DEFAULT_SEED);
    assert_eq!(json["backends"][0]["cases"]["the_same_view_gives_the_same_plan"], "passed");
    assert_eq!(json["backends"][1]["cases"]["the_same_view_gives_the_same_plan"], "absent:no driver");
    assert_eq!(json["backends"][1]["absent_because"], "no driver");
}

fn build(_: &serde_json::Value) -> Result<Arc<dyn Evictor>> {
    Ok(Arc::new(ReferenceEvictor))
}

const PLUGIN: Plugin = Plugin {
    id: "reference.evictor",
    crate_version: "1",
    format_version: 1,
    reads_from: 1,
    factory: Factory::Evictor(build),
    probe: || Presence::Present(String::new()),
};

#[test]
fn a_registry_is_a_suite() {
    let mut registry = Registry::new();
    registry.register(PLUGIN).unwrap();
    let report = execute(&Suite::of_registry(&registry).unwrap(), &Settings::default());
    assert!(report.is_clean() && only(&report).role == "evictor" && only(&report).executed > 0, "{report:?}");
}

#[test]
fn a_plugin_of_another_role_does_not_open() {
    let report = execute(&Suite::new().codec(PluginFixture::new(PLUGIN)), &Settings::default());
    assert!(report.problems[0].contains("another role"), "{report:?}");
}

// Evicts nothing, ever.
#[derive(Debug)]
struct Lazy;

impl Evictor for Lazy {
    fn name(&self) -> &'static str {
        "acme.lazy"
    }

    fn plan(&self, _: &tsds_traits::TierView<'_>) -> Vec<tsds_traits::Action> {
        Vec::new()
    }
}

fn lazy() -> Somewhere {
    Somewhere { id: "acme.lazy", probe: || Presence::Present(String::new()), open: || Ok(Arc::new(Lazy)) }
}

#[test]
fn the_same_seed_finds_the_same_failure() {
    let failures = |seed| {
        let report = execute(&Suite::new().evictor(lazy()), &Settings { seed, ..Settings::default() });
        only(&report).failures().map(|(_, why)| why.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(failures(1), failures(1));
    assert!(!failures(1).is_empty());
}

#[test]
fn nothing_is_run_after_the_first_failure_if_asked_so() {
    let failures = |fail_fast| {
        let settings = Settings { fail_fast, ..Settings::default() };
        let report = execute(&Suite::new().evictor(lazy()), &settings);
        assert!(!report.is_clean());
        let not_run = only(&report).cases.values().filter(|outcome| **outcome == Outcome::NotRun).count();
        (only(&report).failed, not_run > 0)
    };
    assert_eq!(failures(true), (1, true));
    assert!(failures(false).0 > 1 && !failures(false).1);
}

#[test]
fn a_tier_that_lost_an_expected_claim_is_a_failure() {
    let [tier, _] = tsds_warm_cpu::plugins();
    let limited =
        || PluginFixture::new(tier).with_settings("limited", serde_json::json!({"max_memory_mb": 1}));
    let expecting =
        |claim| Suite::new().tier(limited().expecting(claim)).execute(&Settings::default(), |_| false);
    assert!(expecting(Claim::Room).problems.is_empty());
    assert!(expecting(Claim::Power).problems[0].contains("does not claim durability_power"));
}
