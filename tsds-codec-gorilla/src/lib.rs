//! Gorilla compression for time series: small on real sensors, and decoded by vectors.
//!
//! Each column of a block is encoded by itself, in the shortest of several modes: a progression (regular times), integers,
//! floats that are decimals, a dictionary of few values, the codes of the Gorilla paper (T. Pelkonen and others, "Gorilla: A
//! Fast, Scalable, In-Memory Time Series Database", VLDB 2015), or as it is. All but the last two become integers, which are
//! packed in mini-blocks of 128 ([`Layout`]); these are decoded eight or sixteen at a time with AVX-512, AVX2 or portable code, any part
//! of them alone, and compared without becoming floats again ([`Block::select`]). What decoding gives has the same bits on
//! every path, and any bytes, whatever they are, give values or [`Damaged`].
//!
//! | for | there is |
//! |---|---|
//! | points, each a time and a value | [`GorillaEncoder`], [`GorillaDecoder`] |
//! | a column of any [`Kind`], with nulls | [`encode()`], [`Block`] |
//! | the codec of TSDS over Arrow arrays, with feature `codec` (default) | [`GorillaCodec`] |
//! | kernels on devices | [`Block::layout`], [`Block::classic_layout`], [`numbers_within`] |
//!
//! Processors without AVX2 run the portable code, which compilers turn into the vectors of the target (NEON on ARM); what is
//! neither x86 nor little-endian has not been tried.
//!
//! Without default features the crate depends on nothing of TSDS or Arrow. `docs/formats/gorilla.md` has the bytes.

mod bits;
mod block;
mod classic;
#[cfg(feature = "codec")]
mod codec;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod ints;
mod isa;
mod points;
mod simd;
mod values;

pub use block::{
    Block, Column, IntegersLayout, Layout, MAX_ROWS, MiniLayout, Mode, ModeChoice, VERSION, encode,
    max_block_len, numbers_within,
};
pub use classic::{ClassicLayout, ClassicPlace};
#[cfg(feature = "codec")]
pub use codec::{GORILLA, GorillaCodec, plugin};
pub use error::Damaged;
pub use ints::Form;
pub use isa::Isa;
pub use points::{GorillaDecoder, GorillaEncoder};
pub use values::{Kind, place};
