//! Writing a log: groups of frames, the file they go to, the files that are prepared ahead, and copies of files.

mod copy;
mod group;
mod pool;
mod writer;

pub(crate) use copy::FileCopy;
pub(crate) use pool::{FilePool, PreparedFile};
pub(crate) use writer::{Failure, LiveFile, Writer};
