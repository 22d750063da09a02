//! The disk that the next life of a world begins with.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::content::Content;
use super::names::DurableNames;
use super::pages::Page;
use super::state::{DiskState, Inode, ROOT};
use crate::sim::clock::Timeline;
use crate::sim::faults::{DirectoryOrder, Survival};
use crate::sim::random::{SeededNumbers, mix};

impl DiskState {
    /// The same disk, with nothing on it yet, in the life that follows.
    fn next_life(&self, seed: u64, timeline: Arc<Timeline>) -> Self {
        Self {
            next_inode: self.next_inode,
            capacity: self.capacity,
            read_only: self.read_only,
            network: self.network.clone(),
            order: self.order,
            ..Self::new(seed, timeline)
        }
    }

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
