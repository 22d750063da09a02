//! [`Residency`]: which segments a tier holds, and which it was offered in vain.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tsds_traits::{SegmentId, SegmentView};

use crate::config::WarmTier;
use crate::version::SegmentEntry;

/// How new a segment is: the second of its last row. Newer ones are larger.
pub(crate) type Age = (i64, SegmentId);

/// Which segments a tier holds, and which it was offered in vain.
#[derive(Debug, Default)]
pub(crate) struct Residency {
    held: BTreeMap<SegmentId, Held>,
    /// What segments took that are not held any more: they count with this against the tier's marks.
    sizes: BTreeMap<SegmentId, u64>,
    left: BTreeMap<SegmentId, Left>,
}

#[derive(Debug)]
struct Held {
    bytes: u64,
    age: Age,
    /// Weak, so that an old copy can be removed when the last version that names it is gone.
    entry: Weak<SegmentEntry>,
}

/// Why a segment is left to its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// The tier can never hold it, and says why.
    Declined(String),
    /// There was no room: until there is more.
    NoRoom,
    /// Something failed: until this moment.
    Until(Duration),
}

/// A question to the evictor: what makes room.
#[derive(Debug)]
pub(crate) struct Room {
    pub segments: Vec<SegmentView>,
    pub high_mark: u64,
    pub low_mark: u64,
}

impl Residency {
    pub(crate) fn holds(&self, id: SegmentId) -> bool {
        self.held.contains_key(&id)
    }

    /// How many segments are held.
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    /// What a segment takes, or took while it was held.
    pub(crate) fn bytes_of(&self, id: SegmentId) -> Option<u64> {
        self.held.get(&id).map(|held| held.bytes).or_else(|| self.sizes.get(&id).copied())
    }

    pub(crate) fn insert(&mut self, entry: &Arc<SegmentEntry>, age: Age, bytes: u64) {
        let id = entry.id();
        self.left.remove(&id);
        self.sizes.remove(&id);
        self.held.insert(id, Held { bytes, age, entry: Arc::downgrade(entry) });
    }

    /// Whether the segment is worth offering.
    pub(crate) fn wants(&self, id: SegmentId, now: Duration) -> bool {
        !self.holds(id)
            && match self.left.get(&id) {
                None => true,
                Some(Left::Until(moment)) => *moment <= now,
                Some(Left::Declined(_) | Left::NoRoom) => false,
            }
    }

    pub(crate) fn leave(&mut self, id: SegmentId, why: Left) {
        self.left.insert(id, why);
    }

    /// How many of these segments the tier can never hold, by its reasons.
    pub(crate) fn declined(&self, ids: impl Iterator<Item = SegmentId>) -> BTreeMap<String, u64> {
        let mut reasons = BTreeMap::new();
        for id in ids {
            if let Some(Left::Declined(reason)) = self.left.get(&id) {
                *reasons.entry(reason.clone()).or_default() += 1;
            }
        }
        reasons
    }

    /// As [`Residency::declined`], of all segments.
    pub(crate) fn all_declined(&self) -> BTreeMap<String, u64> {
        self.declined(self.left.keys().copied())
    }

    /// Forgets segments that have moved on. Returns those that were held: where they were is room for others.
    pub(crate) fn forget(&mut self, ids: &[SegmentId]) -> Vec<SegmentId> {
        for id in ids {
            self.left.remove(id);
            self.sizes.remove(id);
        }
        let held: Vec<_> = ids.iter().copied().filter(|id| self.held.remove(id).is_some()).collect();
        if !held.is_empty() {
            self.left.retain(|_, why| *why != Left::NoRoom);
        }
        held
    }

    /// Takes segments out that make room for another one. They are not offered again for the room that they gave.
    pub(crate) fn evict(&mut self, ids: &BTreeSet<SegmentId>) -> Vec<SegmentId> {
        let mut evicted = Vec::new();
        for id in ids {
            if let Some(held) = self.held.remove(id) {
                self.sizes.insert(*id, held.bytes);
                self.left.insert(*id, Left::NoRoom);
                evicted.push(*id);
            }
        }
        evicted
    }

    /// Drops notes about segments that are not among these.
    pub(crate) fn prune(&mut self, files: &BTreeSet<SegmentId>) {
        self.left.retain(|id, _| files.contains(id));
        self.sizes.retain(|id, _| files.contains(id));
    }

    /// Whether anything is held that is older.
    pub(crate) fn has_older(&self, age: Age) -> bool {
        self.held.values().any(|held| held.age < age && held.bytes > 0)
    }

    /// What to ask the evictor when a tier has no room for a segment: only what is older may leave. What the tier holds is all
    /// that it has room for, whatever its limit says: it may be fragmented, or share its memory. `None` if nothing may leave.
    pub(crate) fn room_for(&self, newcomer: &SegmentEntry, age: Age, marks: &WarmTier) -> Option<Room> {
        if !self.has_older(age) {
            return None;
        }
        let present = self.held.values().filter_map(|held| Some((held, held.entry.upgrade()?)));
        let (mut bytes, mut plain_bytes) = (0_u64, 0_u64);
        let mut segments = Vec::with_capacity(self.held.len());
        for (held, entry) in present {
            bytes = bytes.saturating_add(held.bytes);
            plain_bytes = plain_bytes.saturating_add(entry.meta.plain_bytes);
            segments.push(SegmentView {
                meta: Arc::clone(&entry.meta),
                bytes: held.bytes,
                last_used: entry.last_used(),
                pinned: held.age > age,
            });
        }
        // What the newcomer takes, if it takes as much of its plain size as the others do.
        let needed = newcomer.meta.plain_bytes as f64 * bytes as f64 / plain_bytes.max(1) as f64;
        let low_mark = (bytes as f64 * marks.eviction_target_pct).min(bytes as f64 - needed).max(0.0) as u64;
        Some(Room {
            segments,
            high_mark: bytes.saturating_sub(1),
            low_mark: low_mark.min(bytes.saturating_sub(1)),
        })
    }
}
