//! Reading: verified bytes, decoded row groups, scans and aggregates over many files.

mod aggregate;
mod decode;
mod fetch;
mod file;
mod footer;
mod group;
mod known;
mod matching;
mod members;
mod pages;
mod scan;
mod units;

pub(crate) use aggregate::aggregate;
pub(crate) use fetch::VerifiedFile;
pub(crate) use footer::{Detail, Footer};
pub(crate) use known::KnownFiles;
pub(crate) use scan::scan;

#[cfg(test)]
mod forged_tests;
