//! From CSV files to batches of a table, in two passes: the first finds the types of all columns and every bad row before
//! anything is written, the second builds the batches.

mod build;
mod check;
mod header;
mod infer;
mod plan;
mod rows;
mod source;
mod time;

pub(crate) use check::{Checked, check};
pub(crate) use header::Header;
pub(crate) use plan::{Plan, PlanOptions};
pub(crate) use rows::Rows;
pub(crate) use source::{ReadOptions, Source, read_headers};
pub(crate) use time::TimeFormat;

/// A row that cannot be taken, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadRow {
    /// The file, as it was named.
    pub(crate) file: String,
    /// The line on which the row begins, from 1.
    pub(crate) line: u64,
    /// What is wrong, in one lower-case sentence.
    pub(crate) message: String,
}

impl std::fmt::Display for BadRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// What to do about rows that cannot be taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OnError {
    /// Import nothing.
    #[default]
    Stop,
    /// Leave them out, and say so.
    Skip,
}

#[cfg(test)]
mod tests;
