//! Gorilla compression for time series.

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
mod simd;
mod values;

pub use block::{Block, MAX_ROWS, Mode, VERSION};
#[cfg(feature = "codec")]
pub use codec::{GORILLA, GorillaCodec, plugin};
pub use error::Damaged;
pub use isa::Isa;
pub use values::{Kind, place};
