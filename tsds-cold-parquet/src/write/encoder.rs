//! The synchronous half of writing: batches in, parts of a Parquet file out.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use object_store::path::Path;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use tsds_traits::{ColumnStats, DatabaseId, Error, Result, SegmentMeta, TableSchema};

use super::encoding::properties;
use super::sink::PartSink;
use crate::layout::{IntoFile, file_schema, into_file};
use crate::note::key_values;
use crate::record::{FileRecord, RowGroup};
use crate::settings::ParquetSettings;

/// Encodes the rows of one segment. Equal rows, metadata and settings give equal bytes.
#[derive(Debug)]
pub(super) struct Encoder {
    writer: ArrowWriter<PartSink>,
    schema: Arc<TableSchema>,
    file_schema: SchemaRef,
    row_group_rows: usize,
    groups: Vec<RowGroup>,
    /// The row group that is being filled.
    open: RowGroup,
}

/// A whole file.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) parts: Vec<Bytes>,
    pub(super) record: FileRecord,
}

impl Encoder {
    /// With `keep_bytes` unset only the record is computed.
    pub(super) fn new(
        meta: &SegmentMeta,
        schema: &Arc<TableSchema>,
        database: DatabaseId,
        settings: &ParquetSettings,
        keep_bytes: bool,
    ) -> Result<Self> {
        let key_values = key_values(meta, schema, database, settings)?;
        let properties = properties(meta, schema, settings, key_values)?;
        let file_schema = file_schema(schema);
        let options = ArrowWriterOptions::new().with_properties(properties);
        let writer =
            ArrowWriter::try_new_with_options(PartSink::new(keep_bytes), Arc::clone(&file_schema), options)
                .map_err(write_failed)?;
        Ok(Self {
            writer,
            schema: Arc::clone(schema),
            file_schema,
            row_group_rows: settings.row_group_rows,
            groups: Vec::new(),
            open: RowGroup { rows: 0, columns: Vec::new() },
        })
    }

    /// Takes rows; gives the reason if they cannot be stored.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<Option<String>> {
        let stored = match into_file(&self.schema, &self.file_schema, batch)? {
            IntoFile::Batch(stored) => stored,
            IntoFile::Declined(why) => return Ok(Some(why)),
        };
        let mut done = 0;
        while done < batch.num_rows() {
            let filled = usize::try_from(self.open.rows).unwrap_or(usize::MAX);
            let room = self.row_group_rows.saturating_sub(filled);
            let rows = room.min(batch.num_rows() - done);
            self.note_rows(&batch.slice(done, rows))?;
            self.writer.write(&stored.slice(done, rows)).map_err(write_failed)?;
            if rows == room {
                self.close_group();
            }
            done += rows;
        }
        Ok(None)
    }

    /// The parts that are complete.
    pub(super) fn take_parts(&mut self) -> Vec<Bytes> {
        self.writer.inner_mut().take_full()
    }

    /// Ends the file.
    pub(super) fn finish(mut self, path: Path) -> Result<Encoded> {
        if self.open.rows > 0 {
            self.close_group();
        }
        let metadata = self.writer.finish().map_err(write_failed)?;
        let written: Vec<_> = metadata.row_groups().iter().map(|group| group.num_rows()).collect();
        if !self
            .groups
            .iter()
            .map(|group| i64::try_from(group.rows).unwrap_or(-1))
            .eq(written.iter().copied())
        {
            return Err(Error::internal("row groups were cut at other rows than planned"));
        }
        let sink = self.writer.inner_mut();
        let mut parts = sink.take_full();
        let (last, checksums, tail) = std::mem::replace(sink, PartSink::new(false)).finish();
        parts.extend(last);
        let [a, b, c, d, ..] = tail;
        let footer_len = u32::from_le_bytes([a, b, c, d]);
        Ok(Encoded { parts, record: FileRecord { path, checksums, footer_len, row_groups: self.groups } })
    }

    fn note_rows(&mut self, rows: &RecordBatch) -> Result<()> {
        let before = self.open.rows;
        let added = rows.num_rows() as u64;
        let stats = group_stats(&self.schema, rows)?;
        self.open.columns = if before == 0 {
            stats
        } else {
            let old = std::mem::take(&mut self.open.columns);
            old.into_iter().zip(&stats).map(|(a, b)| stats_merge(a, b, before, added)).collect()
        };
        self.open.rows += added;
        Ok(())
    }

    fn close_group(&mut self) {
        let empty = RowGroup { rows: 0, columns: Vec::new() };
        self.groups.push(std::mem::replace(&mut self.open, empty));
    }
}

fn group_stats(schema: &TableSchema, rows: &RecordBatch) -> Result<Vec<ColumnStats>> {
    let _ = (schema, rows);
    Ok(Vec::new())
}

fn write_failed(error: parquet::errors::ParquetError) -> Error {
    Error::internal("parquet writer failed").with("cause", &error).with_source(error)
}

fn stats_merge(a: ColumnStats, _: &ColumnStats, _: u64, _: u64) -> ColumnStats {
    a
}
