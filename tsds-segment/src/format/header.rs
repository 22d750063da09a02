//! The header: what must be known before anything else can be read, checked or decrypted.

use tsds_traits::{ChunkRange, DatabaseId, Error, KeyDomain, Result, SegmentId, SegmentMeta, TableId};

use super::bytes::Reader;
use super::{NO_CIPHER, VERSION, checksum};

const MAGIC: [u8; 8] = *b"TSDS-SEG";
const WHAT: &str = "header";
/// Headers are a multiple of this, so that blocks start on a page.
pub(crate) const HEADER_STEP: usize = 4096;
/// The longest header: key metadata of 4 KiB and what its provider's version number takes fit.
pub(crate) const MAX_HEADER: usize = 2 * HEADER_STEP;
const FIXED: usize = 112;

/// The header of a segment file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) database: DatabaseId,
    pub(crate) segment: SegmentId,
    pub(crate) table: TableId,
    pub(crate) key_domain: KeyDomain,
    pub(crate) chunk: ChunkRange,
    pub(crate) cipher_suite: u16,
    pub(crate) salt: [u8; 32],
    pub(crate) key_metadata: Vec<u8>,
}

impl Header {
    /// The header of a file that is not encrypted.
    pub(crate) fn unencrypted(database: DatabaseId, meta: &SegmentMeta) -> Self {
        Self {
            database,
            segment: meta.id,
            table: meta.table,
            key_domain: meta.key_domain,
            chunk: meta.chunk,
            cipher_suite: NO_CIPHER,
            salt: [0; 32],
            key_metadata: Vec::new(),
        }
    }

    /// The length of the header in the file.
    pub(crate) fn len(&self) -> usize {
        (FIXED + self.key_metadata.len() + 4).next_multiple_of(HEADER_STEP)
    }

    /// The bytes.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for key metadata that do not fit.
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let len = self.len();
        if len > MAX_HEADER {
            return Err(Error::invalid_input("key metadata do not fit into a segment file")
                .with("bytes", self.key_metadata.len()));
        }
        let mut out = Vec::with_capacity(len);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&self.cipher_suite.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&(len as u32).to_le_bytes());
        out.extend_from_slice(&(self.key_metadata.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.database.0);
        out.extend_from_slice(&self.segment.id.to_le_bytes());
        out.extend_from_slice(&self.segment.generation.to_le_bytes());
        out.extend_from_slice(&self.table.0.to_le_bytes());
        out.extend_from_slice(&self.key_domain.0.to_le_bytes());
        out.extend_from_slice(&self.chunk.start.to_le_bytes());
        out.extend_from_slice(&self.chunk.end.to_le_bytes());
        out.extend_from_slice(&self.salt);
        out.extend_from_slice(&self.key_metadata);
        out.resize(len - 4, 0);
        out.extend_from_slice(&checksum::plain(&out).to_le_bytes());
        Ok(out)
    }

    /// Reads a header from the first bytes of a file: [`MAX_HEADER`] of them, or the whole file where it is shorter.
    ///
    /// # Errors
    ///
    /// `Corrupt`; `Unsupported` for an intact header of a later version.
    pub(crate) fn decode(start: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(start, WHAT);
        if reader.array()? != MAGIC {
            return Err(Error::corrupt("not a segment file: it does not start with the magic bytes"));
        }
        let version = reader.u16()?;
        let flags = reader.u16()?;
        let cipher_suite = reader.u16()?;
        reader.zeros(2)?;
        let len = reader.u32()? as usize;
        let key_len = reader.u32()? as usize;
        let covered = len.checked_sub(4).filter(|_| len <= MAX_HEADER && len.is_multiple_of(HEADER_STEP));
        let (covered, stored) =
            covered.and_then(|covered| start.get(..len)?.split_at_checked(covered)).ok_or_else(|| {
                Error::corrupt("segment file has a header of an impossible length").with("bytes", len)
            })?;
        if checksum::plain(covered).to_le_bytes() != stored {
            return Err(Error::corrupt("segment file header fails its checksum"));
        }
        if version != VERSION || flags != 0 {
            return Err(Error::unsupported("segment file has a later format version; use a newer release")
                .with("version", version)
                .with("flags", flags));
        }
        let header = Self {
            cipher_suite,
            database: DatabaseId(reader.array()?),
            segment: SegmentId { id: reader.u64()?, generation: reader.u32()? },
            table: TableId(reader.u32()?),
            key_domain: KeyDomain(reader.u64()?),
            chunk: ChunkRange { start: reader.i64()?, end: reader.i64()? },
            salt: reader.array()?,
            key_metadata: reader.take(key_len)?.to_vec(),
        };
        // One form per content: whatever else a header may say is damage.
        if header.len() != len || header.encode()? != start.get(..len).unwrap_or_default() {
            return Err(Error::corrupt("segment file header is not in canonical form"));
        }
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(key_len: usize) -> Header {
        Header {
            database: DatabaseId([7; 16]),
            segment: SegmentId { id: 0x0102, generation: 3 },
            table: TableId(4),
            key_domain: KeyDomain(5),
            chunk: ChunkRange { start: -6, end: 7 },
            cipher_suite: 1,
            salt: [8; 32],
            key_metadata: vec![9; key_len],
        }
    }

    #[test]
    fn a_header_reads_back_with_any_key_metadata_that_fits() {
        for (key_len, len) in [(0, 4096), (3980, 4096), (3981, 8192), (4096 + 4, 8192), (8076, 8192)] {
            let bytes = header(key_len).encode().unwrap();
            assert_eq!(bytes.len(), len);
            assert_eq!(Header::decode(&bytes).unwrap(), header(key_len));
        }
        assert!(header(8077).encode().is_err());
    }

    #[test]
    fn every_flipped_bit_and_every_cut_of_a_header_is_noticed() {
        let bytes = header(10).encode().unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&damaged).is_err(), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert!(Header::decode(&bytes[..len]).is_err(), "length {len}");
        }
    }

    #[test]
    fn a_later_version_is_unsupported_rather_than_corrupt() {
        let mut bytes = header(0).encode().unwrap();
        bytes[8] = 2;
        let crc = checksum::plain(&bytes[..4092]).to_le_bytes();
        bytes[4092..].copy_from_slice(&crc);
        assert_eq!(Header::decode(&bytes).unwrap_err().kind(), tsds_traits::ErrorKind::Unsupported);
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_error_or_a_header(bytes in prop::collection::vec(any::<u8>(), 0..300), magic: bool) {
            let mut start = if magic { MAGIC.to_vec() } else { Vec::new() };
            start.extend(bytes);
            prop_assert!(Header::decode(&start).is_err());
        }
    }
}
