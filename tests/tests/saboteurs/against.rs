//! Tiers that answer wrongly, held to one that does not: the comparison must find them, and show how to find them again.

use libtest_mimic::{Failed, Trial};
use tsds_conformance::DEFAULT_SEED;
use tsds_conformance::against::{Against, AgainstReport};

use crate::answers::{Fixture, Sabotage};
use crate::reference;

/// Every one of these is found within so many inputs.
const INPUTS: u32 = 400;

fn compare(sabotage: Sabotage, seed: u64, inputs: u32) -> AgainstReport {
    Against::new(reference::tier::volatile()).subject(Fixture(sabotage)).run(seed, inputs, |_| true)
}

/// Fails unless a difference is found, made small, and found again with its seed alone.
fn found(sabotage: Sabotage) -> Result<(), Failed> {
    let report = compare(sabotage, DEFAULT_SEED, INPUTS);
    let Some(difference) = &report.difference else { return Err(format!("alive: {report}").into()) };
    if report.is_clean() || !report.to_string().contains(&format!("seed {:#x}", difference.seed)) {
        return Err(format!("the report does not say how to repeat it: {report}").into());
    }
    let rows = difference.what.lines().filter(|line| line.trim_start().starts_with("[Some(")).count();
    if rows > 12 {
        return Err(format!("the input is not small: {}", difference.what).into());
    }
    let again = compare(sabotage, difference.seed, 1);
    if again.difference.as_ref() != Some(difference) {
        return Err(format!("its seed gives something else: {again}").into());
    }
    Ok(())
}

pub fn trials() -> Vec<Trial> {
    let broken = [
        Sabotage::ClosesUpperBounds,
        Sabotage::LetsNanMatchGreater,
        Sabotage::LimitsTheFirstSegmentOnly,
        Sabotage::RoundsSums,
    ];
    let sound = Trial::test("against/the_twin_without_a_fault", || {
        let report = compare(Sabotage::None, DEFAULT_SEED, 60);
        let complete = report.is_clean() && report.tally.scans > 0 && report.tally.aggregates > 0;
        if complete { Ok(()) } else { Err(report.to_string().into()) }
    });
    let trial = |sabotage| Trial::test(format!("against/{sabotage:?}"), move || found(sabotage));
    std::iter::once(sound).chain(broken.map(trial)).collect()
}
