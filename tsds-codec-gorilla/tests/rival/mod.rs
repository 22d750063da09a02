//! pco, the codec to measure sizes against: one chunk of one page for a block, as who keeps blocks would use it.
#![allow(dead_code, unreachable_pub, reason = "tests and benches each take what they need")]

use pco::data_types::Number;
use pco::wrapped::{FileCompressor, FileDecompressor};
use pco::{ChunkConfig, ModeSpec};

/// The level of who does not choose.
pub const LEVEL: usize = pco::DEFAULT_COMPRESSION_LEVEL;
/// The level that takes all the time there is.
pub const HIGHEST_LEVEL: usize = 12;

/// The smallest that pco makes of a block with its automatic mode or without any mode, in its standalone or its wrapped form.
/// The two modes are both tried since the automatic one misjudges short regular times: it splits a constant step into two
/// factors and spends a bit on each row.
pub fn smallest<T: Number>(values: &[T], level: usize) -> Vec<u8> {
    let wrapped = [ModeSpec::Auto, ModeSpec::Classic].map(|mode| encode(values, level, mode));
    wrapped.into_iter().min_by_key(Vec::len).unwrap_or_default()
}

/// One chunk in the wrapped form, which leaves magic, version and row count to who keeps it. The standalone form is never
/// smaller: it holds the same chunk and page, and those.
pub fn encode<T: Number>(values: &[T], level: usize, mode: ModeSpec) -> Vec<u8> {
    let config = ChunkConfig::default().with_compression_level(level).with_mode_spec(mode);
    let mut chunk = FileCompressor::default().chunk_compressor(values, &config).unwrap();
    let mut out = Vec::new();
    chunk.write_meta(&mut out).unwrap();
    chunk.write_page(0, &mut out).unwrap();
    out
}

/// The version of the wrapped form, which stands once for any number of chunks.
pub fn file() -> FileDecompressor {
    let mut header = Vec::new();
    FileCompressor::default().write_header(&mut header).unwrap();
    FileDecompressor::new(header.as_slice()).unwrap().0
}

/// Decodes one chunk into a slice of just its length.
pub fn decode<T: Number>(file: &FileDecompressor, bytes: &[u8], out: &mut [T]) {
    let (mut chunk, page) = file.chunk_decompressor::<T, _>(bytes).unwrap();
    chunk.page_decompressor(page, out.len()).unwrap().read(out).unwrap();
}
