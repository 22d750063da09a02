//! One implementation of each trait, written against public API only and as plainly as possible: they show that a foreign
//! plugin can pass, and saboteurs are made of them.

pub mod checksum;
pub mod codec;
pub mod evictor;
pub mod key_provider;
pub mod tier;
pub mod wal;
