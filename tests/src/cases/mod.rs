//! The cases: what each trait's contract says, line by line.

pub mod codec;
pub mod evictor;
pub mod key_provider;
pub mod tier;
pub mod wal;
