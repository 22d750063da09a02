//! The bytes of a segment file: `docs/formats/segment-file.md`. Nothing here does I/O.

mod bytes;
mod checksum;
mod footer;
mod header;
mod index;
mod stats_bytes;
mod totals;
mod trailer;

pub(crate) use checksum::{Checksum, WholeFile};
pub(crate) use footer::{CodecRef, Footer};
pub(crate) use header::{HEADER_LEN, Header};
pub(crate) use index::{BlockEntry, ColumnIndex, Storage};
pub(crate) use totals::check_totals;
pub(crate) use trailer::{TRAILER_LEN, Trailer, pack_footer, unpack_footer};

/// The version of the file format.
pub(crate) const VERSION: u16 = 1;
/// The cipher suite of files that are not encrypted: the only one of this version of the code.
pub(crate) const NO_CIPHER: u16 = 0;
/// Every block starts at a multiple of this from the start of the file.
pub(crate) const BLOCK_ALIGN: u64 = 64;
/// The most rows of a block.
pub const MAX_BLOCK_ROWS: u32 = 16_384;
/// A series with at least this many rows in the segment has blocks of its own.
pub const OWN_BLOCK_ROWS: u32 = 256;
/// The most rows of a segment: row numbers are 32 bits in the index.
pub(crate) const MAX_ROWS: u64 = u32::MAX as u64;
