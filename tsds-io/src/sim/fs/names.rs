//! Directory entries as two truths: what a reader sees, and what a power cut leaves.
//!
//! Changes of entries wait in one log until a sync of their directory. Each name on the disk holds one of the values that
//! it has had since then: a change survives only with all earlier changes of the same names. A rename is one change, so it
//! happens or does not, also between two directories.

use std::collections::{BTreeMap, BTreeSet};

use crate::sim::random::SeededNumbers;
use crate::sim::{DirectoryOrder, Survival};

pub(crate) type InodeId = u64;
pub(crate) type Entries = BTreeMap<String, InodeId>;
/// A directory and a name in it.
pub(crate) type Place = (InodeId, String);

/// One unsynced change of directory entries.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Link { at: Place, inode: InodeId },
    Unlink { at: Place },
    Rename { from: Place, to: Place, inode: InodeId },
}

impl Change {
    fn places(&self) -> impl Iterator<Item = &Place> {
        let (one, two) = match self {
            Self::Link { at, .. } | Self::Unlink { at } => (at, None),
            Self::Rename { from, to, .. } => (from, Some(to)),
        };
        std::iter::once(one).chain(two)
    }

    fn touches(&self, directory: InodeId) -> bool {
        self.places().any(|place| place.0 == directory)
    }

    pub(crate) fn inode(&self) -> Option<InodeId> {
        match self {
            Self::Link { inode, .. } | Self::Rename { inode, .. } => Some(*inode),
            Self::Unlink { .. } => None,
        }
    }

    fn apply(&self, disk: &mut BTreeMap<InodeId, Entries>) {
        match self {
            Self::Link { at, inode } => {
                disk.entry(at.0).or_default().insert(at.1.clone(), *inode);
            }
            Self::Unlink { at } => {
                disk.entry(at.0).or_default().remove(&at.1);
            }
            Self::Rename { from, to, inode } => {
                disk.entry(from.0).or_default().remove(&from.1);
                // After a failed sync the disk may know the inode under an older name than `from`.
                disk.values_mut().for_each(|entries| entries.retain(|_, other| other != inode));
                disk.entry(to.0).or_default().insert(to.1.clone(), *inode);
            }
        }
    }
}

/// The directory entries on the disk, and the changes that have not reached it.
#[derive(Clone, Default)]
pub(crate) struct DurableNames {
    disk: BTreeMap<InodeId, Entries>,
    pending: Vec<Change>,
}

impl DurableNames {
    /// Entries that are all on the disk.
    pub(crate) fn clean(disk: BTreeMap<InodeId, Entries>) -> Self {
        Self { disk, pending: Vec::new() }
    }

    pub(crate) fn push(&mut self, change: Change) {
        self.pending.push(change);
    }

    /// A sync that works: the changes in `directory` reach the disk, and those that they build upon.
    pub(crate) fn sync(&mut self, directory: InodeId) {
        for change in self.take(directory) {
            change.apply(&mut self.disk);
        }
    }

    /// A sync that fails: the changes in `directory` never reach the disk, and no later sync says so.
    pub(crate) fn fail_sync(&mut self, directory: InodeId) {
        drop(self.take(directory));
    }

    fn take(&mut self, directory: InodeId) -> Vec<Change> {
        let mut chosen: Vec<bool> = self.pending.iter().map(|change| change.touches(directory)).collect();
        close(&self.pending, &mut chosen);
        let mut chosen = chosen.into_iter();
        self.pending.extract_if(.., |_| chosen.next().unwrap_or_default()).collect()
    }

    /// The entries after a power cut.
    pub(crate) fn after_power_cut(
        &self,
        survival: Survival,
        order: DirectoryOrder,
        numbers: &mut SeededNumbers,
    ) -> BTreeMap<InodeId, Entries> {
        let count = self.pending.len();
        let mut chosen = match (survival, order) {
            (Survival::Nothing, _) => vec![false; count],
            (Survival::Everything, _) => vec![true; count],
            (Survival::Random, DirectoryOrder::Journal) => {
                let first = numbers.index(count + 1);
                (0..count).map(|position| position < first).collect()
            }
            (Survival::Random, DirectoryOrder::AnySubset) => {
                let rare = numbers.below(3);
                (0..count)
                    .map(|_| match rare {
                        0 => numbers.one_in(2),
                        1 => numbers.one_in(8),
                        _ => !numbers.one_in(8),
                    })
                    .collect()
            }
        };
        close(&self.pending, &mut chosen);
        let mut disk = self.disk.clone();
        for (change, _) in self.pending.iter().zip(chosen).filter(|(_, chosen)| *chosen) {
            change.apply(&mut disk);
        }
        disk
    }

    /// Every inode that the disk may still name.
    pub(crate) fn inodes(&self) -> impl Iterator<Item = InodeId> {
        let named = self.disk.values().flat_map(|entries| entries.values().copied());
        named.chain(self.pending.iter().filter_map(Change::inode))
    }

    /// Forgets directories that are gone.
    pub(crate) fn retain_directories(&mut self, keep: impl Fn(InodeId) -> bool) {
        self.disk.retain(|directory, _| keep(*directory));
    }
}

/// Adds to the chosen changes all earlier ones of the same names.
fn close(changes: &[Change], chosen: &mut [bool]) {
    let mut needed: BTreeSet<&Place> = BTreeSet::new();
    for (change, chosen) in changes.iter().zip(chosen).rev() {
        if *chosen || change.places().any(|place| needed.contains(place)) {
            *chosen = true;
            needed.extend(change.places());
        }
    }
}
