//! The header: what must be known before anything else can be read, checked or decrypted.

use tsds_traits::{
    ChunkRange, DatabaseId, Error, KeyDomain, MAX_KEY_METADATA_BYTES, Result, SegmentId, SegmentMeta, TableId,
};

use super::bytes::Reader;
use super::{NO_CIPHER, VERSION, checksum};

const MAGIC: [u8; 8] = *b"TSDS-SEG";
const WHAT: &str = "header";
/// The length of a header of this version, and what the length of one of any version is a multiple of: blocks start on a
/// page.
pub(crate) const HEADER_LEN: usize = 4096;
/// The longest header of any version.
const MAX_HEADER: usize = 16 * HEADER_LEN;
/// Where the length of a header stands, in every version.
const LEN_AT: usize = 16;
const FIXED: usize = 112;
/// The longest key metadata. What a provider may give and its version number fit many times.
const MAX_KEY_METADATA: usize = HEADER_LEN - FIXED - 4;
const _: () = assert!(MAX_KEY_METADATA >= MAX_KEY_METADATA_BYTES + 4);

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

    /// The bytes.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for key metadata that do not fit.
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        if self.key_metadata.len() > MAX_KEY_METADATA {
            return Err(Error::invalid_input("key metadata do not fit into a segment file")
                .with("bytes", self.key_metadata.len())
                .with("limit", MAX_KEY_METADATA));
        }
        let len = HEADER_LEN;
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

    /// How long the header is of the file that begins with `start`, [`HEADER_LEN`] bytes of it or more.
    ///
    /// # Errors
    ///
    /// `Corrupt` where it is no segment file, or claims a length that no version has.
    pub(crate) fn len_of(start: &[u8]) -> Result<usize> {
        if !start.starts_with(&MAGIC) {
            return Err(Error::corrupt("not a segment file: it does not start with the magic bytes"));
        }
        let mut reader = Reader::new(start.get(LEN_AT..).unwrap_or_default(), WHAT);
        let len = reader.u32()? as usize;
        if len > 0 && len <= MAX_HEADER && len.is_multiple_of(HEADER_LEN) {
            return Ok(len);
        }
        Err(Error::corrupt("segment file has a header of an impossible length").with("bytes", len))
    }

    /// Reads a header: as many bytes as [`Header::len_of`] says.
    ///
    /// # Errors
    ///
    /// `Corrupt`; `Unsupported` for an intact header of a later version.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let len = Self::len_of(bytes)?;
        let Some((covered, stored)) = bytes.get(..len).and_then(|bytes| bytes.split_last_chunk::<4>()) else {
            return Err(Error::corrupt("segment file ends inside its header").with("bytes", len));
        };
        // Magic, version, length and checksum stand where they are in every version.
        if checksum::plain(covered).to_le_bytes() != *stored {
            return Err(Error::corrupt("segment file header fails its checksum"));
        }
        let mut reader = Reader::new(covered, WHAT);
        reader.take(MAGIC.len())?;
        let version = reader.u16()?;
        let flags = reader.u16()?;
        if version != VERSION || flags != 0 {
            return Err(Error::unsupported(
                "segment file has another format version; use the version of TSDS that wrote it",
            )
            .with("version", version)
            .with("supported", VERSION)
            .with("flags", flags));
        }
        let cipher_suite = reader.u16()?;
        reader.zeros(2)?;
        reader.u32()?;
        let key_len = reader.u32()? as usize;
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
        if header.encode().ok().as_deref() != bytes.get(..len) {
            return Err(Error::corrupt("segment file header is not in canonical form"));
        }
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tsds_traits::ErrorKind;

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
        for key_len in [0, 1, MAX_KEY_METADATA_BYTES, 3_980] {
            let bytes = header(key_len).encode().unwrap();
            assert_eq!(bytes.len(), 4_096);
            assert_eq!(Header::decode(&bytes).unwrap(), header(key_len));
        }
        assert!(header(3_981).encode().is_err());
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

    fn resealed(mut bytes: Vec<u8>) -> Vec<u8> {
        let covered = bytes.len() - 4;
        let crc = checksum::plain(&bytes[..covered]).to_le_bytes();
        bytes[covered..].copy_from_slice(&crc);
        bytes
    }

    #[test]
    fn a_later_version_is_unsupported_whatever_else_it_changes() {
        for len in [4_096, 8_192, 65_536] {
            let mut later = header(0).encode().unwrap();
            // What version 1 has as zeros, and every other byte that version 1 gives a meaning.
            later.resize(len, 0xa5);
            later[10..].fill(0xa5);
            later[8] = 2;
            later[16..20].copy_from_slice(&(len as u32).to_le_bytes());
            assert_eq!(Header::decode(&later).unwrap_err().kind(), ErrorKind::Corrupt, "without a checksum");
            let error = Header::decode(&resealed(later)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains("version=2 supported=1"), "{error}");
        }
    }

    #[test]
    fn a_longer_header_of_version_1_is_corrupt() {
        let mut bytes = header(0).encode().unwrap();
        bytes.resize(8_192, 0);
        bytes[16..20].copy_from_slice(&8_192u32.to_le_bytes());
        assert_eq!(Header::decode(&resealed(bytes)).unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn a_length_that_no_version_has_is_corrupt() {
        for len in [0, 1, 4_095, 4_097, 65_536 + 4_096, u32::MAX] {
            let mut bytes = header(0).encode().unwrap();
            bytes[16..20].copy_from_slice(&len.to_le_bytes());
            assert_eq!(Header::len_of(&bytes).unwrap_err().kind(), ErrorKind::Corrupt, "{len}");
        }
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
