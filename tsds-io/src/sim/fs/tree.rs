//! Directories and files as a reader sees them, and the space that they take.

use std::collections::BTreeSet;
use std::io;

use super::content::Content;
use super::names::{Change, Entries, InodeId};
use super::pages::PAGE;
use super::state::{DiskState, Inode, LEAST_SWEEP, ROOT};
use crate::sim::random::SeededNumbers;

impl DiskState {
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
        self.sweep_at = (self.inodes.len() * 2).max(LEAST_SWEEP);
    }
}
