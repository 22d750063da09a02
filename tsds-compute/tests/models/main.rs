//! The kernels against naive models that work value by value.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod aggregate;
mod common;
mod merge;
mod naive;
mod predicate;
mod scan;
mod sort;
mod stats;
