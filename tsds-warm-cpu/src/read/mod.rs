//! Reads the segments of a request group by group: what scans and aggregates share.

mod gather;
mod group;
mod top;

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, Stream};
use tsds_traits::{ColumnId, ReadMeter, Result, SegmentHandle, TableSchema};

use crate::segment::{Finder, Group, MemorySegment, Segment};
use tsds_device::residency::Stop;

pub(crate) use gather::GroupRows;
pub(crate) use group::{GroupReader, Matches, Wanted};
pub(crate) use top::{Bound, Top};

/// A segment of a request, as it is at the first poll.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// Pinned, and held until the stream ends.
    Pinned(Arc<MemorySegment>),
    /// Not pinned.
    Elsewhere(SegmentHandle),
}

/// Reads segments for one request.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) schema: Arc<TableSchema>,
    /// Every column that the request reads.
    pub(crate) columns: Vec<ColumnId>,
    /// About how many bytes a group has at most that is not pinned.
    pub(crate) group_bytes: u64,
    pub(crate) finder: Finder,
    pub(crate) stop: Arc<Stop>,
    pub(crate) meter: ReadMeter,
}

impl Reading {
    /// How many groups are worked on at the same time.
    pub(crate) fn width(&self) -> usize {
        self.finder.world.executor.parallelism().max(1)
    }

    /// Opens segments in order, a few ahead, while `wanted` says so. Gives each with its position.
    pub(crate) fn segments(
        self: &Arc<Self>,
        targets: Vec<Target>,
        wanted: Box<dyn Fn() -> bool + Send>,
    ) -> impl Stream<Item = Result<(usize, Segment)>> + Send + use<> {
        let (reading, width) = (Arc::clone(self), self.width());
        stream::iter(targets.into_iter().enumerate())
            .take_while(move |_| std::future::ready(wanted()))
            .map(move |(position, target)| Arc::clone(&reading).open(position, target))
            .buffered(width)
    }

    async fn open(self: Arc<Self>, position: usize, target: Target) -> Result<(usize, Segment)> {
        self.stop.check()?;
        let segment = match target {
            Target::Pinned(segment) => Segment::Memory(segment),
            Target::Elsewhere(handle) => {
                self.finder.open(&handle, &self.schema, &self.columns, self.group_bytes).await?
            }
        };
        self.meter.segments_opened(1);
        Ok((position, segment))
    }

    pub(crate) fn reader(&self, segment: Segment, group: Group) -> GroupReader {
        GroupReader {
            world: self.finder.world.clone(),
            codecs: Arc::clone(&self.finder.codecs),
            stop: Arc::clone(&self.stop),
            meter: self.meter.clone(),
            segment,
            group,
            bound: None,
        }
    }
}
