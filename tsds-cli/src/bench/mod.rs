//! `tsds bench device`: what a tier on a device does in which time, beside the CPU tier.

mod bandwidth;
mod measure;
mod operations;
mod outcome;
mod trades;

pub(crate) use bandwidth::copy_bandwidth_of;
pub(crate) use measure::{Loaded, compare};
pub(crate) use operations::operations;
pub(crate) use outcome::{Outcome, Skipped};
pub(crate) use trades::Trades;
