//! The tiers that ship with TSDS against each other, with random tables and queries: `TSDS_SEED`, `TSDS_CASES` and `TSDS_REQUIRE`
//! as for the suite. A tier that cannot run here is shown as ignored, with the reason.
#![allow(missing_docs)]

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use tsds_conformance::Settings;
use tsds_conformance::against::Against;
use tsds_conformance::fixture::{PluginFixture, TierFixture};
use tsds_traits::{Factory, Presence};

/// Inputs cost little here: there is no model to ask.
const INPUTS_PER_CASE: u32 = 4;

fn tiers(fixtures: Vec<PluginFixture>) -> Vec<Arc<dyn TierFixture>> {
    let tiers = fixtures.into_iter().filter(|fixture| matches!(fixture.plugin().factory, Factory::Tier(_)));
    tiers.map(|fixture| Arc::new(fixture) as Arc<dyn TierFixture>).collect()
}

fn trial(id: &str, subjects: Vec<Arc<dyn TierFixture>>, settings: &Settings) -> Trial {
    let absent = subjects.iter().find_map(|subject| match subject.probe() {
        Presence::Absent(why) => Some(why),
        Presence::Present(_) => None,
    });
    let (seed, inputs) = (settings.seed, settings.inputs.saturating_mul(INPUTS_PER_CASE));
    let required = settings.required.contains(id);
    let trial = Trial::test(format!("{id} against tsds.warm.cpu"), move || {
        let reference = tiers(tsds_warm_cpu::conformance::fixtures()).swap_remove(0);
        let against = subjects.into_iter().fold(Against::new(reference), Against::subject);
        let report = against.run(seed, inputs, |_| true);
        if report.is_clean() { Ok(()) } else { Err(Failed::from(report.to_string())) }
    });
    match absent {
        Some(why) => trial.with_kind(format!("absent:{why}")).with_ignored_flag(!required),
        None => trial,
    }
}

fn main() -> ExitCode {
    let settings = match Settings::read(|name| std::env::var(name).ok(), || u64::from(std::process::id())) {
        Ok(settings) => settings,
        Err(failure) => {
            let wrong = Trial::test("settings", move || Err(Failed::from(failure.to_string())));
            return libtest_mimic::run(&Arguments::from_args(), vec![wrong]).exit_code();
        }
    };
    let wgpu = tsds_warm_wgpu::conformance::fixtures();
    let wgpu = wgpu.into_iter().map(|fixture| Arc::new(fixture) as Arc<dyn TierFixture>).collect();
    let cuda = tsds_warm_cuda::conformance::fixtures();
    let cuda = cuda.into_iter().map(|fixture| Arc::new(fixture) as Arc<dyn TierFixture>).collect();
    let trials = vec![
        trial("tsds.warm.cuda", cuda, &settings),
        trial("tsds.warm.wgpu", wgpu, &settings),
        trial("tsds.cold.parquet", tiers(tsds_cold_parquet::conformance::fixtures()), &settings),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
