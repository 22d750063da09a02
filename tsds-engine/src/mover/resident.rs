//! Residency: recent segments are also held by the warm tier, in memory or on a device. A cache: never recorded, rebuilt in
//! the background after opening and after a device was lost, and never in the way of a commit.
//!
//! Where there is not room for all, newer segments win: for one that does not fit, older ones leave by the evictor's plan,
//! down to the low mark, and it is offered once more. What does not fit then either, and what made room, is left to its file
//! until the tier has room again because segments moved on, or is another one. So every change of what is held is for
//! something newer, and nothing is offered in turns.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tsds_compute::chunk::second_of;
use tsds_traits::{ErrorKind, Put, SegmentId, SegmentSource, StoredSegment, TableId, TableSchema};

use crate::catalog::Home;
use crate::core::Core;
use crate::guard::OwnedView;
use crate::version::{SegmentEntry, TableVersion};
use crate::warm::{Age, Left, Serving};

/// After a failure that says nothing about room, a segment is not offered for so long.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(60);

/// A segment that the warm tier may hold.
struct Candidate {
    entry: Arc<SegmentEntry>,
    schema: Arc<TableSchema>,
    age: Age,
}

impl Candidate {
    fn new(table: &TableVersion, entry: &Arc<SegmentEntry>) -> Option<Self> {
        let schema = Arc::clone(table.schemas.get(&entry.meta.schema_version)?);
        // Tables differ in the unit of their times, seconds do not.
        let newest = second_of(entry.meta.time_range.1, schema.time_unit());
        Some(Self { age: (newest, entry.id()), entry: Arc::clone(entry), schema })
    }

    fn id(&self) -> SegmentId {
        self.entry.id()
    }
}

impl Core {
    /// Offers segments to the warm tier. A refusal costs speed, nothing else.
    pub(super) async fn keep_resident(self: &Arc<Self>, table: TableId, ids: &[SegmentId]) {
        let serving = self.warm.serving();
        let Ok(current) = self.table(table) else { return };
        let new = current.segments.iter().filter(|entry| ids.contains(&entry.id()));
        let mut new: Vec<Candidate> = new.filter_map(|entry| Candidate::new(&current, entry)).collect();
        new.sort_by_key(|candidate| Reverse(candidate.age));
        for candidate in new {
            if !serving.works() {
                return;
            }
            self.offer(&serving, &candidate).await;
        }
    }

    /// Offers every segment whose home is a file and that is not held, newest first.
    pub(crate) async fn refill(self: &Arc<Self>) {
        let serving = self.warm.serving();
        // Of segments that do not fit, none is tried that is not smaller than the last one.
        let mut too_large = u64::MAX;
        for candidate in self.wanted(&serving) {
            if !serving.works() || self.is_closing() {
                return;
            }
            let bytes = candidate.entry.meta.plain_bytes;
            let room = bytes < too_large && self.offer(&serving, &candidate).await;
            if !room {
                too_large = too_large.min(bytes);
                serving.with_residency(|residency| residency.leave(candidate.id(), Left::NoRoom));
            }
        }
    }

    /// What is worth offering, newest first.
    fn wanted(&self, serving: &Serving) -> Vec<Candidate> {
        let (version, now) = (self.version.load_full(), self.now());
        let files = |table: &Arc<TableVersion>| {
            let table = Arc::clone(table);
            let files = table.segments.clone().into_iter().filter(|entry| entry.home == Home::File);
            files.map(move |entry| (Arc::clone(&table), entry))
        };
        let files: Vec<_> = version.tables.values().flat_map(files).collect();
        let ids: BTreeSet<SegmentId> = files.iter().map(|(_, entry)| entry.id()).collect();
        let mut wanted: Vec<Candidate> = serving.with_residency(|residency| {
            residency.prune(&ids);
            let wanted = files.iter().filter(|(_, entry)| residency.wants(entry.id(), now));
            wanted.filter_map(|(table, entry)| Candidate::new(table, entry)).collect()
        });
        wanted.sort_by_key(|candidate| Reverse(candidate.age));
        wanted
    }

    /// Offers one segment, and makes room for it if there is none. Returns whether there was room.
    async fn offer(&self, serving: &Serving, candidate: &Candidate) -> bool {
        let _one_at_a_time = serving.filling.lock().await;
        let (entry, now) = (&candidate.entry, self.now());
        if entry.is_retired() || !serving.with_residency(|residency| residency.wants(entry.id(), now)) {
            return true;
        }
        let usage = serving.tier.usage();
        let free = usage.limit_bytes.unwrap_or(u64::MAX).saturating_sub(usage.bytes);
        if entry.bytes > free && !serving.with_residency(|residency| residency.has_older(candidate.age)) {
            // Without reading the file.
            serving.with_residency(|residency| residency.leave(entry.id(), Left::NoRoom));
            return false;
        }
        let why = match self.put(serving, candidate).await {
            Ok(Put::Stored(stored)) => {
                serving.with_residency(|residency| residency.insert(entry, candidate.age, stored.bytes));
                if entry.is_retired() {
                    // It moved on while it was stored.
                    self.forget_resident(&[entry.id()]).await;
                }
                return true;
            }
            Ok(Put::Declined(reason)) => {
                tracing::debug!(segment = %entry.id(), reason, "not held in memory");
                Left::Declined(reason)
            }
            Err(error) if error.kind() == ErrorKind::NoSpace => {
                tracing::debug!(segment = %entry.id(), "no room in memory");
                Left::NoRoom
            }
            Err(error) => {
                tracing::warn!(segment = %entry.id(), %error, "not held in memory");
                Left::Until(now.saturating_add(PAUSE_AFTER_FAILURE))
            }
        };
        let room = why != Left::NoRoom;
        serving.with_residency(|residency| residency.leave(entry.id(), why));
        room
    }

    async fn put(&self, serving: &Serving, candidate: &Candidate) -> tsds_traits::Result<Put> {
        let entry = &candidate.entry;
        let missing = || tsds_traits::Error::corrupt("segment file is missing").with("segment", entry.id());
        let source = self.segments.open(&entry.meta, &candidate.schema).await?.ok_or_else(missing)?;
        let source: Arc<dyn SegmentSource> = Arc::new(source);
        match serving.tier.put(Arc::clone(&source)).await {
            Err(error) if error.kind() == ErrorKind::NoSpace && self.make_room(serving, candidate).await => {
                serving.tier.put(source).await
            }
            put => put,
        }
    }

    /// Takes older segments out of the tier. Returns whether any left.
    async fn make_room(&self, serving: &Serving, candidate: &Candidate) -> bool {
        let settings = self.settings();
        let marks = &settings.warm_tier;
        let asked =
            serving.with_residency(|residency| residency.room_for(&candidate.entry, candidate.age, marks));
        let Some(room) = asked else { return false };
        let view = OwnedView {
            tier: serving.tier.name(),
            segments: Arc::new(room.segments),
            high_mark: room.high_mark,
            low_mark: room.low_mark,
            now: self.now(),
            wall_seconds: self.world.clock.wall_nanos().div_euclid(1_000_000_000),
        };
        let leaving = self.evictor.plan(view).await;
        let evicted = serving.with_residency(|residency| residency.evict(&leaving));
        tracing::debug!(segments = evicted.len(), newcomer = %candidate.id(), "older segments are left to their files");
        !evicted.is_empty() && self.take_out(serving, &evicted).await
    }

    /// Lets the warm tier forget segments that have moved on.
    pub(super) async fn forget_resident(&self, ids: &[SegmentId]) {
        let serving = self.warm.serving();
        let held = serving.with_residency(|residency| residency.forget(ids));
        if !held.is_empty() && serving.works() {
            self.take_out(&serving, &held).await;
        }
    }

    /// Returns whether the tier does not hold them any more.
    async fn take_out(&self, serving: &Serving, ids: &[SegmentId]) -> bool {
        let stored = ids.iter().map(|id| StoredSegment { id: *id, record: bytes::Bytes::new() });
        let stored: Vec<StoredSegment> = stored.collect();
        let removed = serving.tier.remove(&stored).await;
        if let Err(error) = &removed {
            tracing::warn!(%error, "warm tier did not forget segments");
        }
        removed.is_ok()
    }
}
