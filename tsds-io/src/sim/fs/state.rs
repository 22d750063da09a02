//! The state of the simulated disk, and the gate that every operation on it passes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::content::Content;
use super::names::{DurableNames, Entries, InodeId};
use crate::sim::clock::Timeline;
use crate::sim::faults::{DirectoryOrder, Operation, Plan, power_cut};
use crate::sim::random::SeededNumbers;

pub(super) const ROOT: InodeId = 0;
/// Fewer inodes than this are not worth a sweep.
pub(super) const LEAST_SWEEP: usize = 256;

pub(crate) enum Inode {
    File { content: Content, handles: u32, linked: bool },
    Directory(Entries),
}

/// What the gate says to an operation.
pub(super) enum Admission {
    Go,
    /// It happens, but the power goes before anybody hears of it.
    LastBreath,
    /// An injected fault strikes.
    Strike(io::Error),
    /// It does not happen.
    Refuse(io::Error),
}

pub(crate) struct DiskState {
    pub(super) inodes: BTreeMap<InodeId, Inode>,
    pub(super) next_inode: InodeId,
    pub(super) names: DurableNames,
    pub(super) locks: BTreeSet<InodeId>,
    pub(super) numbers: SeededNumbers,
    pub(super) timeline: Arc<Timeline>,
    pub(crate) plan: Plan,
    pub(crate) capacity: Option<u64>,
    pub(crate) read_only: bool,
    /// What lies on another machine.
    pub(crate) network: Option<PathBuf>,
    pub(crate) crash_at: Option<u64>,
    pub(crate) order: Option<DirectoryOrder>,
    pub(crate) delays: BTreeMap<Operation, Duration>,
    pub(crate) operations: u64,
    /// A number that any difference between two runs changes.
    pub(crate) trace: u64,
    /// The power is gone or the world has ended: nothing works any more.
    pub(crate) dead: bool,
    /// How many inodes it takes until those that nobody can find are swept away.
    pub(super) sweep_at: usize,
}

impl DiskState {
    pub(crate) fn new(seed: u64, timeline: Arc<Timeline>) -> Self {
        Self {
            inodes: BTreeMap::from([(ROOT, Inode::Directory(Entries::new()))]),
            next_inode: ROOT + 1,
            names: DurableNames::default(),
            locks: BTreeSet::new(),
            numbers: SeededNumbers::new(seed),
            timeline,
            plan: Plan::default(),
            capacity: None,
            read_only: false,
            network: None,
            crash_at: None,
            order: None,
            delays: BTreeMap::new(),
            operations: 0,
            trace: 0,
            dead: false,
            sweep_at: LEAST_SWEEP,
        }
    }

    /// Every operation asks here first. `changes` says whether it changes the disk.
    pub(super) fn admit(&mut self, operation: Operation, changes: bool, paths: &[&str]) -> Admission {
        if self.dead {
            return Admission::Refuse(power_cut());
        }
        self.operations += u64::from(changes);
        self.note(operation as u64);
        for path in paths {
            path.bytes().for_each(|byte| self.note(u64::from(byte)));
        }
        if let Some(delay) = self.delays.get(&operation) {
            self.timeline.advance(*delay);
        }
        if changes && self.crash_at.is_some_and(|at| self.operations >= at) {
            self.dead = true;
            return if self.numbers.one_in(2) {
                Admission::LastBreath
            } else {
                Admission::Refuse(power_cut())
            };
        }
        if let Some(kind) = self.plan.meet(operation, changes, paths) {
            return Admission::Strike(io::Error::new(kind, format!("simulated failure of {operation:?}")));
        }
        if changes && self.read_only {
            return Admission::Refuse(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        Admission::Go
    }

    /// Does `work` if the gate lets it pass.
    pub(super) fn perform<T>(
        &mut self,
        operation: Operation,
        changes: bool,
        paths: &[&str],
        work: impl FnOnce(&mut Self) -> io::Result<T>,
    ) -> io::Result<T> {
        match self.admit(operation, changes, paths) {
            Admission::Go => work(self),
            Admission::LastBreath => {
                // Nobody hears whether it worked.
                let _ = work(self);
                Err(power_cut())
            }
            Admission::Strike(error) | Admission::Refuse(error) => Err(error),
        }
    }

    pub(crate) fn note(&mut self, event: u64) {
        self.trace = (self.trace ^ event).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
    }
}
