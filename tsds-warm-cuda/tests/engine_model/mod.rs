//! The engine with this tier for its warm tier against the naive model of the engine's own tests: on whatever device the driver of the
//! process has.
#![allow(missing_docs, dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

// What the engine itself is tested with.
#[path = "../../../tsds-engine/tests/alter/model.rs"]
mod altered;
#[path = "../../../tsds-engine/tests/model.rs"]
pub(crate) mod model;
#[path = "../../../tsds-engine/tests/alter/table.rs"]
mod table;

use libtest_mimic::{Failed, Trial};
use model::support;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tsds_engine::config::Settings;
use tsds_traits::{Presence, Registry};
use tsds_warm_cuda::NAME;
use tsds_warm_cuda::conformance::{probe, shared_plugin};

const TRIAL: &str = "the_engine_agrees_with_the_model_through_crashes";
const ALTERED: &str = "tables_that_are_altered_agree_with_the_model_through_crashes";

/// The trials, with so many cases; without a device they are ignored, or fail if `TSDS_REQUIRE` names `id`.
pub(crate) fn trials(id: &str, cases: u32) -> [Trial; 2] {
    type Check = fn(u32) -> Result<(), Failed>;
    let trials: [(&str, Check); 2] = [(TRIAL, agrees), (ALTERED, agrees_altered)];
    trials.map(|(name, check)| match probe() {
        Presence::Present(device) => Trial::test(name, move || check(cases)).with_kind(device),
        Presence::Absent(reason) => absent(name, id, reason),
    })
}

/// A trial that cannot run here.
pub(crate) fn absent(trial: &str, id: &str, reason: String) -> Trial {
    let required = std::env::var("TSDS_REQUIRE").unwrap_or_default();
    let is_required = required.split(',').any(|wanted| wanted.trim() == id);
    let kind = format!("absent: {reason}");
    Trial::test(trial, || Err(reason.into())).with_kind(kind).with_ignored_flag(!is_required)
}

fn agrees(cases: u32) -> Result<(), Failed> {
    let config = Config { cases, max_shrink_iters: 100, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&(any::<u64>(), model::steps()), |(seed, steps)| {
        model::run(seed, &steps, setup);
        Ok(())
    });
    outcome.map_err(|error| error.to_string().into())
}

fn agrees_altered(cases: u32) -> Result<(), Failed> {
    let config = Config { cases, max_shrink_iters: 100, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&(any::<u64>(), altered::steps()), |(seed, steps)| {
        altered::run(seed, &steps, setup);
        Ok(())
    });
    outcome.map_err(|error| error.to_string().into())
}

fn setup() -> (Registry, Settings) {
    let mut settings = model::support::small();
    settings.warm_tier.backend = NAME.into();
    // Its tiers share one device.
    (registry_with(shared_plugin()), settings)
}

/// What the engine's own tests register, and this tier: the engine may be built with it or without.
pub(crate) fn registry_with(tier: tsds_traits::Plugin) -> Registry {
    let mut registry = Registry::new();
    let others = model::support::registry();
    for plugin in others.plugins().filter(|plugin| plugin.id != tier.id) {
        registry.register(*plugin).unwrap();
    }
    registry.register(tier).unwrap();
    registry
}
