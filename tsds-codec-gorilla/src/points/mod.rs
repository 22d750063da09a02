//! Points to bytes and back, for those who want nothing but the codec.

mod decoder;
mod encoder;
#[cfg(test)]
mod tests;

pub use decoder::GorillaDecoder;
pub use encoder::GorillaEncoder;

/// The bytes before the blocks of a frame: the lengths of the block of times and of the block of values, as little-endian
/// numbers of 32 bits.
const FRAME_HEADER: usize = 8;
