//! The engine with the GPU tier for its warm tier against the naive model, on whatever adapter there is.
#![allow(missing_docs, dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "alter/model.rs"]
mod altered;
#[path = "model.rs"]
mod model;
#[path = "alter/table.rs"]
mod table;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use model::support;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tsds_engine::config::Settings;
use tsds_traits::{Presence, Registry};
use tsds_warm_wgpu::conformance::{probe, shared_plugin};

const NAME: &str = "the_engine_agrees_with_the_model_on_tsds.warm.wgpu";
const ALTERED: &str = "tables_that_are_altered_agree_with_the_model_on_tsds.warm.wgpu";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    type Check = fn() -> Result<(), libtest_mimic::Failed>;
    let trials: [(&str, Check); 2] = [(NAME, agrees), (ALTERED, agrees_altered)];
    let trials = trials.map(|(name, check)| match probe() {
        Presence::Present(adapter) => Trial::test(name, check).with_kind(adapter),
        Presence::Absent(reason) => {
            Trial::test(name, || Ok(())).with_kind(format!("absent: {reason}")).with_ignored_flag(true)
        }
    });
    libtest_mimic::run(&arguments, trials.into()).exit_code()
}

fn agrees_altered() -> Result<(), libtest_mimic::Failed> {
    let config = Config { cases: 48, max_shrink_iters: 100, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&(any::<u64>(), altered::steps()), |(seed, steps)| {
        altered::run(seed, &steps, setup);
        Ok(())
    });
    outcome.map_err(|error| error.to_string().into())
}

fn agrees() -> Result<(), libtest_mimic::Failed> {
    let config = Config { cases: 48, max_shrink_iters: 100, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&(any::<u64>(), model::steps()), |(seed, steps)| {
        model::run(seed, &steps, setup);
        Ok(())
    });
    outcome.map_err(|error| error.to_string().into())
}

fn setup() -> (Registry, Settings) {
    // The engine may be built with the plugin or without: here its tiers share one device.
    let mut registry = Registry::new();
    let others = model::support::registry();
    for plugin in others.plugins().filter(|plugin| plugin.id != tsds_warm_wgpu::NAME) {
        registry.register(*plugin).unwrap();
    }
    registry.register(shared_plugin()).unwrap();
    let mut settings = model::support::small();
    settings.warm_tier.backend = tsds_warm_wgpu::NAME.into();
    (registry, settings)
}
