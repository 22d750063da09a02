//! What can go wrong in a simulated world, and when.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::sim::fs::SharedDisk;

/// What a program asks of a file system, as far as it can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// `Vfs::open`, in any mode.
    Open,
    /// `VfsFile::read_at`.
    Read,
    /// `VfsFile::write_all_at`. Some of the bytes are written before it fails.
    Write,
    /// `VfsFile::set_len`.
    SetLen,
    /// `VfsFile::allocate`.
    Allocate,
    /// `VfsFile::sync_data` and `VfsFile::sync_all`. What it should have written counts as clean afterwards, but is not on
    /// the disk; the next sync succeeds without writing it.
    Sync,
    /// `Vfs::sync_dir`. As with `Sync`, the names are not on the disk, and the next sync does not put them there.
    SyncDir,
    /// `Vfs::rename`.
    Rename,
    /// `Vfs::remove_file` and `Vfs::remove_dir`.
    Remove,
    /// Each directory that `Vfs::create_dir_all` creates.
    CreateDir,
    /// `Vfs::read_dir`.
    ReadDir,
    /// `Vfs::lock`.
    Lock,
    /// `VfsFile::drop_cache`.
    DropCache,
}

/// A failure to come: of which operations, which of them, with what error.
#[derive(Clone, Debug)]
pub struct Fault {
    operation: Option<Operation>,
    path: Option<String>,
    countdown: u64,
    sticky: bool,
    error: io::ErrorKind,
}

impl Fault {
    /// The next operation of this kind fails, once.
    pub fn on(operation: Operation, error: io::ErrorKind) -> Self {
        Self { operation: Some(operation), path: None, countdown: 1, sticky: false, error }
    }

    /// The next operation that changes the disk (see [`SimWorld::operations`](crate::SimWorld::operations)) fails, once.
    pub fn on_any_change(error: io::ErrorKind) -> Self {
        Self { operation: None, path: None, countdown: 1, sticky: false, error }
    }

    /// Not the next but the `n`-th such operation from now fails; 1 is the next.
    #[must_use]
    pub fn nth(mut self, n: u64) -> Self {
        self.countdown = n.max(1);
        self
    }

    /// All such operations after it fail too.
    #[must_use]
    pub fn sticky(mut self) -> Self {
        self.sticky = true;
        self
    }

    /// Counts and fails only operations on paths that contain `part`. A rename counts for either of its paths.
    #[must_use]
    pub fn on_paths_with(mut self, part: impl Into<String>) -> Self {
        self.path = Some(part.into());
        self
    }

    /// Counts one operation; the error if it is the one to fail.
    fn meet(&mut self, operation: Operation, changes: bool, paths: &[&str]) -> Option<io::ErrorKind> {
        let matches = self.operation.map_or(changes, |wanted| wanted == operation)
            && self.path.as_ref().is_none_or(|part| paths.iter().any(|path| path.contains(part.as_str())));
        if !matches || self.countdown == 0 {
            return None;
        }
        if self.countdown > 1 {
            self.countdown -= 1;
            return None;
        }
        if !self.sticky {
            self.countdown = 0;
        }
        Some(self.error)
    }

    fn is_spent(&self) -> bool {
        self.countdown == 0
    }
}

/// The faults that wait to strike.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    faults: Vec<Fault>,
    pub(crate) struck: u64,
}

impl Plan {
    pub(crate) fn meet(
        &mut self,
        operation: Operation,
        changes: bool,
        paths: &[&str],
    ) -> Option<io::ErrorKind> {
        let mut error = None;
        for fault in &mut self.faults {
            let met = fault.meet(operation, changes, paths);
            error = error.or(met);
        }
        self.faults.retain(|fault| !fault.is_spent());
        self.struck += u64::from(error.is_some());
        error
    }
}

/// In which order unsynced changes of directory entries reach the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectoryOrder {
    /// As on file systems with a journal (ext4, XFS, Btrfs): a power cut leaves those before some moment.
    Journal,
    /// As POSIX allows: a power cut leaves any of them; only changes of the same name keep their order.
    AnySubset,
}

/// How much of what is not synced survives a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// None of it.
    Nothing,
    /// All of it, except what a failed sync lost.
    Everything,
    /// Whatever the seed says: any sectors, any of the lengths, garbage where a file grew.
    Random,
}

/// Makes things go wrong in one simulated world. A clone is a handle to the same world. All of it ends with that world: the
/// world after a crash or kill has no faults, but the same capacity, read-only state and directory order.
#[derive(Clone)]
pub struct Faults {
    disk: Arc<SharedDisk>,
}

impl std::fmt::Debug for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Faults").finish_non_exhaustive()
    }
}

impl Faults {
    pub(crate) fn new(disk: Arc<SharedDisk>) -> Self {
        Self { disk }
    }

    /// Adds a failure to come. Several may wait at the same time; each counts for itself.
    pub fn inject(&self, fault: Fault) {
        self.disk.state().plan.faults.push(fault);
    }

    /// Forgets the failures to come, sticky ones too: the disk is healed. What failed syncs lost stays lost.
    pub fn clear(&self) {
        self.disk.state().plan.faults.clear();
    }

    /// How many operations have failed through injected faults.
    pub fn struck(&self) -> u64 {
        self.disk.state().plan.struck
    }

    /// The size of the disk in bytes, in whole pages of 4 KiB; `None` is endless. A write that finds no space writes what
    /// fits and fails with `StorageFull`, as does an allocation. Removing and cutting files frees space at once.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.disk.state().capacity = bytes;
    }

    /// Whether all that changes the disk fails with `ReadOnlyFilesystem`.
    pub fn set_read_only(&self, read_only: bool) {
        self.disk.state().read_only = read_only;
    }

    /// The directory that is said to lie on a network file system, `nfs`, with all below it. It works as any other.
    pub fn set_network_directory(&self, directory: Option<PathBuf>) {
        self.disk.state().network = directory;
    }

    /// Cuts the power at the `n`-th operation that changes the disk, counted from the start of this world as
    /// [`SimWorld::operations`](crate::SimWorld::operations) does; 1 is the first. By the seed that operation still happens
    /// or not; it and everything after it fails with an error that [`is_power_cut`](crate::is_power_cut) knows, until the
    /// test calls [`SimWorld::crash`](crate::SimWorld::crash).
    pub fn crash_at_operation(&self, n: u64) {
        self.disk.state().crash_at = Some(n.max(1));
    }

    /// In which order directory entries reach the disk. Unless set, each power cut takes one of the two by the seed.
    pub fn set_directory_order(&self, order: DirectoryOrder) {
        self.disk.state().order = Some(order);
    }

    /// How long each operation of a kind takes on the simulated clock; nothing unless set.
    pub fn set_delay(&self, operation: Operation, delay: Duration) {
        self.disk.state().delays.insert(operation, delay);
    }
}

/// The power is gone: every operation fails like this until the world is crashed.
#[derive(Debug)]
struct PowerCut;

impl std::fmt::Display for PowerCut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("simulated power cut")
    }
}

impl std::error::Error for PowerCut {}

pub(crate) fn power_cut() -> io::Error {
    io::Error::other(PowerCut)
}

/// Whether an error came from the power cut of a simulated world, or from using a world that has ended.
pub fn is_power_cut(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<PowerCut>())
}
