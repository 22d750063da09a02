//! Blocks: the values of one column, encoded in the mode that is shortest, behind a header with a checksum.

mod choose;
mod encode;
mod header;
mod parse;
mod read;
mod select;
#[cfg(test)]
mod tests;

pub(crate) use choose::Choice;
pub(crate) use encode::{BlockInput, encode_block, max_block_len};
pub use header::{MAX_ROWS, Mode, VERSION};
pub use parse::Block;
