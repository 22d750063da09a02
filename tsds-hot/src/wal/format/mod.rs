//! What is on disk: names, checksums, the header of a file, the header of a frame. Frozen: `docs/formats/wal.md`.

mod checksum;
mod frame;
mod header;
mod name;

pub(crate) use checksum::{Seed, crc32c};
pub(crate) use frame::{FRAME_HEADER, FrameHeader, FrameKind, MAX_BODY, flags, framed_len, looks_like_frame};
pub(crate) use header::{FILE_RECOVERED, FILE_SALVAGED, FileHeader, HeaderState};
pub(crate) use name::{FileName, Role};

/// The version of files, and of all that is in them.
pub(crate) const FORMAT_VERSION: u16 = 1;

/// Groups begin at multiples of this, so that no page that holds durable frames is ever written again; also the size of
/// a file's header.
pub(crate) const PAGE: usize = 4096;

/// Frames begin at multiples of this.
pub(crate) const FRAME_ALIGN: usize = 8;

/// `value` rounded up to a multiple of `to`, which is a power of two; saturates.
pub(crate) fn round_up(value: u64, to: usize) -> u64 {
    let mask = (to as u64).wrapping_sub(1);
    value.checked_add(mask).map_or(!mask, |sum| sum & !mask)
}

/// The `N` bytes at `at`, or `None` beyond the end.
pub(crate) fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}
