//! Payload columns as blocks of bytes, one value a row: bytes as they are, nested values as `docs/formats/payload.md` says.
//!
//! A record depends on the value alone, so that equal columns have equal blocks, whatever stands under nulls and however lists are sliced.
//! A null inside of a value is written as the default of its type: what a record grows to in memory is then bounded by its length, also where
//! the bytes are forged.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub(crate) use decode::from_block;
pub(crate) use encode::to_block;

/// Nothing is null in a run of values.
const ALL_VALID: u8 = 0;
/// A bitmap of what is not null comes before the values.
const SOME_NULL: u8 = 1;
