//! The demonstration: made-up trades, as fast as they can be ingested.

mod generate;
mod memory;
mod queries;
mod sizing;
mod supply;
mod tickers;

pub(crate) use generate::{Generator, Mode, time_of_row};
pub(crate) use memory::memory;
pub(crate) use queries::demo_queries;
pub(crate) use sizing::size_tiers;
pub(crate) use supply::Supply;
