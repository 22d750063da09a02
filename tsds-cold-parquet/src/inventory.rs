//! What the tier holds, for [`tsds_traits::TierUsage`]: counted as segments come and go, never read from for data.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tsds_traits::{SegmentId, TierUsage};

/// Rows and bytes of every segment that is known.
#[derive(Debug, Default)]
pub(crate) struct Inventory(Mutex<BTreeMap<SegmentId, (u64, u64)>>);

impl Inventory {
    pub(crate) fn insert(&self, id: SegmentId, rows: u64, bytes: u64) {
        self.segments().insert(id, (rows, bytes));
    }

    /// Whether the segment is among those.
    pub(crate) fn holds(&self, id: SegmentId) -> bool {
        self.segments().contains_key(&id)
    }

    pub(crate) fn remove(&self, id: SegmentId) {
        self.segments().remove(&id);
    }

    pub(crate) fn usage(&self) -> TierUsage {
        let segments = self.segments();
        let sum = |of: fn(&(u64, u64)) -> u64| segments.values().map(of).fold(0, u64::saturating_add);
        TierUsage {
            segments: segments.len() as u64,
            rows: sum(|(rows, _)| *rows),
            bytes: sum(|(_, bytes)| *bytes),
            ..TierUsage::default()
        }
    }

    fn segments(&self) -> MutexGuard<'_, BTreeMap<SegmentId, (u64, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
