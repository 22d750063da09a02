//! The tier on the simulator against `tsds.warm.cpu`, with random tables and queries: `TSDS_SEED` and `TSDS_CASES` as for the suite.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use tsds_conformance::Settings;
use tsds_conformance::against::Against;
use tsds_conformance::fixture::{PluginFixture, TierFixture};
use tsds_traits::Factory;

/// Inputs cost little here: there is no model to ask.
const INPUTS_PER_CASE: u32 = 4;
const NAME: &str = "CUDA (simulated) against tsds.warm.cpu";

fn agrees(settings: &Settings) -> Result<(), Failed> {
    let is_tier = |fixture: &PluginFixture| matches!(fixture.plugin().factory, Factory::Tier(_));
    let reference = tsds_warm_cpu::conformance::fixtures().into_iter().find(is_tier).unwrap();
    let against = Against::new(Arc::new(reference) as Arc<dyn TierFixture>);
    let tiers = tsds_warm_cuda::conformance::fixtures().into_iter();
    let against = tiers.map(|tier| Arc::new(tier) as Arc<dyn TierFixture>).fold(against, Against::subject);
    let report = against.run(settings.seed, settings.inputs.saturating_mul(INPUTS_PER_CASE), |_| true);
    if report.is_clean() { Ok(()) } else { Err(Failed::from(report.to_string())) }
}

fn main() -> ExitCode {
    let settings = Settings::read(|name| std::env::var(name).ok(), || u64::from(std::process::id())).unwrap();
    let trial = match support::simulator() {
        Ok(_) => Trial::test(NAME, move || agrees(&settings)),
        Err(error) => {
            Trial::test(NAME, || Ok(())).with_kind(format!("absent: {error}")).with_ignored_flag(true)
        }
    };
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}
