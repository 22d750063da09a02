//! What [`tsds_traits::Tier::list`] gives as the record of a segment: where its file lies, and nothing else.

use bytes::Bytes;
use object_store::path::Path;

use crate::record::FileRecord;

const PREFIX: &[u8] = b"TSDSCLOC";

/// The record of a listed segment.
pub(crate) fn encode(path: &Path) -> Bytes {
    [PREFIX, path.as_ref().as_bytes()].concat().into()
}

/// The path in a record of either kind; `None` if there is none to be had.
pub(crate) fn path_of(record: &[u8]) -> Option<Path> {
    match record.strip_prefix(PREFIX) {
        Some(path) => Path::parse(std::str::from_utf8(path).ok()?).ok(),
        None => FileRecord::decode(record).ok().map(|record| record.path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_reads_back() {
        let path = Path::from("7/year=2013/x.parquet");
        assert_eq!(path_of(&encode(&path)), Some(path));
    }

    #[test]
    fn other_bytes_name_no_path() {
        for bytes in [&b""[..], b"TSDSCLOC\xff", b"TSDSCLOCa/../b", b"TSDSCREC"] {
            assert_eq!(path_of(bytes), None, "{bytes:?}");
        }
    }
}
