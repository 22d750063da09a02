//! Properties: cases that hold for every input of a kind.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::{CaseResult, Failure};

/// Tries `property` with `inputs` inputs drawn with `seed`; of a failing one the smallest is reported.
///
/// Nothing is written beside the library's sources: seeds are reported and set by hand.
///
/// # Errors
///
/// The failure of the smallest failing input, with that input.
pub fn for_all<S: Strategy>(
    seed: u64,
    inputs: u32,
    strategy: &S,
    property: impl Fn(S::Value) -> CaseResult,
) -> CaseResult {
    for_all_shrinking(seed, inputs, SHRINKING_STEPS, strategy, property)
}

/// How many smaller inputs are tried once one fails.
pub(crate) const SHRINKING_STEPS: u32 = 1_000;

/// As [`for_all`], with as many steps towards the smallest failing input as asked for.
pub(crate) fn for_all_shrinking<S: Strategy>(
    seed: u64,
    inputs: u32,
    steps: u32,
    strategy: &S,
    property: impl Fn(S::Value) -> CaseResult,
) -> CaseResult {
    let outcome = runner(seed, inputs, steps)
        .run(strategy, |input| property(input).map_err(|failure| TestCaseError::fail(failure.to_string())));
    match outcome {
        Ok(()) => Ok(()),
        Err(TestError::Fail(reason, input)) => {
            Err(Failure::new(format!("{}\n  smallest failing input: {input:#?}", reason.message())))
        }
        Err(TestError::Abort(reason)) => {
            Err(Failure::new(format!("inputs could not be generated: {}", reason.message())))
        }
    }
}

/// One input, drawn with `seed`.
///
/// # Errors
///
/// A failure if none can be generated.
pub(crate) fn draw<S: Strategy>(seed: u64, strategy: &S) -> CaseResult<S::Value> {
    let tree = strategy.new_tree(&mut runner(seed, 1, 0));
    let tree =
        tree.map_err(|reason| Failure::new(format!("inputs could not be generated: {}", reason.message())))?;
    Ok(tree.current())
}

fn runner(seed: u64, inputs: u32, steps: u32) -> TestRunner {
    let config =
        Config { cases: inputs, failure_persistence: None, max_shrink_iters: steps, ..Config::default() };
    let mut wide_seed = [0; 32];
    for (index, chunk) in wide_seed.chunks_exact_mut(8).enumerate() {
        chunk.copy_from_slice(&seed.wrapping_add(index as u64).to_le_bytes());
    }
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &wide_seed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    fn drawn(seed: u64) -> Vec<u64> {
        let seen = RefCell::new(Vec::new());
        for_all(seed, 5, &proptest::num::u64::ANY, |input| {
            seen.borrow_mut().push(input);
            Ok(())
        })
        .unwrap();
        seen.into_inner()
    }

    #[test]
    fn the_same_seed_draws_the_same_inputs() {
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
    }

    #[test]
    fn the_smallest_failing_input_is_reported() {
        let failure =
            for_all(1, 100, &(0u32..1000), |input| crate::outcome::ensure(input < 17, || "too large".into()))
                .unwrap_err();
        assert!(failure.to_string().contains("too large") && failure.to_string().contains("17"), "{failure}");
    }

    #[test]
    fn without_steps_the_first_failing_input_is_reported_as_it_was_drawn() {
        let tries = RefCell::new(0);
        let failure = for_all_shrinking(1, 100, 0, &(0u32..1000), |input| {
            *tries.borrow_mut() += u32::from(input >= 17);
            crate::outcome::ensure(input < 17, || "too large".into())
        });
        assert!(failure.is_err());
        assert_eq!(tries.into_inner(), 1);
    }

    #[test]
    fn a_panic_is_a_failure_with_its_input() {
        let failure = for_all(1, 10, &(0u32..1000), |_| panic!("broken")).unwrap_err();
        assert!(failure.to_string().contains("broken"), "{failure}");
    }
}
