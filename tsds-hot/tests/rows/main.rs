//! Rows: as payloads of the log, in a memtable, and sealed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod memtable;
mod payload;
mod seal;
mod support;
