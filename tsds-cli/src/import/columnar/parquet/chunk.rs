//! The bytes of a column chunk, whose page headers are looked over before a decoder gets them.

use std::io::{self, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parquet::basic::Compression;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use super::super::super::input::{InputBytes, InputStream};
use super::thrift::{PageHeader, Refused, page_header};

/// What a page may be when it is unpacked.
const MAX_PAGE: u64 = 1 << 30;
/// How much of the file is looked at for a page's header, at first and at most.
const HEADER: u64 = 1 << 14;
const MAX_HEADER: u64 = 1 << 24;
/// No byte of GZIP or LZ4 stands for more than this many.
const GZIP_RATIO: u64 = 1_032;
const LZ4_RATIO: u64 = 255;

/// The file, for the reader of one column chunk.
#[derive(Clone, Debug)]
pub(super) struct ChunkBytes {
    bytes: InputBytes,
    compression: Compression,
    /// Of the page whose header was read last: how long it is unpacked, and how much of it is not packed.
    unpacked: Arc<AtomicU64>,
    levels: Arc<AtomicU64>,
}

fn refused(why: &'static str) -> ParquetError {
    ParquetError::General(why.into())
}

fn failed(error: io::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl ChunkBytes {
    pub(super) fn new(bytes: InputBytes, compression: Compression) -> Self {
        Self { bytes, compression, unpacked: Arc::default(), levels: Arc::default() }
    }

    /// Looks over the header of the page at `start`.
    fn header(&self, start: u64) -> Result<PageHeader> {
        let left = self.bytes.len().saturating_sub(start);
        let mut window = HEADER;
        loop {
            let len = usize::try_from(window.min(left)).map_err(|_| refused("a header is too long"))?;
            let mut bytes = vec![0; len];
            self.bytes.read_exact_at(&mut bytes, start).map_err(failed)?;
            match page_header(&bytes) {
                Ok(header) => return Ok(header),
                Err(Refused::TooShort) if window < left.min(MAX_HEADER) => window *= 8,
                Err(why) => return Err(refused(why.text())),
            }
        }
    }

    /// GZIP and old LZ4 are unpacked to their end, whatever length is said: so where that could be much, the length must be
    /// true.
    fn check_unpacked(&self, page: &[u8]) -> Result<()> {
        let levels = usize::try_from(self.levels.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
        let says = self.unpacked.load(Ordering::Relaxed).saturating_sub(levels as u64);
        let packed = page.get(levels..).unwrap_or_default();
        let at_most = |ratio: u64| (packed.len() as u64).saturating_mul(ratio);
        match self.compression {
            Compression::GZIP(_) if at_most(GZIP_RATIO) > MAX_PAGE => {
                let mut unpacked = flate2::read::MultiGzDecoder::new(packed).take(says.saturating_add(1));
                if io::copy(&mut unpacked, &mut io::sink()).map_err(failed)? != says {
                    return Err(refused("a page unpacks to another length than it says"));
                }
                Ok(())
            }
            Compression::LZ4 if at_most(LZ4_RATIO) > MAX_PAGE => {
                Err(refused("a page in the old form of LZ4 is too large"))
            }
            _ => Ok(()),
        }
    }
}

impl Length for ChunkBytes {
    fn len(&self) -> u64 {
        self.bytes.len()
    }
}

impl ChunkReader for ChunkBytes {
    type T = BufReader<InputStream>;

    /// Asked for by the decoder of a page's header.
    fn get_read(&self, start: u64) -> Result<Self::T> {
        let header = self.header(start)?;
        let [unpacked, packed, levels, values] =
            [header.unpacked, header.packed, header.levels, header.dictionary_values].map(i64::unsigned_abs);
        if unpacked > MAX_PAGE {
            return Err(refused("a page would unpack to more than 1 GiB"));
        }
        // No value of a dictionary takes less than a byte.
        if packed > self.bytes.len().saturating_sub(start) || levels > packed || values > unpacked {
            return Err(refused("the header of a page says more than there is"));
        }
        self.unpacked.store(unpacked, Ordering::Relaxed);
        self.levels.store(levels, Ordering::Relaxed);
        Ok(BufReader::with_capacity(HEADER as usize, InputStream::new(self.bytes.clone(), start)))
    }

    /// Asked for by the decoder of a page.
    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let mut bytes = vec![0; self.bytes.checked_len(start, length as u64).map_err(failed)?];
        self.bytes.read_exact_at(&mut bytes, start).map_err(failed)?;
        self.check_unpacked(&bytes)?;
        Ok(bytes.into())
    }
}
