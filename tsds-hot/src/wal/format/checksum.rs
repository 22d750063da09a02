use crc_fast::{CrcAlgorithm, Digest};
use tsds_traits::DatabaseId;

/// CRC32C of `bytes`.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    narrow(crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, bytes))
}

/// The CRC32C state after the database id and a file's number. Checksums of frames go on from it, so that frames of
/// another database, or of the file that these bytes were before it was recycled, never check out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed(u64);

impl Seed {
    pub(crate) fn new(database: DatabaseId, number: u64) -> Self {
        let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
        digest.update(&database.0);
        digest.update(&number.to_le_bytes());
        Self(digest.get_state())
    }

    /// CRC32C of the database id, the file's number (little-endian) and `bytes`.
    pub(crate) fn checksum(self, bytes: &[u8]) -> u32 {
        let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, self.0);
        digest.update(bytes);
        narrow(digest.finalize())
    }
}

fn narrow(crc: u64) -> u32 {
    (crc & u64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc32c_gives_the_published_check_value() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn a_seeded_checksum_is_that_of_database_number_and_bytes() {
        let database = DatabaseId(*b"0123456789abcdef");
        for bytes in [&b""[..], b"x", &[7; 1000]] {
            let mut whole = database.0.to_vec();
            whole.extend_from_slice(&9u64.to_le_bytes());
            whole.extend_from_slice(bytes);
            assert_eq!(Seed::new(database, 9).checksum(bytes), crc32c(&whole));
        }
    }
}
