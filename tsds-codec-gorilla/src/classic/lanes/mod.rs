//! The layout for fast decoding: lanes of rows whose words share one array, in the order in which lock-step decoding needs them.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod decode;
mod encode;
mod head;
mod layout;
mod portable;
mod rows;
mod schedule;
mod state;
#[cfg(target_arch = "x86_64")]
mod vector;

pub(super) use decode::{Decoded, decode};
pub(super) use encode::encode;
pub(super) use head::Headed;
pub(super) use layout::layout;
