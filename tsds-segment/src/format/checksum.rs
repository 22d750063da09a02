//! CRC32C, bound to where the bytes belong.

use crc_fast::{CrcAlgorithm, Digest};
use tsds_traits::{DatabaseId, SegmentId};

/// Checksums of the parts of one file. They cover the database, the segment and the offset too, so that bytes which a disk or
/// a backup brought from elsewhere never pass, however intact they are.
#[derive(Clone, Debug)]
pub(crate) struct Checksum(Digest);

impl Checksum {
    pub(crate) fn new(database: DatabaseId, segment: SegmentId) -> Self {
        let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
        digest.update(&database.0);
        digest.update(&segment.id.to_le_bytes());
        digest.update(&segment.generation.to_le_bytes());
        Self(digest)
    }

    /// The checksum of `bytes` at `offset` of the file.
    pub(crate) fn of(&self, offset: u64, bytes: &[u8]) -> u32 {
        let mut digest = self.0;
        digest.update(&offset.to_le_bytes());
        digest.update(bytes);
        finish(&digest)
    }
}

/// The checksum of a whole file, front to back.
#[derive(Debug)]
pub(crate) struct WholeFile(Digest);

impl WholeFile {
    pub(crate) fn new() -> Self {
        Self(Digest::new(CrcAlgorithm::Crc32Iscsi))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(&self) -> u32 {
        finish(&self.0)
    }
}

/// CRC32C of bytes that say themselves where they belong.
pub(crate) fn plain(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

fn finish(digest: &Digest) -> u32 {
    // The algorithm has 32 bits.
    digest.finalize() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_crc32c() {
        let mut whole = WholeFile::new();
        whole.update(b"1234");
        whole.update(b"56789");
        assert_eq!((plain(b"123456789"), whole.finish()), (0xe306_9283, 0xe306_9283));
    }

    #[test]
    fn the_same_bytes_elsewhere_have_another_checksum() {
        let here = Checksum::new(DatabaseId([1; 16]), SegmentId::new(5));
        let elsewhere = [
            Checksum::new(DatabaseId([2; 16]), SegmentId::new(5)).of(64, b"rows"),
            Checksum::new(DatabaseId([1; 16]), SegmentId { id: 5, generation: 1 }).of(64, b"rows"),
            here.of(128, b"rows"),
        ];
        assert!(!elsewhere.contains(&here.of(64, b"rows")));
        assert_eq!(here.of(64, b"rows"), 0xad6f_9495);
    }
}
