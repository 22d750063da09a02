use tsds_traits::{DatabaseId, Error, Result, Sequence};

use super::{FORMAT_VERSION, PAGE, bytes_at, crc32c};

const MAGIC: &[u8; 8] = b"TSDSWAL\0";
const NO_CIPHER: u16 = 0;
const KEY_METADATA_AT: usize = 128;
const CRC_AT: usize = PAGE - 4;

/// The file is a copy that recovery made of the files between its predecessor and itself, whole before it got its name.
pub(crate) const FILE_RECOVERED: u32 = 1;

/// The file holds what repair could read of a damaged log: its sequences rise, but may skip.
pub(crate) const FILE_SALVAGED: u32 = 2;

const KNOWN_FLAGS: u32 = FILE_RECOVERED | FILE_SALVAGED;

/// The first page of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) database: DatabaseId,
    pub(crate) number: u64,
    /// The sequence of the file's first record. It may be more than one above `predecessor_last`.
    pub(crate) first: Sequence,
    /// The file before this one in the log; 0 for none. Files numbered in between are superseded.
    pub(crate) predecessor: u64,
    /// The last record before this file. All up to it were durable when this was written; later ones in the
    /// predecessor were refused.
    pub(crate) predecessor_last: Sequence,
    /// All up to here were durable when this header became visible.
    pub(crate) durable: Sequence,
    pub(crate) flags: u32,
    /// Seeds the keys of an encrypted log.
    pub(crate) salt: [u8; 32],
}

/// What the first page of a file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HeaderState {
    /// The file belongs to the log under its name.
    Valid(FileHeader),
    /// Nothing usable: the file is only prepared, recycled, torn or damaged.
    Missing,
}

impl FileHeader {
    pub(crate) fn is_recovered(&self) -> bool {
        self.flags & FILE_RECOVERED != 0
    }

    pub(crate) fn is_salvaged(&self) -> bool {
        self.flags & FILE_SALVAGED != 0
    }

    pub(crate) fn encode(&self) -> [u8; PAGE] {
        let mut page = [0; PAGE];
        put(&mut page, 0, MAGIC);
        put(&mut page, 8, &FORMAT_VERSION.to_le_bytes());
        put(&mut page, 10, &NO_CIPHER.to_le_bytes());
        put(&mut page, 12, &self.flags.to_le_bytes());
        put(&mut page, 16, &self.database.0);
        put(&mut page, 32, &self.number.to_le_bytes());
        put(&mut page, 40, &self.first.0.to_le_bytes());
        put(&mut page, 48, &self.predecessor.to_le_bytes());
        put(&mut page, 56, &self.predecessor_last.0.to_le_bytes());
        put(&mut page, 64, &self.durable.0.to_le_bytes());
        put(&mut page, 72, &self.salt);
        let crc = page.get(..CRC_AT).map_or(0, crc32c);
        put(&mut page, CRC_AT, &crc.to_le_bytes());
        page
    }

    /// Reads the first page of file `number` of `database`.
    ///
    /// # Errors
    ///
    /// `Corrupt` for a whole header of another database; `Unsupported` for one from a later version or with encryption.
    pub(crate) fn parse(page: &[u8], database: DatabaseId, number: u64) -> Result<HeaderState> {
        let Some(fields) = Fields::checked(page) else { return Ok(HeaderState::Missing) };
        if fields.version != FORMAT_VERSION {
            return Err(Error::unsupported(
                "write-ahead log file is of another format version; use the version of TSDS that wrote it",
            )
            .with("version", fields.version)
            .with("supported", FORMAT_VERSION));
        }
        // The bytes of a file that was recycled but not yet written again.
        if fields.header.number != number {
            return Ok(HeaderState::Missing);
        }
        if fields.header.database != database {
            return Err(Error::corrupt("write-ahead log file belongs to another database")
                .with("database", fields.header.database)
                .with("expected", database));
        }
        if fields.cipher != NO_CIPHER || fields.key_metadata_len != 0 {
            return Err(Error::unsupported("write-ahead log file is encrypted").with("cipher", fields.cipher));
        }
        if fields.header.flags & !KNOWN_FLAGS != 0 {
            return Err(Error::unsupported("write-ahead log file has unknown flags")
                .with("flags", format!("{:#x}", fields.header.flags)));
        }
        Ok(HeaderState::Valid(fields.header))
    }
}

struct Fields {
    version: u16,
    cipher: u16,
    key_metadata_len: u32,
    header: FileHeader,
}

impl Fields {
    fn checked(page: &[u8]) -> Option<Self> {
        if page.len() != PAGE || !page.starts_with(MAGIC) {
            return None;
        }
        let u64_at = |at| Some(u64::from_le_bytes(bytes_at(page, at)?));
        if crc32c(page.get(..CRC_AT)?) != u32::from_le_bytes(bytes_at(page, CRC_AT)?) {
            return None;
        }
        Some(Self {
            version: u16::from_le_bytes(bytes_at(page, 8)?),
            cipher: u16::from_le_bytes(bytes_at(page, 10)?),
            key_metadata_len: u32::from_le_bytes(bytes_at(page, KEY_METADATA_AT - 4)?),
            header: FileHeader {
                flags: u32::from_le_bytes(bytes_at(page, 12)?),
                database: DatabaseId(bytes_at(page, 16)?),
                number: u64_at(32)?,
                first: Sequence(u64_at(40)?),
                predecessor: u64_at(48)?,
                predecessor_last: Sequence(u64_at(56)?),
                durable: Sequence(u64_at(64)?),
                salt: bytes_at(page, 72)?,
            },
        })
    }
}

fn put(page: &mut [u8; PAGE], at: usize, bytes: &[u8]) {
    if let Some(room) = page.get_mut(at..at + bytes.len()) {
        room.copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> FileHeader {
        FileHeader {
            database: DatabaseId([7; 16]),
            number: 5,
            first: Sequence(11),
            predecessor: 3,
            predecessor_last: Sequence(9),
            durable: Sequence(9),
            flags: FILE_RECOVERED,
            salt: [9; 32],
        }
    }

    fn parse(page: &[u8]) -> HeaderState {
        FileHeader::parse(page, DatabaseId([7; 16]), 5).unwrap()
    }

    #[test]
    fn a_header_reads_back() {
        assert_eq!(parse(&header().encode()), HeaderState::Valid(header()));
    }

    #[test]
    fn every_flipped_bit_makes_the_header_missing() {
        let page = header().encode();
        for bit in 0..PAGE * 8 {
            let mut page = page;
            page[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(parse(&page), HeaderState::Missing, "bit {bit}");
        }
    }

    #[test]
    fn the_header_of_a_recycled_file_is_missing_and_one_of_another_database_is_refused() {
        let page = header().encode();
        assert_eq!(FileHeader::parse(&page, DatabaseId([7; 16]), 6).unwrap(), HeaderState::Missing);
        let error = FileHeader::parse(&page, DatabaseId([8; 16]), 5).unwrap_err();
        assert_eq!(error.kind(), tsds_traits::ErrorKind::Corrupt);
    }

    #[test]
    fn a_later_version_and_encryption_are_refused_and_not_taken_for_damage() {
        for (at, value) in [(8, 2), (10, 1), (12, 4), (124, 1)] {
            let mut page = header().encode();
            page[at] = value;
            let crc = crc32c(&page[..CRC_AT]).to_le_bytes();
            page[CRC_AT..].copy_from_slice(&crc);
            let error = FileHeader::parse(&page, DatabaseId([7; 16]), 5).unwrap_err();
            assert_eq!(error.kind(), tsds_traits::ErrorKind::Unsupported, "byte {at}");
        }
    }
}
