//! A run of 64-bit integers in few bits: what every mode of a block turns its values into.
//!
//! Values are cut into mini-blocks of [`MINI`]. A [`Form`] turns them into small unsigned numbers, of which every mini-block
//! packs the low bits in its own width; the few that are wider have their upper bits apart, as in patched frame of
//! reference coding (M. Zukowski, S. Heman, N. Nes, P. Boncz, "Super-Scalar RAM-CPU Cache Compression", ICDE 2006). Every
//! mini-block has its own base and its width, base and place follow from a directory, so that none needs another and no
//! bit has to be parsed to find the next. `docs/formats/gorilla.md` has the bytes.

mod decode;
mod encode;
mod fill;
mod layout;
mod minis;
mod narrow;
mod patch;
mod plan;
mod reach;
mod scale;
mod select;
#[cfg(test)]
mod tests;
mod wide;

pub(crate) use decode::{AddDecoded, Decode, LookUp, Progression, Same, Transform};
pub(crate) use encode::{Choice, encode, encode_centred, encode_within, estimated_len};
pub use layout::Form;
pub(crate) use layout::Stream;
pub(crate) use minis::{Minis, Pad};
pub(crate) use reach::bounds_of_centred;
pub(crate) use select::{Select, SelectBeside, Within, WithinAny};

/// How many values a mini-block has; the last may have fewer.
pub(crate) const MINI: usize = 128;
/// The bits of a position in a mini-block.
pub(crate) const POSITION_BITS: u32 = 7;
/// With more patches than this a bitmap of the mini-block is shorter than their positions.
pub(crate) const MAX_POSITIONS: usize = MINI / POSITION_BITS as usize;

/// How many mini-blocks `rows` values have.
pub(crate) fn mini_count(rows: usize) -> usize {
    rows.div_ceil(MINI)
}

/// The bytes that say where the patches of a mini-block are.
pub(crate) fn positions_len(patches: usize) -> usize {
    match patches {
        0 => 0,
        1..=MAX_POSITIONS => crate::bits::packed_len(patches, POSITION_BITS),
        _ => MINI / 8,
    }
}
