//! Residency: recent segments are also held by the warm tier, in memory or on a device. A cache: never recorded, rebuilt in
//! the background after opening, and never in the way of a commit.

use std::sync::Arc;

use tsds_traits::{ErrorKind, Put, SegmentId, StoredSegment, TableId};

use crate::catalog::Home;
use crate::core::{Core, lock};
use crate::version::SegmentEntry;

impl Core {
    /// Offers segments to the warm tier. A refusal costs speed, nothing else.
    pub(super) async fn keep_resident(self: &Arc<Self>, table: TableId, ids: &[SegmentId]) {
        if self.warm.health().is_disabled() {
            return;
        }
        let Ok(current) = self.table(table) else { return };
        for entry in current.segments.iter().filter(|entry| ids.contains(&entry.id())) {
            let Some(schema) = current.schemas.get(&entry.meta.schema_version) else { continue };
            let opened = self.segments.open(&entry.meta, schema).await;
            let source = match opened {
                Ok(Some(source)) => source,
                Ok(None) => {
                    tracing::error!(segment = %entry.id(), "segment file is missing");
                    continue;
                }
                Err(error) => {
                    tracing::error!(segment = %entry.id(), %error, "segment file cannot be read");
                    continue;
                }
            };
            match self.warm.put(Arc::new(source)).await {
                Ok(Put::Stored(stored)) => {
                    lock(&self.resident).insert(entry.id(), stored.bytes);
                }
                Ok(Put::Declined(reason)) => {
                    tracing::debug!(segment = %entry.id(), reason, "not held in memory")
                }
                Err(error) if error.kind() == ErrorKind::NoSpace => {
                    tracing::debug!(segment = %entry.id(), "no room in memory");
                    return;
                }
                Err(error) => tracing::warn!(segment = %entry.id(), %error, "not held in memory"),
            }
        }
    }

    /// Offers every segment whose home is a file and that is not held, newest first, for as long as there is room.
    pub(super) async fn refill(self: &Arc<Self>) -> bool {
        let version = self.version.load_full();
        let mut missing: Vec<(TableId, &Arc<SegmentEntry>)> = Vec::new();
        {
            let resident = lock(&self.resident);
            for (id, table) in &version.tables {
                let files = table.segments.iter().filter(|entry| entry.home == Home::File);
                missing.extend(
                    files.filter(|entry| !resident.contains_key(&entry.id())).map(|entry| (*id, entry)),
                );
            }
        }
        missing.sort_by_key(|(_, entry)| std::cmp::Reverse(entry.meta.time_range.1));
        let before = lock(&self.resident).len();
        for (table, entry) in missing {
            let room =
                self.warm.usage().limit_bytes.unwrap_or(u64::MAX).saturating_sub(self.warm.usage().bytes);
            if entry.bytes > room || self.is_closing() || self.warm.health().is_disabled() {
                break;
            }
            self.keep_resident(table, &[entry.id()]).await;
        }
        lock(&self.resident).len() > before
    }

    /// Lets the warm tier forget segments that have moved on.
    pub(super) async fn forget_resident(&self, ids: &[SegmentId]) {
        let held: Vec<StoredSegment> = {
            let mut resident = lock(&self.resident);
            let held = ids.iter().filter(|id| resident.remove(id).is_some());
            held.map(|id| StoredSegment { id: *id, record: bytes::Bytes::new() }).collect()
        };
        if !held.is_empty()
            && !self.warm.health().is_disabled()
            && let Err(error) = self.warm.remove(&held).await
        {
            tracing::warn!(%error, "warm tier did not forget segments");
        }
    }
}
