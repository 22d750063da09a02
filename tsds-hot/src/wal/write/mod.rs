//! Writing a log: groups of frames, the file they go to, and the files that are prepared ahead.

mod group;
mod pool;
mod writer;

pub(crate) use group::{GroupBuffer, Target};
pub(crate) use pool::{FilePool, PreparedFile};
pub(crate) use writer::{Failure, LiveFile, Writer};
