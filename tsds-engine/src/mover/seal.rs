//! Sealing: a memtable becomes one segment file per chunk, in one catalog transaction.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::future::{Either, pending, select};
use futures::stream::{self, StreamExt};
use tracing::Instrument;
use tsds_compute::chunk::second_of;
use tsds_compute::{SortedRows, describe_segment};
use tsds_hot::SealedRows;
use tsds_segment::SegmentStore;
use tsds_traits::{
    Error, ErrorKind, KeyDomain, Result, SegmentId, SegmentMeta, Sequence, SequenceInterval, TableId,
    TableSchema,
};

use super::interval;
use crate::catalog::{Edit, Home, RemovalRecord, SealRecord, SegmentRecord, TableRecord};
use crate::config::HotTier;
use crate::core::Core;
use crate::guard::Health;
use crate::hot::HotMemtable;
use crate::metrics;
use crate::open::PLAIN_CODEC;
use crate::version::{SegmentEntry, TableVersion};

impl Core {
    /// Seals what must be sealed, or everything; one memtable. Returns whether there was one.
    pub(crate) async fn seal_pass(self: &Arc<Self>, everything: bool) -> Result<bool> {
        let _one_at_a_time = self.mover.sealing.lock().await;
        self.check_open()?;
        self.check_writable()?;
        self.freeze_what_is_due(everything)?;
        let Some((table, memtable)) = self.next_to_seal(everything) else { return Ok(false) };
        let began = self.now();
        let span = tracing::debug_span!("seal", %table, rows = memtable.rows());
        self.seal(table, memtable).instrument(span).await?;
        metrics::sealed(self.now().saturating_sub(began));
        self.set_gauges();
        self.mover.wake_moving.notify_one();
        Ok(true)
    }

    /// Freezes memtables that are large or old enough, and the largest one when memory is full of active ones.
    fn freeze_what_is_due(&self, everything: bool) -> Result<()> {
        let settings = self.settings();
        let hot = &settings.hot_tier;
        let now = self.now();
        for id in self.table_ids() {
            let Ok(table) = self.table(id) else { continue };
            let rows = table.active.rows();
            let old =
                rows > 0 && now.saturating_sub(table.active.created()).as_secs() >= hot.segment_age_seconds;
            if rows >= freeze_rows(hot) || old || (everything && rows > 0) {
                self.freeze(id)?;
            }
        }
        let version = self.version.load_full();
        if self.over_the_mark() && version.tables.values().all(|table| table.frozen.is_empty()) {
            let largest = version.tables.values().max_by_key(|table| table.active.bytes());
            if let Some(table) = largest.filter(|table| table.active.rows() > 0) {
                self.freeze(table.record.id)?;
            }
        }
        Ok(())
    }

    /// Whether memory or the log is over its mark, by rows that are visible now.
    fn over_the_mark(&self) -> bool {
        let settings = self.settings();
        let hot = &settings.hot_tier;
        let (rows, bytes) = self.visible_memory();
        rows as f64 > hot.max_records as f64 * hot.eviction_threshold_pct
            || bytes as f64 > (hot.max_memory_mb << 20) as f64 * hot.eviction_threshold_pct
            || self.log_is_long()
    }

    fn log_is_long(&self) -> bool {
        self.wal.usage().bytes > self.settings().wal.max_mb << 20
    }

    /// The oldest frozen memtable, if there is a reason to seal one now: memory over its mark and not yet at its target,
    /// a long log, age, or that everything is to be sealed.
    fn next_to_seal(&self, everything: bool) -> Option<(TableId, Arc<HotMemtable>)> {
        let version = self.version.load();
        let frozen =
            version.tables.values().filter_map(|table| Some((table.record.id, table.frozen.first()?)));
        let (table, memtable) = frozen.min_by_key(|(_, memtable)| memtable.first())?;
        let settings = self.settings();
        let hot = &settings.hot_tier;
        let age = self.now().saturating_sub(memtable.created()).as_secs();
        let due = everything || self.must_shrink() || age >= hot.segment_age_seconds;
        due.then(|| (table, Arc::clone(memtable)))
    }

    /// Once memory is over the mark, sealing goes on down to the target. Until then frozen memtables wait in memory, where
    /// they answer queries fastest.
    fn must_shrink(&self) -> bool {
        let settings = self.settings();
        let hot = &settings.hot_tier;
        let (rows, bytes) = self.visible_memory();
        let above_target = rows as f64 > hot.max_records as f64 * hot.eviction_target_pct
            || bytes as f64 > (hot.max_memory_mb << 20) as f64 * hot.eviction_target_pct
            || self.log_is_long();
        let shrinking =
            self.over_the_mark() || (self.mover.shrinking.load(Ordering::Acquire) && above_target);
        self.mover.shrinking.store(shrinking, Ordering::Release);
        shrinking
    }

    /// Rows and bytes of memtables that are not in segments yet.
    fn visible_memory(&self) -> (u64, u64) {
        let version = self.version.load();
        let tables = version.tables.values();
        tables.fold((0, 0), |(rows, bytes), table| (rows + table.hot_rows(), bytes + table.hot_bytes()))
    }

    async fn seal(self: &Arc<Self>, id: TableId, memtable: Arc<HotMemtable>) -> Result<()> {
        let table = self.table(id)?;
        let snapshot = memtable.snapshot();
        let tile = SequenceInterval::new(table.sealed_upto(), snapshot.interval.upto);
        let rows = snapshot.rows;
        let schema = Arc::clone(&snapshot.schema);
        let chunk_interval = match &table.record.chunk_interval {
            Some(text) => text.parse()?,
            None => {
                let unit = schema.time_unit();
                let (first, last) = snapshot.time_range.unwrap_or_default();
                let seconds = second_of(last, unit).abs_diff(second_of(first, unit));
                interval::choose(rows, seconds)
            }
        };
        let sealed = self.blocking(move || tsds_hot::seal(&snapshot, chunk_interval)).await?;
        let (ids, records) = self.write_segments(&schema, tile, &sealed).await?;
        let written: u64 = records.iter().map(|record| record.meta.rows).sum();
        if written != rows {
            // Before it is in the catalog, which would then not open any more.
            self.discard_files(&ids).await;
            return Err(Error::internal("sealing changed the number of rows")
                .with("expected", rows)
                .with("written", written));
        }
        // Files are written without holding up whoever alters the table meanwhile, so its record is read only now.
        let records_lock = self.records.lock().await;
        let record = TableRecord {
            chunk_interval: Some(chunk_interval.to_string()),
            sealed_upto: tile.upto,
            ..TableRecord::clone(&self.table(id)?.record)
        };
        let seal = SealRecord { interval: tile, rows };
        let floor = self.floor_after(id, &memtable);
        let mut edits = vec![Edit::PutTable(record.clone()), Edit::PutSeal(id, seal.clone())];
        // The log may forget the batches with their rows.
        let batches = self.batches.edits(id, tile.upto);
        edits.extend(batches.iter().cloned());
        edits.extend(records.iter().cloned().map(Edit::PutSegment));
        edits.extend(ids.iter().copied().map(Edit::RemoveIntent));
        if let Err(error) =
            self.commit(edits, |database| database.wal_floor = database.wal_floor.max(floor)).await
        {
            if error.kind() == ErrorKind::NoSpace {
                self.discard_files(&ids).await;
            }
            return Err(error);
        }
        self.batches.catalogued(id, &batches);
        self.install_sealed(id, record, seal, &records, &memtable)?;
        drop(records_lock);
        tracing::debug!(table = %table.record.name, rows, segments = records.len(), "sealed");
        // The floor is durable, so forgetting can be repeated whenever it fails.
        if let Err(error) = self.wal.release(floor).await {
            tracing::warn!(%error, "log could not be released");
        }
        self.keep_resident(id, &ids).await;
        Ok(())
    }

    /// Writes the segments of a tile in the configured codec, or in the plain one where that codec fails.
    async fn write_segments(
        self: &Arc<Self>,
        schema: &Arc<TableSchema>,
        tile: SequenceInterval,
        sealed: &[SealedRows],
    ) -> Result<(Vec<SegmentId>, Vec<SegmentRecord>)> {
        let codec = &self.file_codec;
        match self.try_write_segments(&self.segments, Some(codec), schema, tile, sealed).await {
            Err(error) if error.plugin() == Some(codec.id()) && codec.id() != PLAIN_CODEC => {
                tracing::warn!(%error, "segments are written in the plain codec");
                // Under new numbers: a call that hangs may still write under the old ones one day.
                self.try_write_segments(&self.plain_segments, None, schema, tile, sealed).await
            }
            written => written,
        }
    }

    /// Writes the segments, and gives up once `watched` is disabled.
    async fn try_write_segments(
        self: &Arc<Self>,
        store: &SegmentStore,
        watched: Option<&Arc<Health>>,
        schema: &Arc<TableSchema>,
        tile: SequenceInterval,
        sealed: &[SealedRows],
    ) -> Result<(Vec<SegmentId>, Vec<SegmentRecord>)> {
        let ids = self.begin_files(sealed.len()).await?;
        let stuck = async {
            let Some(codec) = watched else { return pending().await };
            codec.until_disabled().await;
            codec.check("encode").and(Err(Error::internal("a disabled codec is not disabled")))
        };
        let written = {
            let writing = self.write_files(store, schema, tile, sealed, &ids);
            match select(Box::pin(stuck), Box::pin(writing)).await {
                // What hangs may still write one day: its numbers stay noted until the next start.
                Either::Left((disabled, _)) => return disabled,
                Either::Right((written, _)) => written,
            }
        };
        match written {
            Ok(records) => Ok((ids, records)),
            Err(error) => {
                self.discard_files(&ids).await;
                Err(error)
            }
        }
    }

    async fn write_files(
        self: &Arc<Self>,
        store: &SegmentStore,
        schema: &Arc<TableSchema>,
        tile: SequenceInterval,
        sealed: &[SealedRows],
        ids: &[SegmentId],
    ) -> Result<Vec<SegmentRecord>> {
        let jobs = sealed.iter().cloned().zip(ids.iter().copied()).map(|(rows, id)| {
            let (core, schema, store) = (Arc::clone(self), Arc::clone(schema), store.clone());
            async move {
                let described = Arc::clone(&schema);
                let (meta, rows) = core
                    .blocking(move || {
                        let sorted = SortedRows { batch: rows.rows, run_starts: rows.run_starts };
                        let meta = describe_segment(&described, id, rows.chunk, KeyDomain(0), tile, &sorted)?;
                        Ok((Arc::new(meta), sorted))
                    })
                    .await?;
                let written = store.write(&meta, &schema, vec![rows.batch], rows.run_starts.into()).await?;
                let meta = SegmentMeta::clone(&meta);
                Ok(SegmentRecord { meta, home: Home::File, bytes: written.bytes, tier_record: Vec::new() })
            }
        });
        let parallel = self.world.executor.parallelism().max(1);
        // All of them, also after a failure: nothing may still be writing when the files are removed.
        let written: Vec<Result<SegmentRecord>> = stream::iter(jobs).buffered(parallel).collect().await;
        written.into_iter().collect()
    }

    /// Numbers for files that are about to be written, noted in the catalog before there is anything under them. A file that
    /// the catalog does not name is then proof of a newer catalog, and never removed.
    async fn begin_files(&self, count: usize) -> Result<Vec<SegmentId>> {
        let ids = self.segment_numbers(count).await?;
        let begun = ids.iter().map(|id| Edit::PutIntent(RemovalRecord::file(*id))).collect();
        self.commit(begun, |_| {}).await?;
        Ok(ids)
    }

    /// Removes files of a seal that did not happen; what is left behind is removed at the next start.
    async fn discard_files(&self, ids: &[SegmentId]) {
        let discarded = async {
            for id in ids {
                self.segments.remove(*id).await?;
            }
            self.commit(ids.iter().copied().map(Edit::RemoveIntent).collect(), |_| {}).await
        };
        if let Err(error) = discarded.await {
            tracing::warn!(%error, ?ids, "the files of a failed seal are left for the next start");
        }
    }

    fn install_sealed(
        &self,
        id: TableId,
        record: TableRecord,
        seal: SealRecord,
        records: &[SegmentRecord],
        memtable: &Arc<HotMemtable>,
    ) -> Result<()> {
        let now = self.now();
        self.install_table(id, |table: &mut TableVersion| {
            table.frozen.retain(|frozen| !Arc::ptr_eq(frozen, memtable));
            table.record = Arc::new(record);
            Arc::make_mut(&mut table.seals).push(seal);
            table
                .segments
                .extend(records.iter().map(|record| SegmentEntry::new(record, now, self.reclaim.clone())));
        })
    }

    /// What the log may forget once `sealed` is in segments: everything before the first row that is only in memory.
    fn floor_after(&self, sealed_table: TableId, sealed: &Arc<HotMemtable>) -> Sequence {
        // Read before the memtables are, so that a row that becomes visible meanwhile is above it.
        let visible = self.writer.visible();
        let version = self.version.load();
        let unsealed = version.tables.iter().flat_map(|(id, table)| {
            table.memtables().filter(move |memtable| *id != sealed_table || !Arc::ptr_eq(memtable, sealed))
        });
        let firsts = unsealed.filter_map(|memtable| memtable.first());
        firsts.map(|first| Sequence(first.0.saturating_sub(1))).fold(visible, Sequence::min)
    }
}

/// At how many rows a memtable is frozen. A memory smaller than a few segments is cut into at least two memtables, so
/// that sealing down to the target leaves some rows in it.
pub(super) fn freeze_rows(hot: &HotTier) -> u64 {
    hot.segment_rows.min(hot.max_records / 3).max(1)
}
