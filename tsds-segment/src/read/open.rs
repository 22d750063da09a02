//! Reads and checks what is not a block: header, trailer, footer.

use std::io;

use tsds_traits::{DatabaseId, Error, ErrorKind, Result, VfsFile};

use crate::format::{Checksum, Footer, HEADER_LEN, Header, NO_CIPHER, TRAILER_LEN, Trailer, unpack_footer};

/// What opening a file gives.
pub(crate) struct Opened {
    pub(crate) footer: Footer,
    pub(crate) file_len: u64,
    /// The length of the footer in memory.
    pub(crate) footer_bytes: u64,
    pub(crate) footer_offset: u64,
}

/// Reads a file's footer. Allocates no more than a small multiple of the file's length.
pub(crate) fn read_footer(file: &dyn VfsFile, database: Option<DatabaseId>) -> Result<Opened> {
    let file_len = file.len()?;
    if file_len < (HEADER_LEN + TRAILER_LEN) as u64 {
        return Err(Error::corrupt("segment file is too short").with("bytes", file_len));
    }
    let mut start = read(file, 0, HEADER_LEN)?;
    let header_len = Header::len_of(&start)?;
    if header_len > HEADER_LEN {
        // Of a later version: read whole, so that its checksum tells that from damage.
        start = read(file, 0, header_len)?;
    }
    let header = Header::decode(&start)?;
    if database.is_some_and(|database| database != header.database) {
        return Err(Error::corrupt("segment file belongs to another database")
            .with("database", header.database)
            .with("segment", header.segment));
    }
    if header.cipher_suite != NO_CIPHER {
        return Err(Error::new(
            ErrorKind::KeyUnavailable,
            "segment file is encrypted, which this release cannot read",
        )
        .with("cipher_suite", header.cipher_suite)
        .with("segment", header.segment));
    }
    if header != (Header { salt: [0; 32], key_metadata: Vec::new(), ..header.clone() }) {
        return Err(Error::corrupt("segment file has key metadata without being encrypted"));
    }
    let checksum = Checksum::new(header.database, header.segment);
    let trailer_bytes = read(file, file_len - TRAILER_LEN as u64, TRAILER_LEN)?;
    let trailer_bytes =
        trailer_bytes.first_chunk().ok_or_else(|| Error::corrupt("segment file is too short"))?;
    let trailer = Trailer::decode(trailer_bytes, &checksum, file_len)?;
    // The trailer was checked against the length of the file: this allocates no more than the file has.
    let stored = read(file, trailer.footer_offset, trailer.footer_len as usize)?;
    let plain = unpack_footer(stored, &trailer, &checksum)?;
    Ok(Opened {
        footer: Footer::decode(&plain, &header, trailer.footer_offset)?,
        file_len,
        footer_bytes: plain.len() as u64,
        footer_offset: trailer.footer_offset,
    })
}

/// Reads exactly `len` bytes.
fn read(file: &dyn VfsFile, offset: u64, len: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, offset).map_err(|error| short_is_corrupt(error, offset))?;
    Ok(bytes)
}

/// A file that ends where its own structure says it goes on is damaged.
pub(super) fn short_is_corrupt(error: io::Error, offset: u64) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::corrupt("segment file is cut off").with("offset", offset),
        _ => Error::from(error).with("offset", offset),
    }
}
