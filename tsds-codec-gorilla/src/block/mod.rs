//! Blocks: the values of one column, encoded in the mode that is shortest, behind a header with a checksum.

mod choose;
mod classic;
mod decimals;
mod encode;
mod header;
mod layout;
mod parse;
mod read;
mod select;
#[cfg(test)]
mod tests;

pub use choose::ModeChoice;
pub use decimals::numbers_within;
pub use encode::{Column, encode, max_block_len};
#[cfg(feature = "codec")]
pub(crate) use header::Header;
#[cfg(feature = "conformance")]
pub(crate) use header::forge_checksum;
pub use header::{MAX_ROWS, Mode, VERSION};
pub use layout::{IntegersLayout, Layout, MiniLayout};
pub use parse::Block;
