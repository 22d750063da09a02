//! CSV: text whose types are found by reading all of it.

mod build;
mod check;
mod infer;
mod rows;
mod source;

pub(super) use check::check;
pub(super) use infer::Candidates;
pub(super) use rows::CsvRows;
pub(crate) use source::{ReadOptions, Source};

#[cfg(test)]
mod tests;
