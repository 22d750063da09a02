//! What backends are fed with: values at the edges of their types, arrays in every layout, segments, and their sources.

pub mod arrays;
pub mod blocks;
mod cell_codec;
pub mod edges;
mod encoded;
pub mod frozen;
pub mod queries;
pub mod schemas;
pub mod segments;
mod source;

pub use cell_codec::CellCodec;
pub use encoded::Encoding;
pub use source::{FailingSource, GatedSource, MemorySource};
