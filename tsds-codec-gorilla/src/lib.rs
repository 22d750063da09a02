//! Gorilla compression for time series.

mod bits;
mod classic;
mod error;
mod ints;
mod isa;
mod simd;

pub use error::Damaged;
pub use isa::Isa;
