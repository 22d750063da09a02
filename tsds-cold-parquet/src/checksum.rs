//! What proves that a file is the one that was written: SHA-256 of all of it, CRC32C of every 64 KiB of it.

use crc_fast::{CrcAlgorithm, Digest};
use ring::digest::{Context, SHA256};

/// How many bytes one CRC32C covers; the last range of a file may be shorter.
pub(crate) const RANGE_BYTES: u64 = 64 * 1024;

/// The checksums of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileChecksums {
    pub(crate) size: u64,
    pub(crate) sha256: [u8; 32],
    /// CRC32C of `[i · 64 KiB, (i+1) · 64 KiB)`, for every range of the file.
    pub(crate) ranges: Vec<u32>,
}

/// CRC32C of some bytes.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// Computes the checksums of a file that goes by piece by piece.
pub(crate) struct FileHasher {
    sha256: Context,
    range: Digest,
    in_range: u64,
    ranges: Vec<u32>,
    size: u64,
}

impl std::fmt::Debug for FileHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileHasher").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Default for FileHasher {
    fn default() -> Self {
        Self {
            sha256: Context::new(&SHA256),
            range: Digest::new(CrcAlgorithm::Crc32Iscsi),
            in_range: 0,
            ranges: Vec::new(),
            size: 0,
        }
    }
}

impl FileHasher {
    /// Takes the next bytes of the file.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        self.sha256.update(bytes);
        self.size += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = usize::try_from(RANGE_BYTES - self.in_range).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.range.update(now);
            self.in_range += now.len() as u64;
            if self.in_range == RANGE_BYTES {
                self.close_range();
            }
            bytes = later;
        }
    }

    /// The checksums of everything that went by.
    pub(crate) fn finish(mut self) -> FileChecksums {
        if self.in_range > 0 {
            self.close_range();
        }
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(self.sha256.finish().as_ref());
        FileChecksums { size: self.size, sha256, ranges: self.ranges }
    }

    fn close_range(&mut self) {
        // CRC32C has 32 bits: nothing is cut off.
        self.ranges.push(self.range.finalize_reset() as u32);
        self.in_range = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn crc32c_is_castagnoli() {
        // RFC 3720, appendix B.4: 32 bytes of zeros.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            len in 0usize..200_000,
            cuts in proptest::collection::vec(0usize..200_000, 0..6),
        ) {
            let bytes: Vec<u8> = (0..len).map(|i| (i * 31 % 251) as u8).collect();
            let mut whole = FileHasher::default();
            whole.update(&bytes);
            let whole = whole.finish();
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(len)).chain([0, len]).collect();
            cuts.sort_unstable();
            let mut pieces = FileHasher::default();
            cuts.windows(2).for_each(|pair| pieces.update(&bytes[pair[0]..pair[1]]));
            prop_assert_eq!(&pieces.finish(), &whole);
            let expected: Vec<_> = bytes.chunks(RANGE_BYTES as usize).map(crc32c).collect();
            prop_assert_eq!(whole.ranges, expected);
            prop_assert_eq!(whole.size, len as u64);
        }
    }
}
