//! Gorilla compression for time series.

mod classic;
mod error;
mod isa;

pub use error::Damaged;
