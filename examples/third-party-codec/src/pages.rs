//! What pco is asked: one chunk of one page for all values of a block.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pco::errors::{ErrorKind, PcoError, PcoResult};
use pco::wrapped::{FileCompressor, FileDecompressor};
use pco::{ChunkConfig, FULL_BATCH_N, PagingSpec};

use crate::numbers::Number;
use crate::preflight::check;

/// pco's own default.
const LEVEL: usize = pco::DEFAULT_COMPRESSION_LEVEL;

/// The values compressed, or `None` where pco cannot or where [`decompress`] would refuse it: store them as they are.
pub(crate) fn compress<N: Number>(values: &[N]) -> Option<Vec<u8>> {
    let config = ChunkConfig::default()
        .with_compression_level(LEVEL)
        .with_paging_spec(PagingSpec::Exact(vec![values.len()]))
        .with_enable_8_bit(true);
    let packed = caught(|| {
        let file = FileCompressor::default();
        let mut chunk = file.chunk_compressor(values, &config)?;
        let packed = chunk.write_meta(file.write_header(Vec::new())?)?;
        chunk.write_page(0, packed)
    })?;
    // What a later pco may come to write shall not be found unreadable afterwards.
    check(&packed, size_of::<N>(), values.len()).is_ok().then_some(packed)
}

/// The first `upto` of `count` values, and perhaps some more.
pub(crate) fn decompress<N: Number>(
    packed: &[u8],
    count: usize,
    upto: usize,
) -> Result<Vec<N>, &'static str> {
    check(packed, size_of::<N>(), count)?;
    let len = upto.next_multiple_of(FULL_BATCH_N).min(count);
    caught(|| {
        let (file, rest) = FileDecompressor::new(packed)?;
        let (mut chunk, rest) = file.chunk_decompressor::<N, _>(rest)?;
        let mut page = chunk.page_decompressor(rest, count)?;
        let mut values = vec![<N as Default>::default(); len];
        let progress = page.read(&mut values)?;
        let left = if progress.finished { page.into_src().len() } else { 0 };
        if progress.n_processed != len || left > 0 {
            let message = "page has another number of values".into();
            return Err(PcoError { kind: ErrorKind::Corruption, message });
        }
        Ok(values)
    })
    .ok_or("block does not decompress")
}

/// What pco makes of it, unless it fails.
///
/// pco returns errors for bytes that it did not write, and its own tests flip them. But it does so in code that indexes and
/// shifts by what it reads, and a codec promises never to panic, whatever the bytes: bytes that somebody forged can have a
/// right checksum. Where panics abort the process this does not help, and [`check`] and the checksum are what is left.
fn caught<T>(work: impl FnOnce() -> PcoResult<T>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()?.ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(values: &[i64]) -> Vec<u8> {
        compress(values).unwrap()
    }

    #[test]
    fn a_prefix_is_decoded_without_the_rest() {
        let values: Vec<i64> = (0..10_000).map(|n| n * 1_000 + n % 7).collect();
        let bytes = packed(&values);
        for upto in [0, 1, 255, 256, 257, 9_999, 10_000] {
            let decoded = decompress::<i64>(&bytes, values.len(), upto).unwrap();
            assert_eq!(decoded.get(..upto), values.get(..upto), "{upto}");
            assert!(decoded.len() < upto + FULL_BATCH_N, "{upto}");
        }
    }

    #[test]
    fn bytes_after_the_page_are_refused() {
        let values: Vec<i64> = (0..1_000).collect();
        let bytes = [packed(&values), vec![0]].concat();
        assert!(decompress::<i64>(&bytes, values.len(), values.len()).is_err());
    }

    proptest! {
        /// Forged bytes: as if their checksum were right.
        #[test]
        fn forged_bytes_do_no_harm(
            seed in any::<u64>(),
            flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            count in 0..700_usize,
        ) {
            let values: Vec<i64> = (0..600).map(|n| (seed as i64).wrapping_mul(n) % 1_009).collect();
            let mut bytes = packed(&values);
            for (at, to) in flips {
                // Metadata comes first, and is where the danger is.
                let at = if to % 2 == 0 { at.index(bytes.len()) } else { at.index(40.min(bytes.len())) };
                bytes[at] = to;
            }
            for upto in [count, count / 2] {
                if let Ok(decoded) = decompress::<i64>(&bytes, count, upto) {
                    prop_assert!(decoded.len() >= upto && decoded.len() <= count);
                }
            }
        }
    }
}
