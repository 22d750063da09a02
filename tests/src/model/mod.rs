//! The reference model: what the right answer is, computed in the plainest way there is.
//!
//! It knows rows of optional values and nothing of Arrow, encodings, devices or kernels, and shares no code with the
//! implementations that it judges.

mod aggregate;
mod bucket;
mod exact_sum;
mod predicate;
mod scan;
mod states;

pub use aggregate::{Group, GroupKey, GroupState, Pick, aggregate};
pub use bucket::bucket_start;
pub use exact_sum::ExactSum;
pub use predicate::{Columns, evaluate};
pub use scan::{scan, sort_rows};
pub use states::{merge_states, write_states};
