//! Moving on: segments that the evictor names become cold files, in two phases.
//!
//! 1. *Prepare*: record the intent, write the cold file from the segment files, let the tier read it back and verify it.
//! 2. *Commit*: one catalog transaction changes the home and lists the old copies as garbage.
//! 3. Install the version; the old copies are removed when the last version that names them is gone.
//!
//! Whatever a crash leaves of phase 1 is an intent, which start-up undoes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tracing::Instrument;
use tsds_traits::{
    ChunkRange, Error, KeyDomain, Put, Result, SchemaVersion, SegmentId, SegmentSource, SegmentView,
    SequenceInterval, TableId,
};

use super::merge;
use crate::catalog::{Edit, Home, RemovalRecord, SegmentRecord};
use crate::core::Core;
use crate::guard::OwnedView;
use crate::version::SegmentEntry;

/// Segments of one chunk that become one cold file, in the order of arrival.
type Group = (TableId, Vec<Arc<SegmentEntry>>);

impl Core {
    /// Moves what the evictor names, and refills what there is room for. Returns whether anything moved.
    pub(crate) async fn move_pass(self: &Arc<Self>) -> Result<bool> {
        let _one_at_a_time = self.mover.moving.lock().await;
        self.check_open()?;
        self.check_writable()?;
        let groups = self.plan_moves().await;
        if !groups.is_empty() {
            // Before an intent is recorded that could only be undone.
            self.cold.health().check("put")?;
        }
        for (table, group) in &groups {
            self.check_open()?;
            let span = tracing::debug_span!("move", %table, segments = group.len());
            self.move_group(*table, group).instrument(span).await?;
        }
        let settings = self.settings();
        let debug = &settings.debug;
        if !groups.is_empty() && debug.enabled && debug.print_tier_stats {
            tracing::info!(counts = ?self.tier_counts(), "moved segments to cold files");
        }
        if groups.is_empty() {
            self.refill().await;
        }
        Ok(!groups.is_empty())
    }

    async fn plan_moves(&self) -> Vec<Group> {
        let version = self.version.load_full();
        let serving = self.warm.serving();
        let mut entries: BTreeMap<SegmentId, (TableId, Arc<SegmentEntry>)> = BTreeMap::new();
        for (id, table) in &version.tables {
            let files = table.segments.iter().filter(|entry| entry.home == Home::File);
            entries.extend(files.map(|entry| (entry.id(), (*id, Arc::clone(entry)))));
        }
        let views: Vec<SegmentView> = serving.with_residency(|residency| {
            let views = entries.values().map(|(_, entry)| SegmentView {
                meta: Arc::clone(&entry.meta),
                bytes: residency.bytes_of(entry.id()).unwrap_or(entry.bytes),
                last_used: entry.last_used(),
                pinned: false,
            });
            views.collect()
        });
        let settings = self.settings();
        let warm = &settings.warm_tier;
        let limit = (warm.max_memory_mb << 20) as f64;
        let view = OwnedView {
            tier: serving.tier.name(),
            segments: Arc::new(views),
            high_mark: (limit * warm.eviction_threshold_pct) as u64,
            low_mark: (limit * warm.eviction_target_pct) as u64,
            now: self.now(),
            wall_seconds: self.world.clock.wall_nanos().div_euclid(1_000_000_000),
        };
        let evicted = self.evictor.plan(view).await;
        self.group(&version, &evicted)
    }

    /// Cuts what leaves into runs of neighbours: segments of one table, chunk, schema version and key domain with nothing of
    /// the chunk between them, up to the size of a cold file. Only neighbours may merge, or the order of arrival is lost.
    fn group(&self, version: &crate::version::Version, evicted: &BTreeSet<SegmentId>) -> Vec<Group> {
        let target = self.settings().cold_tier.merge_target_mb << 20;
        let mut groups = Vec::new();
        for (id, table) in &version.tables {
            let mut run: Vec<Arc<SegmentEntry>> = Vec::new();
            let mut bytes = 0;
            for entry in &table.segments {
                let continues = run.last().is_some_and(|last| sort_of(last) == sort_of(entry));
                let fits = bytes + entry.meta.plain_bytes <= target;
                let leaves = evicted.contains(&entry.id());
                let joins = leaves && continues && fits;
                if !joins && !run.is_empty() {
                    groups.push((*id, std::mem::take(&mut run)));
                    bytes = 0;
                }
                if leaves {
                    bytes += entry.meta.plain_bytes;
                    run.push(Arc::clone(entry));
                }
            }
            if !run.is_empty() {
                groups.push((*id, run));
            }
        }
        groups
    }

    async fn move_group(self: &Arc<Self>, table: TableId, group: &[Arc<SegmentEntry>]) -> Result<()> {
        let source = self.cold_source(table, group).await?;
        let meta = Arc::clone(source.meta());
        let home = Home::cold();
        let intent = RemovalRecord { segment: meta.id, home: home.clone(), tier_record: Vec::new() };
        self.commit(vec![Edit::PutIntent(intent.clone())], |_| {}).await?;
        let stored = match self.cold.put(source).await {
            Ok(Put::Stored(stored)) => stored,
            Ok(Put::Declined(reason)) => {
                self.undo_move(&intent).await;
                return Err(Error::unsupported("cold tier declined a segment")
                    .with("reason", reason)
                    .with("segment", meta.id));
            }
            Err(error) => {
                self.undo_move(&intent).await;
                return Err(error);
            }
        };
        let record = SegmentRecord {
            meta: (*meta).clone(),
            home,
            bytes: stored.bytes,
            tier_record: stored.record.to_vec(),
        };
        let mut edits = vec![Edit::RemoveIntent(meta.id), Edit::PutSegment(record.clone())];
        for old in group {
            edits.push(Edit::RemoveSegment(old.id()));
            edits.push(Edit::PutGarbage(old.removal()));
        }
        self.commit(edits, |_| {}).await?;
        self.install_moved(table, group, &record)?;
        let ids: Vec<_> = group.iter().map(|entry| entry.id()).collect();
        self.forget_resident(&ids).await;
        tracing::debug!(segment = %meta.id, rows = meta.rows, bytes = stored.bytes, merged = group.len(), "moved to cold");
        Ok(())
    }

    /// The rows of a group as one source: the segment file itself, renamed to its next generation, or a merge.
    async fn cold_source(
        self: &Arc<Self>,
        table: TableId,
        group: &[Arc<SegmentEntry>],
    ) -> Result<Arc<dyn SegmentSource>> {
        let current = self.table(table)?;
        let first = group.first().ok_or_else(|| Error::internal("nothing to move"))?;
        let schema = current
            .schemas
            .get(&first.meta.schema_version)
            .ok_or_else(|| Error::internal("schema version is gone").with("segment", first.id()))?;
        let mut sources = Vec::with_capacity(group.len());
        for entry in group {
            let missing = || Error::corrupt("segment file is missing").with("segment", entry.id());
            let file = self.segments.open(&entry.meta, schema).await?.ok_or_else(missing)?;
            sources.push(Arc::new(file) as Arc<dyn SegmentSource>);
        }
        if let [only] = &sources[..] {
            let id = SegmentId { generation: first.id().generation.saturating_add(1), ..first.id() };
            return Ok(merge::renamed(Arc::clone(only), id));
        }
        let last = group.last().unwrap_or(first);
        let interval = SequenceInterval::new(first.meta.interval.after, last.meta.interval.upto);
        let id = self.segment_numbers(1).await?.pop().ok_or_else(|| Error::internal("no segment number"))?;
        let expected: u64 = group.iter().map(|entry| entry.meta.rows).sum();
        let merged = merge::merged(self, Arc::clone(schema), sources, id, interval).await?;
        if merged.meta().rows != expected {
            return Err(Error::internal("merging segments changed the number of rows")
                .with("expected", expected)
                .with("merged", merged.meta().rows));
        }
        Ok(merged)
    }

    /// Removes what a failed move may have written, and its intent. If that fails too, the next start does it.
    async fn undo_move(&self, intent: &RemovalRecord) {
        let undone = async {
            self.cold.remove(&[intent.stored()]).await?;
            self.commit(vec![Edit::RemoveIntent(intent.segment)], |_| {}).await
        };
        if let Err(error) = undone.await {
            tracing::warn!(%error, segment = %intent.segment, "a failed move is left for the next start");
        }
    }

    fn install_moved(
        &self,
        table: TableId,
        group: &[Arc<SegmentEntry>],
        record: &SegmentRecord,
    ) -> Result<()> {
        let moved: BTreeSet<SegmentId> = group.iter().map(|entry| entry.id()).collect();
        let used = group.iter().map(|entry| entry.last_used()).max().unwrap_or_default();
        self.install_table(table, |next| {
            next.segments.retain(|entry| !moved.contains(&entry.id()));
            next.segments.push(SegmentEntry::new(record, used, self.reclaim.clone()));
        })?;
        for entry in group {
            entry.retire();
        }
        Ok(())
    }
}

/// What segments must have in common to merge.
fn sort_of(entry: &SegmentEntry) -> (ChunkRange, SchemaVersion, KeyDomain) {
    (entry.meta.chunk, entry.meta.schema_version, entry.meta.key_domain)
}
