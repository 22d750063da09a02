//! Parquet files, Arrow IPC files and Arrow IPC streams: columns whose types the files say.
//!
//! The bytes are anybody's. What a decoder allocates is bounded by what the file can hold, and that it panics means that the
//! file is damaged.

mod check;
mod contain;
mod convert;
mod file;
mod framing;
mod ipc;
mod number;
mod parquet;
mod rows;
mod text;
mod times;
mod types;

pub(super) use check::check;
pub(super) use file::ColumnarFile;
pub(super) use framing::starts_stream;
pub(super) use rows::rows;
pub(super) use types::common_types;
pub(crate) use types::{SECONDS, UNIT_KEY};

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod round_trip_tests;
#[cfg(test)]
mod tests;
