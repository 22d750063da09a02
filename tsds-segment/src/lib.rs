//! The segment file of TSDS: what is on disk for segments whose home is a file.
//!
//! A segment file holds the rows of one segment as encoded blocks, column by column, with an index, statistics and
//! checksums, and says everything about itself that a catalog needs. `docs/formats/segment-file.md` has the bytes.
//!
//! | part | does |
//! |---|---|
//! | [`PlainCodec`], [`ZstdCodec`] | the codecs `tsds.plain` and `tsds.zstd` |
//! | [`write_segment`] | writes a file, atomically and durably |
//! | [`SegmentFile`] | reads one: blocks, batches, [`SegmentFile::verify`] |
//! | [`SegmentStore`] | the files of a database by segment id |
//! | [`ColumnDecoder`] | blocks back into arrays |
//! | [`MemorySource`] | a segment whose rows are in memory |
//! | [`rebuild()`] | finds out from the files alone which segments there are |

#[cfg(target_endian = "big")]
compile_error!("segment files are little-endian, and so are Arrow's buffers in them");

mod codec;
#[cfg(feature = "conformance")]
pub mod conformance;
mod decimals;
mod decode;
mod format;
mod layout;
mod memory;
mod order;
mod payload;
mod read;
mod store;
mod write;

pub use codec::{MAX_EXPANSION, PLAIN, PlainCodec, PlainView, ZSTD, ZstdCodec, plugins};
pub use decode::{ColumnDecoder, decode_column};
pub use format::{MAX_BLOCK_ROWS, OWN_BLOCK_ROWS};
pub use memory::MemorySource;
pub use read::{BlockDescription, SegmentFile, Verified};
pub use store::{FoundSegment, Rebuilt, SegmentStore, rebuild};
pub use write::{SegmentWriteOptions, Written, write_segment};

#[cfg(test)]
extern crate self as tsds_segment;
#[cfg(test)]
#[path = "../tests/common/mod.rs"]
mod common;
#[cfg(test)]
mod forged_tests;
