//! Every kernel against plain Rust.

mod columns;
mod encoded;
mod lists;
mod model;
mod predicates;
mod reduction;
mod runs;
mod selection;
mod sorting;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::{Numbers, Subject, Test};

pub(super) fn tests<S: Subject>() -> Vec<Test<S>> {
    let tests = [
        columns::tests(),
        encoded::tests(),
        lists::tests(),
        predicates::tests(),
        reduction::tests(),
        runs::tests(),
        selection::tests(),
    ]
    .concat();
    [tests, sorting::tests()].concat()
}

/// Sizes at the borders of words, of workgroups' words and of blocks.
const BORDERS: [usize; 14] = [0, 1, 2, 31, 32, 33, 63, 64, 65, 2047, 2048, 2049, 4096, 5000];

/// Runs `check` on seeds and sizes of parts, always the same ones.
fn for_requests(cases: u32, check: impl Fn(u64, &[usize])) {
    for (seed, size) in (0..).zip(BORDERS) {
        check(seed, &[size]);
    }
    let size = prop_oneof![prop::sample::select(BORDERS.to_vec()), 0..300_usize, 0..6000_usize];
    let strategy = (any::<u64>(), prop::collection::vec(size, 1..5));
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let outcome = runner.run(&strategy, |(seed, sizes)| {
        check(seed, &sizes);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// Blocks in one or two launches: the first block of each, and how many.
fn launches(numbers: &mut Numbers, blocks: usize) -> Vec<(u32, u32)> {
    let cut = numbers.below(blocks as u64 + 1) as u32;
    [(0, cut), (cut, blocks as u32 - cut)].into_iter().filter(|(_, blocks)| *blocks > 0).collect()
}
