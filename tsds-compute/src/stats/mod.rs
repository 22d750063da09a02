//! Statistics of columns and metadata of segments.

mod columns;
mod estimate;
mod segment;
mod text_bound;

pub use columns::{MAX_TEXT_BOUND, StatsBuilder, column_stats, merge_stats};
pub use estimate::{expected_bytes, expected_long_bytes};
pub use segment::{SegmentDescriber, array_bytes, describe_segment, plain_bytes};
