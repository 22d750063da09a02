//! A file system that knows what a power cut would leave of it.

mod content;
mod names;
mod next_life;
mod pages;
mod power_cut;
mod state;
mod tools;
mod tree;
mod vfs;

use std::path::{Component, Path};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{fmt, io};

pub(crate) use state::DiskState;
pub(crate) use vfs::SimVfs;

/// The disk of one life of a simulated world, shared by its file system, its open files and its [`Faults`](crate::Faults).
pub(crate) struct SharedDisk(Mutex<DiskState>);

impl SharedDisk {
    pub(crate) fn new(state: DiskState) -> Self {
        Self(Mutex::new(state))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, DiskState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SharedDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedDisk").finish_non_exhaustive()
    }
}

/// The names in a path, from the root; a relative path starts there too.
fn parts(path: &Path) -> io::Result<Vec<&str>> {
    path.components()
        .filter_map(|component| match component {
            Component::RootDir | Component::CurDir => None,
            Component::Normal(name) => Some(name.to_str().ok_or_else(|| invalid("a name is not UTF-8"))),
            Component::ParentDir | Component::Prefix(_) => {
                Some(Err(invalid("simulated paths have no `..` and no prefix")))
            }
        })
        .collect()
}

fn invalid(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

/// How a path is written in faults and traces.
fn shown(parts: &[&str]) -> String {
    format!("/{}", parts.join("/"))
}
