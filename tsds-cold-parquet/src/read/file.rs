//! The files of one request, opened one after the other, at most so many at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use object_store::ObjectStoreExt;
use parquet::arrow::arrow_reader::RowSelection;
use tokio::sync::OwnedSemaphorePermit;
use tsds_compute::{CompiledPredicate, Verdict};
use tsds_traits::{
    ColumnId, ColumnStats, Error, ErrorKind, ReadMeter, Result, SegmentHandle, SegmentMeta, TableSchema,
};

use super::fetch::VerifiedFile;
use super::footer::{Detail, Footer};
use crate::path::{segment_at, segment_path};
use crate::record::FileRecord;
use crate::store::from_store;
use crate::tier::Shared;
use crate::write::PAGE_ROWS;

/// The file of one segment while a request needs it.
#[derive(Debug)]
pub(super) struct OpenFile {
    /// The position of the segment in the request.
    pub(super) segment: usize,
    pub(super) meta: Arc<SegmentMeta>,
    pub(super) file: VerifiedFile,
    pub(super) schema: Arc<TableSchema>,
    pub(super) shared: Arc<Shared>,
    /// Whether more was read than what says where the rest is.
    is_read: AtomicBool,
    /// Given back when the last row group of the file is done.
    _permit: OwnedSemaphorePermit,
}

/// A row group that may hold matching rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) index: usize,
    /// The number of its first row in the segment.
    pub(super) first_row: u64,
    pub(super) rows: usize,
    /// Whether every row matches for certain.
    pub(super) all_match: bool,
    /// The rows that are read at a time, by first row and number, where they are not all.
    pub(super) span: Option<(usize, usize)>,
}

impl Group {
    /// How many rows are read.
    pub(super) fn span_rows(&self) -> usize {
        self.span.map_or(self.rows, |(_, rows)| rows)
    }

    /// Which of its rows are read; `None` for all.
    pub(super) fn span_selection(&self) -> Option<RowSelection> {
        let (start, rows) = self.span?;
        Some(RowSelection::from_consecutive_ranges(std::iter::once(start..start + rows), self.rows))
    }

    /// Its rows in parts of at most so many, whole pages where a part is longer than one.
    pub(super) fn split(self, most: usize) -> Vec<Self> {
        let each = if most > PAGE_ROWS { most / PAGE_ROWS * PAGE_ROWS } else { most.max(1) };
        self.split_at((each..self.rows).step_by(each))
    }

    /// Its rows in parts that begin with these, which ascend.
    pub(super) fn split_at(self, cuts: impl IntoIterator<Item = usize>) -> Vec<Self> {
        let (mut parts, mut start) = (Vec::new(), 0);
        for cut in cuts.into_iter().filter(|cut| (1..self.rows).contains(cut)) {
            if cut > start {
                parts.push(Self { span: Some((start, cut - start)), ..self });
                start = cut;
            }
        }
        match start {
            0 => parts.push(self),
            _ => parts.push(Self { span: Some((start, self.rows - start)), ..self }),
        }
        parts
    }
}

impl OpenFile {
    pub(super) async fn new(
        shared: Arc<Shared>,
        schema: Arc<TableSchema>,
        segment: usize,
        handle: &SegmentHandle,
        permit: OwnedSemaphorePermit,
        meter: &ReadMeter,
    ) -> Result<Self> {
        if (handle.meta.table, handle.meta.schema_version) != (schema.table(), schema.version()) {
            return Err(Error::invalid_input("segment of a request has another table or schema version")
                .with("segment", handle.meta.id)
                .with("table", handle.meta.table)
                .with("schema_version", handle.meta.schema_version));
        }
        let record = Arc::new(read_record(&shared, handle).await?);
        Ok(Self {
            segment,
            meta: Arc::clone(&handle.meta),
            file: VerifiedFile::new(Arc::clone(&shared.store), record).metered(meter.clone()),
            is_read: AtomicBool::new(false),
            schema,
            shared,
            _permit: permit,
        })
    }

    /// The footer, read by the first who asks for as much of it.
    pub(super) async fn footer(&self, detail: Detail) -> Result<Arc<Footer>> {
        let Shared { known, world, .. } = &*self.shared;
        let footer = known.footer(&self.file, &self.schema, detail, &world.executor).await;
        footer.map_err(|error| error.with("segment", self.meta.id))
    }

    /// Makes sure that the file is there, where no byte of it is needed. Of what this process has stored, or found when it
    /// opened the store, it knows.
    pub(super) async fn check_present(&self) -> Result<()> {
        if self.shared.inventory.holds(self.meta.id) {
            return Ok(());
        }
        let path = &self.file.record().path;
        match self.shared.store.head(path).await.map_err(from_store) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(absent(self.meta.id)),
            Err(error) => Err(error.with("file", path)),
        }
    }

    /// Counts so many columns of a row group that are read.
    pub(super) fn count_read(&self, columns: usize) {
        let meter = self.file.meter();
        if !self.is_read.swap(true, Ordering::Relaxed) {
            meter.segments_opened(1);
        }
        meter.blocks_read(columns as u64);
    }

    /// The row groups that the statistics in the record do not rule out.
    pub(super) fn groups(&self, predicate: Option<&CompiledPredicate>) -> Result<Vec<Group>> {
        let mut first_row: u64 = 0;
        let mut groups = Vec::new();
        for (index, group) in self.file.record().row_groups.iter().enumerate() {
            let stats = |id: ColumnId| -> Option<&ColumnStats> {
                group.columns.iter().find(|stats| stats.column == id)
            };
            let verdict = predicate.map_or(Verdict::All, |predicate| predicate.verdict(&stats, group.rows));
            let rows = usize::try_from(group.rows);
            let (Ok(rows), Some(next)) = (rows, first_row.checked_add(group.rows)) else {
                return Err(Error::corrupt("record of a cold file has impossible row groups"));
            };
            if verdict != Verdict::None && rows > 0 {
                let all_match = verdict == Verdict::All;
                groups.push(Group { index, first_row, rows, all_match, span: None });
            }
            first_row = next;
        }
        let all = self.file.record().row_groups.len();
        self.file.meter().blocks_skipped((all - groups.len()) as u64);
        if groups.is_empty() {
            self.file.meter().segments_skipped(1);
        }
        Ok(groups)
    }
}

/// The record in the handle. Without one the segment was not put here, unless its file says otherwise; a file without a
/// record cannot be verified, and is not read.
async fn read_record(shared: &Shared, handle: &SegmentHandle) -> Result<FileRecord> {
    let id = handle.meta.id;
    if handle.record.is_empty() {
        for hive in [true, false] {
            let path = segment_path(&handle.meta, hive);
            match shared.store.head(&path).await.map_err(from_store) {
                Ok(_) => {
                    return Err(Error::corrupt(
                        "record of the segment is missing, so its file cannot be verified",
                    )
                    .with("segment", id)
                    .with("file", &path));
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error.with("file", &path)),
            }
        }
        return Err(absent(id));
    }
    let bytes: Bytes = handle.record.clone();
    let decode = move || FileRecord::decode(&bytes);
    let record =
        (*shared.world.executor).blocking(decode).await.map_err(|error| error.with("segment", id))?;
    let own = segment_at(&record.path) == Some((handle.meta.table, id)) && record.rows() == handle.meta.rows;
    if own {
        return Ok(record);
    }
    Err(Error::corrupt("record of a cold file is that of another segment")
        .with("segment", id)
        .with("file", &record.path)
        .with("rows", record.rows())
        .with("expected", handle.meta.rows))
}

pub(super) fn absent(id: tsds_traits::SegmentId) -> Error {
    Error::new(ErrorKind::NotFound, "segment is not in the cold tier").with("segment", id)
}
