//! The work of a request in order: which row groups of which files are read.

use std::sync::Arc;

use futures::stream::{self, Stream, StreamExt};
use tokio::sync::Semaphore;
use tsds_traits::{Error, ErrorKind, ReadMeter, Result, SegmentHandle, TableSchema};

use super::file::{Group, OpenFile};
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
            .then(move |segment| {
                let (request, allowed) = (Arc::clone(&self), Arc::clone(&allowed));
                async move { request.units_of(segment, allowed).await }
            })
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
        let groups = file.groups(self.filter.as_ref().map(Filter::predicate))?;
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

    /// How many units are worked on at the same time: enough for every core, and for as many files as are allowed.
    pub(super) fn window(&self) -> usize {
        let cores = self.shared.world.executor.parallelism();
        self.shared.settings.max_concurrent_files.max(cores.saturating_add(1))
    }
}
