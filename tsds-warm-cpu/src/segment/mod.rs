//! One segment as blocks and groups of blocks, wherever it is.

mod cuts;
mod file;
mod memory;
mod part;

use std::ops::Range;
use std::sync::Arc;

use tsds_traits::{
    CodecLookup, ColumnId, ColumnStats, Error, ErrorKind, ReadMeter, Result, SegmentFiles, SegmentHandle,
    SegmentMeta, TableSchema, World,
};

pub(crate) use cuts::{Cuts, GROUP_ROWS, Group, LONG_BLOCK_BYTES, Room};
pub(crate) use file::FileSegment;
pub(crate) use memory::{MemoryColumn, MemorySegment};
pub(crate) use part::{Body, Part, Piece, array_bytes, join};

#[cfg(test)]
pub(crate) use memory::tests;

use crate::pin;

/// A segment that can be read.
#[derive(Clone, Debug)]
pub(crate) enum Segment {
    /// In memory.
    Memory(Arc<MemorySegment>),
    /// In its file.
    File(Arc<FileSegment>),
}

impl Segment {
    pub(crate) fn cuts(&self) -> &Cuts {
        match self {
            Self::Memory(segment) => segment.cuts(),
            Self::File(segment) => segment.cuts(),
        }
    }

    pub(crate) fn meta(&self) -> &Arc<SegmentMeta> {
        match self {
            Self::Memory(segment) => segment.meta(),
            Self::File(segment) => segment.meta(),
        }
    }

    /// The statistics of one block, where they are known.
    pub(crate) fn block_stats(&self, column: ColumnId, block: usize) -> Option<&ColumnStats> {
        match self {
            Self::Memory(segment) => segment.block_stats(column, block),
            Self::File(segment) => segment.block_stats(column, block),
        }
    }

    /// The statistics of a whole group, where they are known.
    pub(crate) fn group_stats(&self, column: ColumnId, group: usize) -> Option<&ColumnStats> {
        match self {
            Self::Memory(segment) => segment.group_stats(column, group),
            Self::File(_) => None,
        }
    }

    /// Those of a column's blocks in a group that are in `rows`: ranges of whole blocks, ascending, relative to the group.
    ///
    /// # Errors
    ///
    /// `Corrupt`; as for I/O.
    pub(crate) async fn load(
        &self,
        column: ColumnId,
        group: &Group,
        rows: &[Range<usize>],
        meter: &ReadMeter,
    ) -> Result<Part> {
        match self {
            Self::Memory(segment) => segment.part(column, group.index),
            Self::File(segment) => segment.load(column, group, rows, meter).await,
        }
    }
}

/// Where segments that are not pinned are found.
#[derive(Clone, Debug)]
pub(crate) struct Finder {
    pub(crate) world: World,
    pub(crate) codecs: Arc<dyn CodecLookup>,
    pub(crate) files: Option<Arc<dyn SegmentFiles>>,
}

impl Finder {
    /// Opens a segment that is not pinned. `columns` are those that the request reads, in groups of about `group_bytes` at most.
    ///
    /// # Errors
    ///
    /// `NotFound` where there is no file; `Corrupt`; as for I/O.
    pub(crate) async fn open(
        &self,
        handle: &SegmentHandle,
        schema: &Arc<TableSchema>,
        columns: &[ColumnId],
        group_bytes: u64,
    ) -> Result<Segment> {
        let source = match &self.files {
            Some(files) => files.open(&handle.meta, schema).await?,
            None => None,
        };
        let Some(source) = source else {
            return Err(Error::new(ErrorKind::NotFound, "segment is neither pinned nor in a segment file")
                .with("segment", handle.meta.id));
        };
        match FileSegment::new(&source, columns, &self.codecs, group_bytes)? {
            Some(segment) => Ok(Segment::File(Arc::new(segment))),
            None => {
                let rows = pin::rows(&self.world, &self.codecs, source.as_ref()).await?;
                Ok(Segment::Memory(Arc::new(rows)))
            }
        }
    }
}
