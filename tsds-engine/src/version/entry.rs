//! One segment in a version, and what happens when the last version that names it is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::channel::mpsc::UnboundedSender;
use tsds_traits::{ChunkRange, SegmentHandle, SegmentId, SegmentMeta, Sequence};

use crate::catalog::{Home, RemovalRecord, SegmentRecord};

/// Where copies go that nobody can read any more.
pub(crate) type Reclaim = UnboundedSender<RemovalRecord>;

/// A segment at its home.
#[derive(Debug)]
pub(crate) struct SegmentEntry {
    pub meta: Arc<SegmentMeta>,
    pub home: Home,
    /// What the segment takes at its home.
    pub bytes: u64,
    /// What the home's tier noted about it.
    pub tier_record: Bytes,
    /// When a query last read it, in milliseconds on the monotonic clock.
    last_used: AtomicU64,
    /// Set when a newer version has the rows elsewhere.
    obsolete: AtomicBool,
    reclaim: Reclaim,
}

impl SegmentEntry {
    pub(crate) fn new(record: &SegmentRecord, now: Duration, reclaim: Reclaim) -> Arc<Self> {
        Arc::new(Self {
            meta: Arc::new(record.meta.clone()),
            home: record.home.clone(),
            bytes: record.bytes,
            tier_record: Bytes::copy_from_slice(&record.tier_record),
            last_used: AtomicU64::new(now.as_millis() as u64),
            obsolete: AtomicBool::new(false),
            reclaim,
        })
    }

    /// By chunk, then by arrival.
    pub(crate) fn order(&self) -> (ChunkRange, Sequence, SegmentId) {
        (self.meta.chunk, self.meta.interval.upto, self.meta.id)
    }

    pub(crate) fn id(&self) -> SegmentId {
        self.meta.id
    }

    pub(crate) fn handle(&self) -> SegmentHandle {
        SegmentHandle { meta: Arc::clone(&self.meta), record: self.tier_record.clone() }
    }

    /// What finds this copy for removal.
    pub(crate) fn removal(&self) -> RemovalRecord {
        RemovalRecord {
            segment: self.meta.id,
            home: self.home.clone(),
            tier_record: self.tier_record.to_vec(),
        }
    }

    pub(crate) fn touch(&self, now: Duration) {
        self.last_used.fetch_max(now.as_millis() as u64, Ordering::Relaxed);
    }

    pub(crate) fn last_used(&self) -> Duration {
        Duration::from_millis(self.last_used.load(Ordering::Relaxed))
    }

    /// Whether later versions have the rows elsewhere.
    pub(crate) fn is_retired(&self) -> bool {
        self.obsolete.load(Ordering::Acquire)
    }

    /// Says that no later version names this copy: when the last holder lets go, it is handed over for removal.
    pub(crate) fn retire(&self) {
        self.obsolete.store(true, Ordering::Release);
    }
}

impl Drop for SegmentEntry {
    fn drop(&mut self) {
        if self.obsolete.load(Ordering::Acquire) {
            // Without a receiver the database is closing; the next start removes what the catalog lists.
            let _ = self.reclaim.unbounded_send(self.removal());
        }
    }
}
