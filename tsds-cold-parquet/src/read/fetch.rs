//! Bytes of a file, verified before anybody else sees them.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use tsds_traits::{Error, ErrorKind, ReadMeter, Result};

use crate::checksum::{RANGE_BYTES, crc32c};
use crate::record::FileRecord;
use crate::store::from_store;

/// Ranges closer than this are fetched as one: a request costs more than these bytes.
const COALESCE_BYTES: u64 = 2 * RANGE_BYTES;

/// A file and what it must hold.
#[derive(Clone, Debug)]
pub(crate) struct VerifiedFile {
    store: Arc<dyn ObjectStore>,
    record: Arc<FileRecord>,
    meter: ReadMeter,
}

/// Bytes as they came from the store. [`Fetched::verify`] makes them usable.
#[derive(Debug)]
pub(crate) struct Fetched {
    record: Arc<FileRecord>,
    /// Ascending, disjoint, each beginning at a multiple of 64 KiB and ending at one or at the end of the file.
    pieces: Vec<(u64, Bytes)>,
}

/// Bytes that are what was written. Whatever lies between the pieces cannot be read.
#[derive(Clone, Debug)]
pub(crate) struct Verified {
    size: u64,
    pieces: Arc<[(u64, Bytes)]>,
}

impl VerifiedFile {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, record: Arc<FileRecord>) -> Self {
        Self { store, record, meter: ReadMeter::default() }
    }

    /// The same, which counts what is fetched.
    pub(crate) fn metered(self, meter: ReadMeter) -> Self {
        Self { meter, ..self }
    }

    pub(crate) fn meter(&self) -> &ReadMeter {
        &self.meter
    }

    pub(crate) fn record(&self) -> &Arc<FileRecord> {
        &self.record
    }

    /// Reads whole 64 KiB ranges around `wanted`, in as few requests as are worth it.
    ///
    /// # Errors
    ///
    /// `NotFound` without the file, `Corrupt` if it is shorter or longer than it was, and as for I/O.
    pub(crate) async fn fetch(&self, wanted: &[Range<u64>]) -> Result<Fetched> {
        let size = self.record.checksums.size;
        let ranges = align(wanted, size).ok_or_else(|| {
            Error::corrupt("file refers to bytes beyond its own end").with("file", &self.record.path)
        })?;
        let fetched = self.store.get_ranges(&self.record.path, &ranges).await.map_err(from_store);
        let pieces = match fetched {
            Ok(pieces) => pieces,
            Err(error) => return Err(self.explain(error).await),
        };
        let complete = pieces.len() == ranges.len()
            && pieces.iter().zip(&ranges).all(|(piece, range)| piece.len() as u64 == range.end - range.start);
        if !complete {
            return Err(self.explain(Error::corrupt("file gave other ranges than were asked for")).await);
        }
        pieces.iter().for_each(|piece| self.meter.bytes_read(piece.len() as u64));
        let pieces = ranges.into_iter().map(|range| range.start).zip(pieces).collect();
        Ok(Fetched { record: Arc::clone(&self.record), pieces })
    }

    /// A failed read of a file that has another length than it should is damage, whatever the store calls it.
    async fn explain(&self, error: Error) -> Error {
        let path = &self.record.path;
        if error.kind() == ErrorKind::NotFound {
            return Error::new(ErrorKind::NotFound, "file of the segment does not exist").with("file", path);
        }
        match self.store.head(path).await {
            Ok(meta) if meta.size != self.record.checksums.size => {
                Error::corrupt("file has another length than it was written with")
                    .with("file", path)
                    .with("offset", meta.size.min(self.record.checksums.size))
                    .with("size", meta.size)
                    .with("expected", self.record.checksums.size)
            }
            _ => error.with("file", path),
        }
    }
}

impl Fetched {
    /// Checks every 64 KiB range against its CRC32C. Computes for long: call it where that is all right.
    ///
    /// # Errors
    ///
    /// `Corrupt`, naming the file and the offset of the first range that differs.
    pub(crate) fn verify(self) -> Result<Verified> {
        let checksums = &self.record.checksums;
        let step = usize::try_from(RANGE_BYTES).unwrap_or(usize::MAX);
        for (start, bytes) in &self.pieces {
            for (index, range) in bytes.chunks(step).enumerate() {
                let offset = start + index as u64 * RANGE_BYTES;
                let expected =
                    usize::try_from(offset / RANGE_BYTES).ok().and_then(|i| checksums.ranges.get(i));
                if expected != Some(&crc32c(range)) {
                    return Err(Error::corrupt("bytes of the file are not those that were written")
                        .with("file", &self.record.path)
                        .with("offset", offset)
                        .with("length", range.len()));
                }
            }
        }
        Ok(Verified { size: checksums.size, pieces: self.pieces.into() })
    }
}

/// The smallest set of 64 KiB ranges around `wanted`, ascending, with small gaps closed. `None` beyond the end.
fn align(wanted: &[Range<u64>], size: u64) -> Option<Vec<Range<u64>>> {
    let mut sorted = Vec::with_capacity(wanted.len());
    for range in wanted.iter().filter(|range| range.start < range.end) {
        if range.end > size {
            return None;
        }
        let start = range.start / RANGE_BYTES * RANGE_BYTES;
        sorted.push(start..range.end.next_multiple_of(RANGE_BYTES).min(size));
    }
    sorted.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::with_capacity(sorted.len());
    for range in sorted {
        match merged.last_mut() {
            Some(last) if range.start <= last.end + COALESCE_BYTES => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    Some(merged)
}

impl Verified {
    /// Bytes from `start`, to the end of the piece that holds them.
    fn from(&self, start: u64) -> Option<Bytes> {
        let after = self.pieces.partition_point(|(offset, _)| *offset <= start);
        let (offset, bytes) = self.pieces.get(after.checked_sub(1)?)?;
        let skip = usize::try_from(start - offset).ok()?;
        (skip <= bytes.len()).then(|| bytes.slice(skip..))
    }

    /// The bytes of `range`.
    pub(crate) fn slice(&self, range: Range<u64>) -> Option<Bytes> {
        let len = usize::try_from(range.end.checked_sub(range.start)?).ok()?;
        let bytes = self.from(range.start)?;
        (len <= bytes.len()).then(|| bytes.slice(..len))
    }
}

impl Length for Verified {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for Verified {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        self.from(start).map(Buf::reader).ok_or_else(|| outside(start, 0))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let end = start.checked_add(length as u64).ok_or_else(|| outside(start, length))?;
        self.slice(start..end).ok_or_else(|| outside(start, length))
    }
}

fn outside(start: u64, length: usize) -> ParquetError {
    ParquetError::EOF(format!("{length} bytes at offset {start} were not fetched"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KIB: u64 = 1 << 10;

    #[test]
    fn small_gaps_are_closed_and_large_ones_are_not() {
        let size = 1_000 * KIB;
        let near = align(&[5..6, 100 * KIB..101 * KIB], size).unwrap();
        assert_eq!(near, vec![0..128 * KIB; 1]);
        let far = align(&[5..6, 900 * KIB..901 * KIB], size).unwrap();
        assert_eq!(far, [0..64 * KIB, 896 * KIB..960 * KIB]);
        let one = |range: Range<u64>| align(std::slice::from_ref(&range), size);
        assert_eq!(one(999 * KIB..size).unwrap(), vec![960 * KIB..size; 1]);
        assert_eq!(one(999 * KIB..size + 1), None);
    }

    proptest! {
        #[test]
        fn aligned_ranges_cover_what_is_wanted_and_are_disjoint(
            wanted in proptest::collection::vec((0u64..2_000_000, 0u64..300_000), 0..8),
        ) {
            let size = 2_300_000;
            let wanted: Vec<_> = wanted.into_iter().map(|(start, len)| start..start + len).collect();
            let aligned = align(&wanted, size).unwrap();
            for range in wanted.iter().filter(|range| !range.is_empty()) {
                prop_assert!(aligned.iter().any(|a| a.start <= range.start && range.end <= a.end));
            }
            prop_assert!(aligned.windows(2).all(|pair| pair[0].end < pair[1].start));
            prop_assert!(aligned.iter().all(|a| a.start % RANGE_BYTES == 0 && a.end <= size));
            prop_assert!(aligned.iter().all(|a| a.end % RANGE_BYTES == 0 || a.end == size));
        }
    }
}
