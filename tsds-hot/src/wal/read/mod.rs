//! Reading a log: frames of one file, records of one file, and what a whole directory holds and proves.

mod frames;
mod records;
mod resync;
mod survey;

pub(crate) use records::{Part, RecordCursor};
pub(crate) use survey::{Found, LogFile, Survey, list, survey};
