//! The work of a request in order: which row groups of which files are read.

use std::sync::Arc;

use futures::stream::{self, Stream, StreamExt};
use tokio::sync::Semaphore;
use tsds_compute::{expected_bytes, expected_long_bytes};
use tsds_traits::{ColumnId, Error, ErrorKind, ReadMeter, Result, SegmentHandle, SegmentMeta, TableSchema};

use super::file::{Group, OpenFile};
use super::footer::Detail;
use super::group::{Filter, GroupReader};
use crate::tier::Shared;

/// One step of a request. Every file has at least one, and its last one says so.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    pub(super) file: Arc<OpenFile>,
    /// `None` where no row of the file can match: then it is only made sure that the file is there.
    pub(super) group: Option<Group>,
    pub(super) last_of_file: bool,
}

/// What of a request decides about its units.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) shared: Arc<Shared>,
    pub(super) schema: Arc<TableSchema>,
    pub(super) segments: Vec<SegmentHandle>,
    pub(super) filter: Option<Filter>,
    pub(super) meter: ReadMeter,
    /// What a scan may read at a time.
    pub(super) room: Option<Room>,
}

/// How much of a file is read at a time, and ahead.
#[derive(Debug)]
pub(super) struct Room {
    columns: Vec<ColumnId>,
    unit_bytes: u64,
    ahead_bytes: u64,
}

/// What a unit is at most, in batches.
const BATCHES_OF_UNIT: u64 = 4;
/// What is read ahead, in batches.
const BATCHES_AHEAD: u64 = 16;
/// How many files are opened and cut at the same time.
const CUT_AHEAD: usize = 8;

impl Room {
    /// For a scan of these columns.
    pub(super) fn new(columns: Vec<ColumnId>, batch_bytes: u64) -> Self {
        let unit_bytes = batch_bytes.saturating_mul(BATCHES_OF_UNIT).max(1);
        Self { columns, unit_bytes, ahead_bytes: batch_bytes.saturating_mul(BATCHES_AHEAD) }
    }

    /// How many rows of a segment make a unit.
    fn rows(&self, meta: &SegmentMeta, schema: &TableSchema) -> usize {
        let bytes = expected_bytes(meta, schema, &self.columns).max(1);
        let rows = u128::from(self.unit_bytes) * u128::from(meta.rows) / u128::from(bytes);
        usize::try_from(rows).unwrap_or(usize::MAX).max(1)
    }

    /// How many units of the largest segment have room; at least one.
    fn units(&self, segments: &[SegmentHandle], schema: &TableSchema) -> usize {
        let bytes = |segment: &SegmentHandle| expected_bytes(&segment.meta, schema, &self.columns);
        let largest = segments.iter().map(bytes).max().unwrap_or(0).min(self.unit_bytes).max(1);
        usize::try_from(self.ahead_bytes / largest).unwrap_or(usize::MAX).max(1)
    }
}

impl Unit {
    /// The reader of the row group, if there is one to read.
    pub(super) fn reader(&self) -> Option<GroupReader> {
        Some(GroupReader { file: Arc::clone(&self.file), group: self.group? })
    }
}

impl Request {
    /// The units in request order, files in turn. A file is opened when no more than the allowed number of earlier
    /// ones is still in work: waiting happens here, before its first unit comes out, so that files are never waited for
    /// by units whose turn comes first.
    pub(super) fn units(self: Arc<Self>) -> impl Stream<Item = Result<Unit>> + Send {
        let allowed = Arc::new(Semaphore::new(self.shared.settings.max_concurrent_files));
        let segments = stream::iter(0..self.segments.len());
        segments
            .map(move |segment| {
                let (request, allowed) = (Arc::clone(&self), Arc::clone(&allowed));
                async move { request.units_of(segment, allowed).await }
            })
            // Permits are given in the order in which they are asked for. To cut a file may take reading where its pages are.
            .buffered(CUT_AHEAD)
            .flat_map(|units| match units {
                Ok(units) => stream::iter(units).map(Ok).left_stream(),
                Err(error) => stream::iter([Err(error)]).right_stream(),
            })
    }

    async fn units_of(&self, segment: usize, allowed: Arc<Semaphore>) -> Result<Vec<Unit>> {
        let handle =
            self.segments.get(segment).ok_or_else(|| Error::internal("request has fewer segments"))?;
        let closed = |_| Error::new(ErrorKind::Closed, "request was closed");
        let permit = allowed.acquire_owned().await.map_err(closed)?;
        let (shared, schema) = (Arc::clone(&self.shared), Arc::clone(&self.schema));
        let file = Arc::new(OpenFile::new(shared, schema, segment, handle, permit, &self.meter).await?);
        let mut groups = file.groups(self.filter.as_ref().map(Filter::predicate))?;
        if let Some(room) = &self.room {
            groups = self.split(room, &file, groups).await?;
        }
        if groups.is_empty() {
            return Ok(vec![Unit { file, group: None, last_of_file: true }]);
        }
        let last = groups.len() - 1;
        let units = groups.into_iter().enumerate().map(|(index, group)| Unit {
            file: Arc::clone(&file),
            group: Some(group),
            last_of_file: index == last,
        });
        Ok(units.collect())
    }

    /// Row groups in parts that have room. Where long text or payload may be in some rows and not in others, pages say where.
    async fn split(&self, room: &Room, file: &OpenFile, groups: Vec<Group>) -> Result<Vec<Group>> {
        let rows = room.rows(&file.meta, &self.schema);
        let is_uneven = expected_long_bytes(&file.meta, &self.schema, &room.columns) > room.unit_bytes;
        if !is_uneven || groups.is_empty() {
            return Ok(groups.into_iter().flat_map(|group| group.split(rows)).collect());
        }
        let footer = file.footer(Detail::Index).await?;
        let columns: Vec<usize> = room.columns.iter().filter_map(|id| self.schema.index_of(*id)).collect();
        let split = |group: Group| match footer.page_cuts(group.index, &columns, room.unit_bytes) {
            Some(cuts) => group.split_at(cuts),
            None => group.split(rows),
        };
        Ok(groups.into_iter().flat_map(split).collect())
    }

    /// How many units are worked on at the same time: enough for every core, and for as many files as are allowed, as far as they
    /// have room.
    pub(super) fn window(&self) -> usize {
        let cores = self.shared.world.executor.parallelism();
        let most = self.shared.settings.max_concurrent_files.max(cores.saturating_add(1));
        self.room.as_ref().map_or(most, |room| room.units(&self.segments, &self.schema).min(most))
    }
}
