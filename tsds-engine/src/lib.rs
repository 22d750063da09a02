//! The TSDS engine: durable ingest, three tiers, migration, queries.
//!
//! Rows arrive as Arrow batches, are durable in the write-ahead log before they are acknowledged, gather in memory (*hot*),
//! are sealed into immutable segments that a device or memory holds (*warm*), and move on into Parquet files (*cold*).
//! Queries see every acknowledged row exactly once, wherever it is. Start at [`Database`].
#![deny(missing_docs)]

mod batches;
pub mod blocking;
mod builtin;
mod catalog;
pub mod config;
mod core;
mod database;
mod guard;
mod hot;
mod ingest;
mod metrics;
mod mover;
mod nolog;
mod open;
pub mod query;
mod recovery;
mod reload;
mod repair;
mod stats;
mod storage_stats;
mod table;
mod verify;
mod version;
mod warm;
mod workshop;

pub use batches::BatchId;
pub use builtin::builtin_registry;
pub use database::{Database, DatabaseBuilder};
pub use guard::PluginStats;
pub use ingest::Receipt;
pub use recovery::RecoveryReport;
pub use repair::{AcceptLoss, LostSegment, LostSequences, RepairReport};
pub use stats::{ColumnInfo, LogStats, ResidentStats, Stats, TableStats, TierCounts, TierStats, TiersStats};
pub use storage_stats::{ColumnStorage, ModeShare, TableStorage};
pub use table::{SchemaChange, Table, TableSpec};
pub use tsds_traits as traits;
pub use verify::{Damage, VerifyReport};
pub use warm::{DeclinedSegments, PassedOver, WarmStats};
