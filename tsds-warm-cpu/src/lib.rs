//! `tsds.warm.cpu`: the warm tier in the memory of the host, and `tsds.evict.lru`, which says what leaves it.
//!
//! [`CpuTier`] answers for two kinds of segments. *Pinned* ones were [put](tsds_traits::Tier::put) and are held in memory, so
//! that a query computes at the speed of memory. Every other segment that has a segment file is read from there, and only
//! the columns and blocks that the request needs. It is the tier of machines without a device, and beside a device the one
//! that serves what the device does not hold.
//!
//! | module | does |
//! |---|---|
//! | `tier` | the tier: what is pinned |
//! | `segment` | one segment, pinned or in its file, as blocks and groups of blocks |
//! | `pin` | from a source into memory |
//! | `filter` | which blocks and rows of a group match |
//! | `read` | the groups of the segments of a request, and what of them is wanted |
//! | `scan`, `aggregate` | answers |
//! | `evict` | the evictor |
#![deny(missing_docs)]

mod aggregate;
#[cfg(feature = "conformance")]
pub mod conformance;
mod evict;
mod filter;
mod pin;
mod plugin;
mod read;
mod scan;
mod segment;
mod settings;
mod tier;

pub use evict::{LRU, LruEvictor, LruSettings};
pub use plugin::plugins;
pub use settings::CpuSettings;
pub use tier::{CpuTier, NAME};
