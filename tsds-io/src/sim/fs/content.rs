//! The contents of one file as two truths: what a reader sees (the cache) and what a power cut leaves (the disk).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::pages::{PAGE, Page, Pages, SECTOR, pieces};
use crate::sim::random::SeededNumbers;

/// How many unsynced lengths and overwritten versions are remembered as possible outcomes of a power cut.
const REMEMBERED_LENGTHS: usize = 16;
/// One in so many overwrites of a dirty page remembers what it overwrote.
const REMEMBERED_VERSIONS: u64 = 8;

/// The contents of one file. Invariant: in `cache` everything at and beyond `len` is zero.
#[derive(Clone, Default)]
pub(crate) struct Content {
    pub(super) cache: Pages,
    pub(super) len: u64,
    pub(super) disk: Pages,
    pub(super) disk_len: u64,
    /// The sectors, as bits of a page, written since the last sync.
    pub(super) dirty: BTreeMap<u64, u8>,
    /// Pages as they were between two unsynced writes: write-back may have caught them like this.
    pub(super) earlier: BTreeMap<u64, Arc<Page>>,
    /// Pages that a failed sync left clean in the cache and old on the disk.
    lost: BTreeSet<u64>,
    /// The least length since the last sync.
    pub(super) shortest: u64,
    /// Some of the lengths since the last sync.
    pub(super) lengths: Vec<u64>,
    /// Pages from the start of the file that have space even if nothing is written there.
    pub(super) reserved: u64,
}

impl Content {
    /// Contents that are clean: all of it is on the disk.
    pub(super) fn clean(pages: Pages, len: u64, reserved: u64) -> Self {
        Self {
            cache: pages.clone(),
            disk: pages,
            len,
            disk_len: len,
            shortest: len,
            reserved,
            ..Self::default()
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn read(&self, buffer: &mut [u8], offset: u64) -> usize {
        let count = self.len.saturating_sub(offset).min(buffer.len() as u64) as usize;
        self.cache.read(&mut buffer[..count], offset);
        count
    }

    /// How many pages would have to be found to write `len` bytes at `offset`, page by page in order.
    pub(crate) fn pages_missing(&self, offset: u64, len: u64) -> impl Iterator<Item = bool> {
        pieces(offset, len).map(|(number, _, _)| number >= self.reserved && self.cache.get(number).is_none())
    }

    pub(crate) fn write(&mut self, bytes: &[u8], offset: u64, numbers: &mut SeededNumbers) {
        for (number, within, piece) in pieces(offset, bytes.len() as u64) {
            self.remember_version(number, numbers);
            *self.dirty.entry(number).or_default() |= sectors(&within);
            self.lost.remove(&number);
            let piece = &bytes[piece];
            match <&Page>::try_from(piece) {
                Ok(whole) => self.cache.put(number, Arc::new(*whole)),
                Err(_) => self.cache.edit(number)[within].copy_from_slice(piece),
            }
        }
        let end = offset + bytes.len() as u64;
        if !bytes.is_empty() && end > self.len {
            self.note_len(end, numbers);
        }
    }

    fn remember_version(&mut self, number: u64, numbers: &mut SeededNumbers) {
        if self.dirty.contains_key(&number)
            && numbers.one_in(REMEMBERED_VERSIONS)
            && let Some(page) = self.cache.get(number)
        {
            self.earlier.insert(number, Arc::clone(page));
        }
    }

    pub(crate) fn set_len(&mut self, len: u64, numbers: &mut SeededNumbers) {
        if len == self.len {
            return;
        }
        if len < self.len {
            let kept = len.div_ceil(PAGE);
            self.dirty.split_off(&kept);
            self.earlier.split_off(&kept);
            self.lost.split_off(&kept);
            self.reserved = self.reserved.min(kept);
            self.shortest = self.shortest.min(len);
            self.cache.cut(len);
        }
        self.note_len(len, numbers);
    }

    fn note_len(&mut self, len: u64, numbers: &mut SeededNumbers) {
        self.len = len;
        if self.lengths.len() == REMEMBERED_LENGTHS {
            self.lengths.swap_remove(numbers.index(REMEMBERED_LENGTHS));
        }
        self.lengths.push(len);
    }

    /// How far, at most `pages` from the start of the file, space can be reserved with `free` pages; and whether that is
    /// less than asked for.
    pub(crate) fn reservation(&self, pages: u64, free: u64) -> (u64, bool) {
        let wanted = pages.saturating_sub(self.reserved);
        let present = self.cache.count_between(self.reserved, pages.max(self.reserved));
        if wanted - present <= free {
            return (pages.max(self.reserved), false);
        }
        let mut free = free;
        let mut reached = self.reserved;
        while free > 0 || self.cache.get(reached).is_some() {
            free -= u64::from(self.cache.get(reached).is_none());
            reached += 1;
        }
        (reached, true)
    }

    /// Reserves `pages` from the start of the file.
    pub(crate) fn reserve(&mut self, pages: u64) {
        self.reserved = pages;
    }

    /// How many pages of the disk this file takes.
    pub(crate) fn allocated_pages(&self) -> u64 {
        self.reserved + self.cache.count_from(self.reserved)
    }

    /// A sync that works: what is dirty reaches the disk, and the length with it.
    pub(crate) fn sync(&mut self) {
        self.disk.cut(self.shortest);
        for number in std::mem::take(&mut self.dirty).into_keys() {
            self.disk.copy_from(&self.cache, number);
        }
        self.earlier.clear();
        self.lengths.clear();
        self.disk_len = self.len;
        self.shortest = self.len;
    }

    /// A sync that fails as on Linux: the dirty pages count as clean from now on, but never reached the disk. The length
    /// stays unsynced.
    pub(crate) fn fail_sync(&mut self) {
        self.lost.extend(std::mem::take(&mut self.dirty).into_keys());
        self.earlier.clear();
    }

    /// Forgets clean pages; those that a failed sync lost read as they are on the disk from now on.
    pub(crate) fn drop_cache(&mut self) {
        // A cut of the file is known even if it is not synced.
        let mut truth = self.disk.clone();
        truth.cut(self.shortest);
        for number in std::mem::take(&mut self.lost) {
            self.cache.copy_from(&truth, number);
        }
        self.cache.cut(self.len);
    }

    /// Changes one byte behind everybody's back, in the cache and on the disk.
    pub(crate) fn corrupt(&mut self, offset: u64, xor: u8) {
        let (number, within) = (offset / PAGE, (offset % PAGE) as usize);
        self.cache.edit(number)[within] ^= xor;
        if offset < self.disk_len {
            self.disk.edit(number)[within] ^= xor;
        }
    }
}

/// The bits of the sectors that a range of a page touches.
fn sectors(within: &std::ops::Range<usize>) -> u8 {
    let first = within.start as u64 / SECTOR;
    let end = (within.end as u64).div_ceil(SECTOR);
    (first..end).fold(0, |bits, sector| bits | 1 << sector)
}
