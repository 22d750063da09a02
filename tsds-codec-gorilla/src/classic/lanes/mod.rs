//! The layout for fast decoding: lanes of rows whose words share one array, in the order in which lock-step decoding needs them.

mod decode;
mod encode;
mod head;
mod portable;
mod schedule;
mod state;

pub(super) use decode::decode;
pub(super) use encode::encode;
pub(super) use head::Headed;
