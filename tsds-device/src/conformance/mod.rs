//! What every backend's devices are tested with: each kernel against plain Rust, what [`crate::Device`] promises, and the tier on
//! such devices.
//!
//! A backend's tests are a [`Subject`] and a call of [`run`] with some of [`kernel_tests`], [`device_tests`] and [`tier_tests`].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "all of it are tests")]

mod bench;
mod device;
mod kernels;
mod tier;
mod timing;

pub use bench::{Bench, Buffer, BufferOf, Numbers, Subject, Test, launch, run};
pub use timing::time_kernels;

/// Every kernel against plain Rust.
pub fn kernel_tests<S: Subject>() -> Vec<Test<S>> {
    kernels::tests()
}

/// What a device promises beside its kernels: memory, order, refusals, and what follows from its loss.
pub fn device_tests<S: Subject>() -> Vec<Test<S>> {
    device::tests()
}

/// The tier on a device: columns that stay encoded there, in every mode and form of the Gorilla codec, decoded and compared by
/// the kernels; and what is left when segments or the device are gone.
pub fn tier_tests<S: Subject>() -> Vec<Test<S>> {
    tier::tests()
}
