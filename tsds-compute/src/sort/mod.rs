//! Sorting: rows of a batch, segments, and orders across batches.

mod batches;
mod indices;
mod order;
mod segment;
mod series;

pub use batches::SortedBatches;
pub use indices::sort_indices;
pub(crate) use indices::{Ranked, sort_ranked};
pub use order::{KeyedBatch, RowOrder};
pub use segment::{SortedRows, sort_for_segment};
