//! Backends that are broken on purpose, one fault each: the suite must catch every one of them. Whoever weakens a case
//! finds a saboteur alive here.
#![allow(missing_docs, unreachable_pub, dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../reference/mod.rs"]
mod reference;

mod codec;
mod evictor;
mod key_provider;
mod lying_disk;
mod tier;
mod wal;

use tsds_conformance::{MemoryMeter, Report, Settings, Suite};

#[global_allocator]
static METER: MemoryMeter = MemoryMeter;

/// Runs one case over a suite of one backend.
fn run(suite: &Suite, case: &str) -> Report {
    let end = format!("/{case}");
    suite.execute(&Settings::default(), |trial| trial.ends_with(&end))
}

/// Fails unless the case is run and fails.
fn assert_caught(suite: Suite, case: &str) {
    let report = run(&suite, case);
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    let [backend] = &report.backends[..] else { panic!("one backend per saboteur") };
    assert_eq!(backend.executed, 1, "{case} is no case that runs: {:?}", backend.cases.get(case));
    assert_eq!(backend.failed, 1, "{case} does not catch the saboteur");
}

/// One test for each saboteur: what it does, and the case that catches it.
macro_rules! saboteurs {
    ($suite:expr; $($name:ident: $sabotage:expr => $case:ident,)*) => {$(
        #[test]
        fn $name() {
            crate::assert_caught($suite($sabotage), stringify!($case));
        }
    )*};
}
pub(crate) use saboteurs;
