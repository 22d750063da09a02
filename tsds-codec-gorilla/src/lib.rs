//! Gorilla compression for time series.

mod classic;
mod error;

pub use error::Damaged;
