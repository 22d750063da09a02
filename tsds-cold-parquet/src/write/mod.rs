//! Writing: rows of a segment become a file, a file becomes a stored segment.

mod blocks;
mod encoder;
mod encoding;
mod existing;
mod job;
mod payload_bytes;
mod put;
mod sink;
mod target;

pub(crate) use encoding::PAGE_ROWS;
pub(crate) use put::put;
