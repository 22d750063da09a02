//! Tiers against each other: the same random tables, segments and queries go to several tiers, whose answers must be the same
//! to the bit.
//!
//! The cases of the suite hold a tier to a model that is plain and slow. What tiers answer to each other costs no model, so
//! that far more inputs can be tried in the same time, for as long as somebody likes to wait.
//!
//! ```no_run
//! # use tsds_conformance::fixture::PluginFixture;
//! # fn fixtures(mine: PluginFixture, known: PluginFixture) {
//! let report = tsds_conformance::against::Against::new(known).subject(mine).run(1, 10_000, |_| true);
//! assert!(report.is_clean(), "{report}");
//! # }
//! ```
//!
//! Compared are the schema of batches, the rows of scans in their order with the bits of every value, and the merged states of
//! aggregates, of which finished values are a function. Borders of batches, offsets and the layout of dictionaries may differ, as
//! the contract of [`tsds_traits::ScanRequest`] says. The same rows cut into other segments must give the same rows and, but
//! for where `first` and `last` stand, the same aggregates. What not all of the tiers claim is not asked for.

mod answer;
mod compare;
mod input;
mod report;
mod shrink;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tsds_traits::{Presence, panic_text};

use crate::fixture::TierFixture;
use crate::property::draw;
use crate::{CaseResult, Failure};
use input::Input;
use shrink::shrink;

pub use report::{AgainstReport, Difference, Tally, TierReport};

/// How many smaller inputs are tried once an answer differs.
const SHRINKING_STEPS: u32 = 400;

/// By how much the seeds of one input and the next differ.
const SEED_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Tiers that must give the same answers.
pub struct Against {
    /// The reference first.
    tiers: Vec<Arc<dyn TierFixture>>,
}

impl Against {
    /// Holds tiers to the answers of this one.
    pub fn new(reference: impl TierFixture) -> Self {
        Self { tiers: vec![Arc::new(reference)] }
    }

    /// Adds a tier that is held to the reference's answers.
    #[must_use]
    pub fn subject(mut self, subject: impl TierFixture) -> Self {
        self.tiers.push(Arc::new(subject));
        self
    }

    /// Tries up to `inputs` inputs, or fewer if `go_on`, which sees before each of them what was done so far, says no.
    ///
    /// Input `n` has a seed of its own that depends on `seed` and `n`, and for input 0 is `seed`: whatever differs is shown
    /// with the seed that makes it the first input. Stops at the first difference. A run whose tiers are not all present compares nothing, and
    /// neither passes nor fails: see [`AgainstReport::absent`].
    pub fn run(&self, seed: u64, inputs: u32, mut go_on: impl FnMut(&Tally) -> bool) -> AgainstReport {
        let mut report = AgainstReport::new(seed, self.tiers.iter().map(|tier| described(&**tier)).collect());
        if report.absent().next().is_some() {
            return report;
        }
        while report.tally.inputs < u64::from(inputs) && go_on(&report.tally) {
            let seed = seed.wrapping_add(report.tally.inputs.wrapping_mul(SEED_STEP));
            match self.one(seed) {
                Ok(compared) => report.tally.add(&compared),
                Err(failure) => {
                    report.tally.inputs += 1;
                    report.difference = Some(Difference { seed, what: failure.to_string() });
                    break;
                }
            }
        }
        report
    }

    /// Compares what the tiers say to one input, and makes it small if they do not agree.
    fn one(&self, seed: u64) -> CaseResult<Tally> {
        let compared = |input: &Input| {
            let compare = AssertUnwindSafe(|| compare::compare(&self.tiers, seed, input));
            let panicked =
                |panic: Box<dyn Any + Send>| Failure::new(format!("panicked: {}", panic_text(&*panic)));
            catch_unwind(compare).unwrap_or_else(|panic| Err(panicked(panic)))
        };
        let input = draw(seed, &input::inputs())?;
        compared(&input).map_err(|failure| {
            let (input, failure) = shrink(input, failure, SHRINKING_STEPS, |input| compared(input).err());
            Failure::new(format!("{failure}\n  smallest failing input: {input:?}"))
        })
    }
}

fn described(tier: &dyn TierFixture) -> TierReport {
    let presence = catch_unwind(AssertUnwindSafe(|| tier.probe()))
        .unwrap_or_else(|panic| Presence::Absent(format!("its probe panics: {}", panic_text(&*panic))));
    let (device, absent_because) = match presence {
        Presence::Present(device) if device.is_empty() => (None, None),
        Presence::Present(device) => (Some(device), None),
        Presence::Absent(why) => (None, Some(why)),
    };
    TierReport { backend: tier.id(), device, absent_because }
}
