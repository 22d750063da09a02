//! What a device promises beside its kernels.

mod loss;
mod memory;
mod order;
mod refusals;

use super::{Subject, Test};

pub(super) fn tests<S: Subject>() -> Vec<Test<S>> {
    [loss::tests(), memory::tests(), order::tests(), refusals::tests()].concat()
}
