//! CPU kernels of TSDS on Arrow arrays.
//!
//! | module | does |
//! |---|---|
//! | [`predicate`] | folds bound predicates, evaluates them on batches, prunes by statistics |
//!
//! Everything is deterministic to the bit and does no I/O. Batches come with one [`tsds_traits::ColumnId`] per column.
//! Columns of text may be plain or dictionaries with `Int32` or `UInt32` keys; results have the schema's exact types.

mod array;
pub mod bucket;
mod calendar;
pub mod chunk;
pub mod predicate;
pub mod sort;
pub mod stats;

pub use array::{conform, conform_batch};
pub use bucket::{BucketSpan, Bucketer};
pub use chunk::ChunkInterval;
pub use predicate::{CompiledPredicate, Verdict, prune};
pub use sort::{KeyedBatch, RowOrder, SortedRows, sort_for_segment, sort_indices};
pub use stats::{SegmentDescriber, StatsBuilder, column_stats, describe_segment, merge_stats, plain_bytes};
