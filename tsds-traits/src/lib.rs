//! All that a TSDS plugin author depends on.
//!
//! TSDS is a time-series storage engine framework. Rows are durable in a write-ahead log, gather in memory, are sealed into
//! immutable *segments*, and move through tiers. What somebody might want to replace is one of five traits:
//!
//! | trait | does | example |
//! |---|---|---|
//! | [`Tier`] | keeps segments, scans and aggregates them | `tsds.warm.cpu`, `tsds.cold.parquet` |
//! | [`Codec`] | turns one block of values into bytes and back | `tsds.gorilla`, `tsds.plain`, `tsds.zstd` |
//! | [`WalSink`] | makes writes durable before they are acknowledged | `tsds.wal.arrow` |
//! | [`Evictor`] | decides which segments leave a tier | `tsds.evict.lru` |
//! | [`KeyProvider`] | hands out master keys | |
//!
//! Each trait's page is its contract, line by line; `tsds-conformance` has a case for each line. Plugins meet the world
//! (files, clock, randomness, tasks) through [`World`] only, so that all of TSDS runs in a simulated one too. A [`Plugin`]
//! becomes usable through a [`Registry`].
#![deny(missing_docs)]

mod aggregate;
mod codec;
mod context;
mod durability;
mod error;
mod evictor;
mod ids;
mod io;
mod keys;
mod meter;
mod payload;
mod payload_names;
mod predicate;
mod range_set;
mod registry;
mod schema;
mod schema_record;
mod segment;
mod sum_state;
mod tier;
mod value;
mod wal;

pub use aggregate::{Aggregate, AggregatePlan, Function, TimeBucket, has_sum};
pub use codec::{Codec, CodecCapabilities, EncodeHints, TypeSet};
pub use context::{BuildContext, CodecLookup};
pub use durability::Durability;
pub use error::{Error, ErrorKind, Result, Retry};
pub use evictor::{Action, Evictor, SegmentView, TierView};
pub use ids::{
    ChunkRange, ColumnId, DatabaseId, KeyDomain, SchemaVersion, SegmentId, Sequence, SequenceInterval,
    TableId,
};
pub use inventory;
pub use io::{Clock, DirEntry, Executor, OpenMode, Random, Vfs, VfsFile, VfsLock, World, panic_text};
pub use keys::{
    AuditEvent, AuditSink, KeyMetadata, KeyProvider, MAX_KEY_METADATA_BYTES, MasterKey, NoAudit, SecretKey,
};
pub use meter::{ReadCounts, ReadMeter};
pub use payload::{MAX_PAYLOAD_DEPTH, is_payload_type, payload_type, refuse_payload};
pub use predicate::{Comparison, Predicate};
pub use range_set::{Bounded, KeySet, RangeSet};
pub use registry::{
    CodecFactory, CodecSet, EvictorFactory, Factory, KeyProviderFactory, Plugin, Presence, Registry,
    TierFactory, WalFactory, plugin_settings,
};
pub use schema::{Column, STORED_TYPES, TableSchema, is_stored_type, units_per_second};
pub use schema_record::{ColumnRecord, SchemaRecord, parse_type, type_name};
pub use segment::{
    BlockLayout, ColumnStats, EncodedBlock, EncodedColumn, SegmentFiles, SegmentHandle, SegmentMeta,
    SegmentSource,
};
pub use sum_state::SumState;
pub use tier::{
    AggregateRequest, Put, ScanRequest, SegmentBatch, SortKey, Stored, StoredSegment, Tier, TierCapabilities,
    TierUsage,
};
pub use value::{Value, ValueClass, integer_form, key_of_f32, key_of_f64, key_of_i64};
pub use wal::{RecordKind, WalOpen, WalRecord, WalSink, WalUsage};
