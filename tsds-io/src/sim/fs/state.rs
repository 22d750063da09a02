//! The state of the simulated disk: inodes, names, and the gate that every operation passes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::content::Content;
use super::names::{Change, DurableNames, Entries, InodeId};
use super::pages::{PAGE, Page};
use crate::sim::clock::Timeline;
use crate::sim::faults::{DirectoryOrder, Operation, Plan, Survival, power_cut};
use crate::sim::random::{SeededNumbers, mix};

const ROOT: InodeId = 0;

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
    next_inode: InodeId,
    pub(super) names: DurableNames,
    pub(super) locks: BTreeSet<InodeId>,
    pub(super) numbers: SeededNumbers,
    pub(super) timeline: Arc<Timeline>,
    pub(crate) plan: Plan,
    pub(crate) capacity: Option<u64>,
    pub(crate) read_only: bool,
    pub(crate) crash_at: Option<u64>,
    pub(crate) order: Option<DirectoryOrder>,
    pub(crate) delays: BTreeMap<Operation, Duration>,
    pub(crate) operations: u64,
    /// A number that any difference between two runs changes.
    pub(crate) trace: u64,
    /// The power is gone or the world has ended: nothing works any more.
    pub(crate) dead: bool,
    sweep_at: usize,
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
            crash_at: None,
            order: None,
            delays: BTreeMap::new(),
            operations: 0,
            trace: 0,
            dead: false,
            sweep_at: 256,
        }
    }

    /// The same disk, with nothing on it yet, in the life that follows.
    fn next_life(&self, seed: u64, timeline: Arc<Timeline>) -> Self {
        Self {
            next_inode: self.next_inode,
            capacity: self.capacity,
            read_only: self.read_only,
            order: self.order,
            ..Self::new(seed, timeline)
        }
    }

    // ---- the gate

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

    // ---- the tree

    /// The inode at a normalised path.
    pub(super) fn find(&self, parts: &[&str]) -> io::Result<InodeId> {
        parts.iter().try_fold(ROOT, |directory, name| {
            self.entries(directory)?.get(*name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
        })
    }

    /// The directory that holds the last part of a path, and that part.
    pub(super) fn find_parent<'a>(&self, parts: &[&'a str]) -> io::Result<(InodeId, &'a str)> {
        let (name, parents) = parts.split_last().ok_or(io::ErrorKind::InvalidInput)?;
        let directory = self.find(parents)?;
        self.entries(directory)?;
        Ok((directory, name))
    }

    pub(super) fn entries(&self, directory: InodeId) -> io::Result<&Entries> {
        match self.inodes.get(&directory) {
            Some(Inode::Directory(entries)) => Ok(entries),
            Some(Inode::File { .. }) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn entries_mut(&mut self, directory: InodeId) -> io::Result<&mut Entries> {
        match self.inodes.get_mut(&directory) {
            Some(Inode::Directory(entries)) => Ok(entries),
            Some(Inode::File { .. }) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn file(&self, inode: InodeId) -> io::Result<&Content> {
        match self.inodes.get(&inode) {
            Some(Inode::File { content, .. }) => Ok(content),
            Some(Inode::Directory(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// A file to change, and the numbers that decide what a power cut may leave of the change.
    pub(super) fn file_mut(&mut self, inode: InodeId) -> io::Result<(&mut Content, &mut SeededNumbers)> {
        match self.inodes.get_mut(&inode) {
            Some(Inode::File { content, .. }) => Ok((content, &mut self.numbers)),
            Some(Inode::Directory(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn create(&mut self, directory: InodeId, name: &str, node: Inode) -> io::Result<InodeId> {
        let inode = self.next_inode;
        self.entries_mut(directory)?.insert(name.to_owned(), inode);
        self.next_inode += 1;
        self.inodes.insert(inode, node);
        self.names.push(Change::Link { at: (directory, name.to_owned()), inode });
        Ok(inode)
    }

    pub(super) fn unlink(&mut self, directory: InodeId, name: &str) -> io::Result<()> {
        let inode = self.entries_mut(directory)?.remove(name).ok_or(io::ErrorKind::NotFound)?;
        self.set_linked(inode, false);
        self.names.push(Change::Unlink { at: (directory, name.to_owned()) });
        self.sweep_sometimes();
        Ok(())
    }

    pub(super) fn relink(&mut self, from: (InodeId, &str), to: (InodeId, &str)) -> io::Result<()> {
        let inode = *self.entries(from.0)?.get(from.1).ok_or(io::ErrorKind::NotFound)?;
        if let Some(replaced) = self.entries_mut(to.0)?.insert(to.1.to_owned(), inode) {
            self.set_linked(replaced, false);
        }
        self.entries_mut(from.0)?.remove(from.1);
        let place = |(directory, name): (InodeId, &str)| (directory, name.to_owned());
        self.names.push(Change::Rename { from: place(from), to: place(to), inode });
        self.sweep_sometimes();
        Ok(())
    }

    fn set_linked(&mut self, inode: InodeId, value: bool) {
        if let Some(Inode::File { linked, .. }) = self.inodes.get_mut(&inode) {
            *linked = value;
        }
    }

    pub(super) fn retain_handle(&mut self, inode: InodeId) {
        if let Some(Inode::File { handles, .. }) = self.inodes.get_mut(&inode) {
            *handles += 1;
        }
    }

    pub(super) fn release_handle(&mut self, inode: InodeId) {
        if let Some(Inode::File { handles, .. }) = self.inodes.get_mut(&inode) {
            *handles = handles.saturating_sub(1);
        }
    }

    /// How many more pages can be allocated.
    pub(super) fn free_pages(&self) -> u64 {
        self.capacity.map_or(u64::MAX, |capacity| {
            let used: u64 = self
                .inodes
                .values()
                .map(|inode| match inode {
                    Inode::File { content, handles, linked } if *linked || *handles > 0 => {
                        content.allocated_pages()
                    }
                    _ => 0,
                })
                .sum();
            (capacity / PAGE).saturating_sub(used)
        })
    }

    /// Forgets inodes that neither a reader nor a power cut can find any more.
    fn sweep_sometimes(&mut self) {
        if self.inodes.len() < self.sweep_at {
            return;
        }
        let mut reachable: BTreeSet<InodeId> = self.names.inodes().collect();
        reachable.insert(ROOT);
        for (id, inode) in &self.inodes {
            match inode {
                Inode::File { handles, .. } if *handles > 0 => {
                    reachable.insert(*id);
                }
                Inode::File { .. } => {}
                Inode::Directory(entries) => reachable.extend(entries.values()),
            }
        }
        self.inodes.retain(|id, _| reachable.contains(id));
        self.names.retain_directories(|directory| reachable.contains(&directory));
        self.sweep_at = (self.inodes.len() * 2).max(256);
    }

    // ---- the end of a life

    /// The disk as a power cut at this moment may leave it; `variant` chooses among the possible outcomes.
    pub(crate) fn after_power_cut(&self, survival: Survival, variant: u64, timeline: Arc<Timeline>) -> Self {
        // The numbers are not advanced: the same variant of the same moment is the same world.
        let seed = mix(self.numbers.clone().next(), variant);
        let mut numbers = SeededNumbers::new(seed);
        let order = self.order.unwrap_or(if numbers.one_in(2) {
            DirectoryOrder::Journal
        } else {
            DirectoryOrder::AnySubset
        });
        let mut disk = self.names.after_power_cut(survival, order, &mut numbers);
        let foreign = self.foreign_page(&mut numbers);

        let mut next = self.next_life(mix(seed, 1), timeline);
        let mut kept = BTreeMap::new();
        // This ends, since each inode has one name.
        let mut unvisited = vec![ROOT];
        while let Some(directory) = unvisited.pop() {
            let mut entries = disk.remove(&directory).unwrap_or_default();
            entries.retain(|_, inode| self.inodes.contains_key(inode));
            for &inode in entries.values() {
                match self.inodes.get(&inode) {
                    Some(Inode::File { content, .. }) => {
                        let content = content.after_power_cut(survival, &mut numbers, foreign.as_ref());
                        next.inodes.insert(inode, Inode::File { content, handles: 0, linked: true });
                    }
                    Some(Inode::Directory(_)) => unvisited.push(inode),
                    None => {}
                }
            }
            next.inodes.insert(directory, Inode::Directory(entries.clone()));
            kept.insert(directory, entries);
        }
        next.names = DurableNames::clean(kept);
        next
    }

    /// A page of some file, to stand where bytes never arrived.
    fn foreign_page(&self, numbers: &mut SeededNumbers) -> Option<Arc<Page>> {
        let files: Vec<&Content> = self
            .inodes
            .values()
            .filter_map(|inode| match inode {
                Inode::File { content, .. } => Some(content),
                Inode::Directory(_) => None,
            })
            .collect();
        let file = files.get(numbers.index(files.len()))?;
        file.disk.any(|count| numbers.index(count)).cloned()
    }

    /// The disk and its cache after the process was killed: nothing is lost.
    pub(crate) fn after_kill(&self, variant: u64, timeline: Arc<Timeline>) -> Self {
        let seed = mix(self.numbers.clone().next(), variant);
        let mut next = self.next_life(seed, timeline);
        next.inodes = self
            .inodes
            .iter()
            .map(|(id, inode)| {
                let inode = match inode {
                    Inode::File { content, linked, .. } => {
                        Inode::File { content: content.clone(), handles: 0, linked: *linked }
                    }
                    Inode::Directory(entries) => Inode::Directory(entries.clone()),
                };
                (*id, inode)
            })
            .collect();
        next.names = self.names.clone();
        next
    }
}
