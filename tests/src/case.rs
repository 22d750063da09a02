//! Cases, and what they work with.

use std::future::Future;
use std::sync::Arc;

use proptest::strategy::Strategy;
use tsds_io::{SimWorld, Survival};
use tsds_traits::BuildContext;

use crate::CaseResult;
use crate::claims::{Claims, Need};
use crate::fixture::build_context;
use crate::property::{SHRINKING_STEPS, for_all_shrinking};
use crate::settings::Settings;

pub use crate::real_machine::RealMachine;

/// One line of a trait's contract, as a check that every backend of the trait goes through.
pub struct Case<F: ?Sized> {
    /// A sentence, in snake case.
    pub name: &'static str,
    /// What a backend must claim, or not claim, for the case to apply.
    pub needs: &'static [Need],
    /// The check.
    pub body: fn(&Bench<F>) -> CaseResult,
}

/// A backend on the test bench.
pub struct Bench<F: ?Sized> {
    /// Opens it.
    pub fixture: Arc<F>,
    /// What it claims.
    pub claims: Claims,
    /// The seed of what the case generates.
    pub seed: u64,
    /// How many inputs a property is tried with.
    pub inputs: u32,
    /// How many smaller inputs are tried once one fails.
    shrinking_steps: u32,
}

impl<F: ?Sized> Bench<F> {
    /// The bench of one case.
    pub(crate) fn new(fixture: Arc<F>, claims: Claims, settings: &Settings, case: &str) -> Self {
        let shrinking_steps = if settings.fail_fast { 0 } else { SHRINKING_STEPS };
        Self { fixture, claims, seed: settings.seed_of(case), inputs: settings.inputs, shrinking_steps }
    }

    /// Tries a property with inputs of this case's seed.
    ///
    /// # Errors
    ///
    /// The failure of the smallest failing input.
    pub fn for_all<S: Strategy>(
        &self,
        strategy: &S,
        property: impl Fn(S::Value) -> CaseResult,
    ) -> CaseResult {
        for_all_shrinking(self.seed, self.inputs, self.shrinking_steps, strategy, property)
    }

    /// A simulated machine with an empty disk.
    pub fn machine(&self) -> Machine {
        Machine::new(self.seed)
    }

    /// As [`Bench::machine`], one of many that differ in what chance does to them.
    pub fn machine_number(&self, number: u64) -> Machine {
        Machine::new(self.seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }
}

/// A simulated machine, on which a backend is opened, closed, crashed and opened again.
#[derive(Debug)]
pub struct Machine {
    /// The world.
    pub sim: SimWorld,
}

impl Machine {
    /// A machine with an empty disk.
    pub fn new(seed: u64) -> Self {
        Self { sim: SimWorld::new(seed) }
    }

    /// What a backend is opened with on this machine: always the same directory.
    pub fn context(&self) -> BuildContext {
        build_context(self.sim.world())
    }

    /// Runs a future to its end.
    ///
    /// # Errors
    ///
    /// Those of the future.
    pub fn run<T>(&self, future: impl Future<Output = CaseResult<T>>) -> CaseResult<T> {
        self.sim.block_on(future)
    }

    /// Ends the process; what was written stays readable.
    #[must_use]
    pub fn kill(self) -> Self {
        Self { sim: self.sim.kill() }
    }

    /// Cuts the power; what was not synced survives or not, as the seed says.
    #[must_use]
    pub fn crash(self) -> Self {
        Self { sim: self.sim.crash() }
    }

    /// Cuts the power; nothing that was not synced survives.
    #[must_use]
    pub fn crash_with_total_loss(self) -> Self {
        Self { sim: self.sim.crash_with(Survival::Nothing) }
    }
}

/// Cases from functions: the function's name is the case's name, and what stands before it is what it needs.
///
/// `cases![[] a_thing_holds, [claims Power] another_holds, [lacks Limit] it_refuses]`
macro_rules! cases {
    ($([$($kind:ident $claim:ident),*] $function:ident),* $(,)?) => {
        vec![$($crate::case::Case {
            name: stringify!($function),
            needs: &[$($crate::case::cases!(@need $kind $claim)),*],
            body: $function,
        }),*]
    };
    (@need claims $claim:ident) => { $crate::claims::Need::Claimed($crate::claims::Claim::$claim) };
    (@need lacks $claim:ident) => { $crate::claims::Need::Unclaimed($crate::claims::Claim::$claim) };
}
pub(crate) use cases;
