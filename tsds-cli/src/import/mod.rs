//! From files to batches of a table, in two passes: the first finds the types of all columns and every bad row before
//! anything is written, the second builds the batches.

mod checked;
mod columnar;
mod csv;
mod files;
mod find;
mod header;
mod input;
mod kind;
mod once;
mod plan;
mod rows;
mod time;

pub(crate) use checked::Checked;
pub(crate) use columnar::{SECONDS, UNIT_KEY};
pub(crate) use csv::ReadOptions;
pub(crate) use files::InputFiles;
pub(crate) use find::find_files;
pub(crate) use input::Input;
pub(crate) use plan::{Plan, PlanOptions};
pub(crate) use rows::{NamedBatch, Rows};
pub(crate) use time::TimeFormat;

/// A row that cannot be taken, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadRow {
    /// The file, as it was named.
    pub(crate) file: String,
    /// Where in the file.
    pub(crate) place: Place,
    /// What is wrong, in one lower-case sentence.
    pub(crate) message: String,
}

/// Where a row is in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The line of text on which it begins, from 1.
    Line(u64),
    /// Its number, from 1.
    Row(u64),
}

impl std::fmt::Display for BadRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.place {
            Place::Line(line) => write!(f, "{}:{line}: {}", self.file, self.message),
            Place::Row(row) => write!(f, "{}, row {row}: {}", self.file, self.message),
        }
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
