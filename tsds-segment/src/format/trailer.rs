//! The trailer: the last bytes of a file, which find the footer.

use tsds_traits::{Error, Result};

use super::bytes::Reader;
use super::{BLOCK_ALIGN, Checksum, HEADER_LEN};

const MAGIC: [u8; 8] = *b"TSDS-END";
const WHAT: &str = "trailer";
/// The length of the trailer.
pub(crate) const TRAILER_LEN: usize = 64;
const STORED: u8 = 0;
const ZSTD: u8 = 1;
const ZSTD_LEVEL: i32 = 1;
/// How many times its stored length a footer may expand to. What compresses better is stored as it is.
const MAX_EXPANSION: u64 = 256;

/// The trailer of a segment file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) footer_offset: u64,
    pub(crate) footer_len: u32,
    pub(crate) plain_len: u32,
    pub(crate) encoding: u8,
    pub(crate) footer_crc: u32,
}

impl Trailer {
    pub(crate) fn encode(&self, checksum: &Checksum) -> [u8; TRAILER_LEN] {
        let mut out = [0; TRAILER_LEN];
        out[..8].copy_from_slice(&self.footer_offset.to_le_bytes());
        out[8..12].copy_from_slice(&self.footer_len.to_le_bytes());
        out[12..16].copy_from_slice(&self.plain_len.to_le_bytes());
        out[16] = self.encoding;
        out[20..24].copy_from_slice(&self.footer_crc.to_le_bytes());
        // Bytes 24 to 40 are the room for the footer's authentication tag.
        let crc = checksum.of(self.footer_offset + u64::from(self.footer_len), &out[..52]);
        out[52..56].copy_from_slice(&crc.to_le_bytes());
        out[56..].copy_from_slice(&MAGIC);
        out
    }

    /// Reads the trailer of a file of `file_len` bytes.
    ///
    /// # Errors
    ///
    /// `Corrupt`.
    pub(crate) fn decode(bytes: &[u8; TRAILER_LEN], checksum: &Checksum, file_len: u64) -> Result<Self> {
        if !bytes.ends_with(&MAGIC) {
            return Err(Error::corrupt("segment file is incomplete: it does not end with the magic bytes"));
        }
        let mut reader = Reader::new(bytes, WHAT);
        let footer_offset = reader.u64()?;
        let footer_len = reader.u32()?;
        let plain_len = reader.u32()?;
        let encoding = reader.u8()?;
        reader.zeros(3)?;
        let footer_crc = reader.u32()?;
        let trailer = Self { footer_offset, footer_len, plain_len, encoding, footer_crc };
        let end = footer_offset
            .checked_add(footer_len.into())
            .and_then(|footer_end| footer_end.checked_add(TRAILER_LEN as u64));
        if end != Some(file_len)
            || footer_offset < HEADER_LEN as u64
            || !footer_offset.is_multiple_of(BLOCK_ALIGN)
        {
            return Err(Error::corrupt("segment file trailer does not fit its file"));
        }
        match trailer.encode(checksum) == *bytes {
            true => Ok(trailer),
            false => Err(Error::corrupt("segment file trailer fails its checksum")),
        }
    }
}

/// The footer as it is stored at `offset`, and the trailer that finds it.
///
/// # Errors
///
/// `InvalidInput` for a footer beyond 4 GiB.
pub(crate) fn pack_footer(plain: Vec<u8>, offset: u64, checksum: &Checksum) -> Result<(Vec<u8>, Trailer)> {
    let too_long = |_| Error::invalid_input("segment has too many blocks for one file");
    let plain_len = u32::try_from(plain.len()).map_err(too_long)?;
    let compressed = ::zstd::bulk::compress(&plain, ZSTD_LEVEL)
        .map_err(|error| Error::internal("zstd cannot compress").with_source(error))?;
    let smaller =
        compressed.len() < plain.len() && compressed.len() as u64 * MAX_EXPANSION >= plain.len() as u64;
    let (encoding, stored) = if smaller { (ZSTD, compressed) } else { (STORED, plain) };
    let footer_len = u32::try_from(stored.len()).map_err(too_long)?;
    let footer_crc = checksum.of(offset, &stored);
    Ok((stored, Trailer { footer_offset: offset, footer_len, plain_len, encoding, footer_crc }))
}

/// The plain bytes of a stored footer.
///
/// # Errors
///
/// `Corrupt`.
pub(crate) fn unpack_footer(stored: Vec<u8>, trailer: &Trailer, checksum: &Checksum) -> Result<Vec<u8>> {
    if checksum.of(trailer.footer_offset, &stored) != trailer.footer_crc {
        return Err(Error::corrupt("segment file footer fails its checksum"));
    }
    let wrong = || Error::corrupt("segment file footer does not decompress");
    match trailer.encoding {
        STORED if trailer.plain_len == trailer.footer_len => Ok(stored),
        ZSTD if u64::from(trailer.plain_len) <= stored.len() as u64 * MAX_EXPANSION => {
            let plain = ::zstd::bulk::decompress(&stored, trailer.plain_len as usize).map_err(|_| wrong())?;
            if plain.len() == trailer.plain_len as usize { Ok(plain) } else { Err(wrong()) }
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use tsds_traits::{DatabaseId, SegmentId};

    use super::*;

    fn checksum() -> Checksum {
        Checksum::new(DatabaseId([1; 16]), SegmentId::new(2))
    }

    #[test]
    fn a_footer_reads_back_whether_it_compresses_or_not() {
        let noise: Vec<u8> =
            (0..999u32).map(|i| (i.wrapping_mul(i).wrapping_mul(2_654_435_761) >> 23) as u8).collect();
        let text = b"a footer that says the same again and again; ".repeat(50);
        for (plain, expected) in [(noise, STORED), (text, ZSTD), (vec![0; 1 << 20], STORED), (vec![], STORED)]
        {
            let (stored, trailer) = pack_footer(plain.clone(), 4096, &checksum()).unwrap();
            assert_eq!(trailer.encoding, expected);
            assert_eq!(unpack_footer(stored, &trailer, &checksum()).unwrap(), plain);
        }
    }

    #[test]
    fn a_footer_that_claims_to_expand_without_bound_is_refused_before_it_is_allocated() {
        let (stored, trailer) = pack_footer(b"footer ".repeat(100), 4096, &checksum()).unwrap();
        let forged = Trailer { plain_len: u32::MAX, ..trailer };
        assert!(unpack_footer(stored, &forged, &checksum()).is_err());
    }

    #[test]
    fn every_flipped_bit_of_a_trailer_is_noticed() {
        let trailer =
            Trailer { footer_offset: 4096, footer_len: 100, plain_len: 100, encoding: STORED, footer_crc: 5 };
        let bytes = trailer.encode(&checksum());
        let file_len = 4096 + 100 + 64;
        assert_eq!(Trailer::decode(&bytes, &checksum(), file_len).unwrap(), trailer);
        for bit in 0..TRAILER_LEN * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Trailer::decode(&damaged, &checksum(), file_len).is_err(), "bit {bit}");
        }
        for wrong in [file_len - 1, file_len + 1, 0] {
            assert!(Trailer::decode(&bytes, &checksum(), wrong).is_err());
        }
        let in_header = Trailer { footer_offset: 4032, ..trailer }.encode(&checksum());
        assert!(Trailer::decode(&in_header, &checksum(), file_len - 64).is_err(), "a footer in the header");
    }
}
