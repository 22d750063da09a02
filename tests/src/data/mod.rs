//! What backends are fed with: values at the edges of their types, arrays in every layout, segments, and their sources.

pub mod arrays;
pub mod blocks;
pub mod edges;
pub mod queries;
pub mod schemas;
pub mod segments;
mod source;

pub use source::{FailingSource, MemorySource};
