//! Backends that are broken on purpose, one fault each: the suite must catch every one of them. Whoever weakens a case
//! finds a saboteur alive here. Each trial shows the fault and the case that must catch it.
#![allow(missing_docs, unreachable_pub, dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../reference/mod.rs"]
mod reference;

mod against;
mod answers;
mod codec;
mod evictor;
mod key_provider;
mod lying_disk;
mod tier;
mod wal;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed};
use tsds_conformance::{MemoryMeter, Outcome, Report, Settings, Suite};

#[global_allocator]
static METER: MemoryMeter = MemoryMeter;

/// Runs one case over a suite of one backend.
fn run(suite: &Suite, case: &str) -> Report {
    let end = format!("/{case}");
    suite.execute(&Settings::default(), |trial| trial.ends_with(&end))
}

/// Fails unless the case is run and fails.
fn caught(suite: &Suite, case: &str) -> Result<(), Failed> {
    let report = run(suite, case);
    let [backend] = &report.backends[..] else { return Err("one backend per saboteur".into()) };
    match (&report.problems[..], backend.executed, backend.failed) {
        ([], 1, 1) => Ok(()),
        ([], 1, _) => Err("alive: the case does not catch it".into()),
        (problems, ..) => {
            Err(format!("the case does not run: {:?}, {problems:?}", backend.cases.get(case)).into())
        }
    }
}

/// Fails unless every case that applies passes: what a saboteur is made of is sound.
fn sound(suite: &Suite) -> Result<(), Failed> {
    let report = suite.execute(&Settings::default(), |_| true);
    let failed = |(case, outcome): (&String, &Outcome)| match outcome {
        Outcome::Failed(why) => Some(format!("{case}: {why}")),
        _ => None,
    };
    let failures: Vec<String> =
        report.backends.iter().flat_map(|backend| backend.cases.iter().filter_map(failed)).collect();
    if report.is_clean() {
        Ok(())
    } else {
        Err(format!("{:?} {}", report.problems, failures.join("\n")).into())
    }
}

/// A trial for each saboteur, showing the case that catches it, and one for the twin that has no fault.
macro_rules! saboteurs {
    ($role:literal, $suite:expr, twin $none:expr; $($name:ident: $sabotage:expr => $case:ident,)*) => {
        pub fn trials() -> Vec<libtest_mimic::Trial> {
            vec![
                libtest_mimic::Trial::test(concat!($role, "/the_twin_without_a_fault"), || {
                    crate::sound(&$suite($none))
                })
                .with_kind("passes every case"),
                $(libtest_mimic::Trial::test(concat!($role, "/", stringify!($name)), || {
                    crate::caught(&$suite($sabotage), stringify!($case))
                })
                .with_kind(concat!("caught by ", stringify!($case))),)*
            ]
        }
    };
}
pub(crate) use saboteurs;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = [
        tier::trials(),
        answers::trials(),
        against::trials(),
        codec::trials(),
        wal::trials(),
        evictor::trials(),
        key_provider::trials(),
    ];
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit_code()
}
