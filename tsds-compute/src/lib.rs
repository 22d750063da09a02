//! CPU kernels of TSDS on Arrow arrays.
//!
//! | module | does |
//! |---|---|
//! | [`predicate`] | folds bound predicates, evaluates them on batches, prunes by statistics |
//! | [`scan`] | turns the rows of segments into what a scan request promises |
//! | [`sort`] | sorts batches, segments and rows across batches |
//! | [`merge`](mod@merge) | merges sorted streams with bounded memory |
//! | [`aggregate`] | folds rows into groups with mergeable, exact states |
//! | [`sum`] | adds numbers exactly |
//! | [`bucket`], [`chunk`] | cut time, for results and for storage |
//! | [`stats`] | describes columns and segments |
//!
//! Everything is deterministic to the bit and does no I/O. Batches come with one [`tsds_traits::ColumnId`] per column.
//! Columns of text may be plain or dictionaries with `Int32` or `UInt32` keys; results have the schema's exact types.

pub mod aggregate;
mod array;
pub mod bucket;
mod calendar;
pub mod chunk;
pub mod merge;
pub mod predicate;
pub mod scan;
pub mod sort;
pub mod stats;
pub mod sum;

pub use aggregate::{Aggregator, SegmentPosition, result_schema, sum_state_columns};
pub use array::{BatchSize, RowBytes, code_text, conform, conform_batch, from_keys, relabelled};
pub use bucket::{BucketSpan, Bucketer};
pub use chunk::ChunkInterval;
pub use merge::{MergeInput, merge};
pub use predicate::{CompiledPredicate, Verdict, prune};
pub use scan::{SegmentScan, is_storage_order, needed_columns};
pub use sort::{KeyedBatch, RowOrder, SortedBatches, SortedRows, sort_for_segment, sort_indices};
pub use stats::{
    SegmentDescriber, StatsBuilder, array_bytes, column_stats, describe_segment, expected_bytes,
    expected_long_bytes, merge_stats, plain_bytes,
};
pub use sum::ExactSum;
