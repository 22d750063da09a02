//! Writing: rows of a segment become a file, a file becomes a stored segment.

mod blocks;
mod encoder;
mod encoding;
mod existing;
mod put;
mod sink;
mod upload;

pub(crate) use put::put;
