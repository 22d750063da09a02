//! The synchronous half of writing: batches in, parts of a Parquet file out.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use object_store::path::Path;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::file::metadata::KeyValue;
use tsds_compute::StatsBuilder;
use tsds_traits::{DatabaseId, Error, Result, SegmentMeta, TableSchema};

use super::blocks::{Block, Blocks};
use super::encoding::{mostly_distinct, properties};
use super::sink::PartSink;
use crate::layout::{IntoFile, file_schema, into_file};
use crate::note::key_values;
use crate::record::{FileRecord, RowGroup};
use crate::settings::ParquetSettings;

/// A row group ends with the block at which its text reaches this: writing and reading hold a row group in memory.
const GROUP_TEXT_BYTES: u64 = 256 << 20;

/// Encodes the rows of one segment. Equal rows, metadata and settings give equal bytes, however the rows are batched.
#[derive(Debug)]
pub(super) struct Encoder {
    /// Made with the first block, whose values decide about encodings.
    writer: Option<ArrowWriter<PartSink>>,
    plan: FilePlan,
    schema: Arc<TableSchema>,
    file_schema: SchemaRef,
    row_group_rows: usize,
    blocks: Blocks,
    groups: Vec<RowGroup>,
    open: OpenGroup,
}

/// What a writer is made of, beside the first block.
#[derive(Debug)]
struct FilePlan {
    meta: SegmentMeta,
    settings: ParquetSettings,
    key_values: Vec<KeyValue>,
    keep_bytes: bool,
}

impl FilePlan {
    fn writer(
        &self,
        schema: &TableSchema,
        file_schema: &SchemaRef,
        first: Option<&RecordBatch>,
    ) -> Result<ArrowWriter<PartSink>> {
        let distinct = first.map_or_else(Vec::new, mostly_distinct);
        let properties = properties(&self.meta, schema, &self.settings, self.key_values.clone(), &distinct)?;
        // The pairs have the Arrow schema already, before the note: the writer would put it after.
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let sink = PartSink::new(self.keep_bytes.then(|| self.settings.part_bytes()));
        ArrowWriter::try_new_with_options(sink, Arc::clone(file_schema), options).map_err(write_failed)
    }
}

/// The row group that is being filled.
#[derive(Debug)]
struct OpenGroup {
    rows: usize,
    text: u64,
    stats: Vec<StatsBuilder>,
}

impl OpenGroup {
    fn new(schema: &TableSchema) -> Self {
        let stats = schema.columns().iter().map(|column| StatsBuilder::new(column.id)).collect();
        Self { rows: 0, text: 0, stats }
    }
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
        let file_schema = file_schema(schema);
        let key_values = key_values(meta, schema, &file_schema, database, settings)?;
        let plan = FilePlan { meta: meta.clone(), settings: settings.clone(), key_values, keep_bytes };
        Ok(Self {
            writer: None,
            plan,
            schema: Arc::clone(schema),
            file_schema,
            row_group_rows: settings.row_group_rows,
            blocks: Blocks::default(),
            groups: Vec::new(),
            open: OpenGroup::new(schema),
        })
    }

    /// Takes rows; gives the reason if they cannot be stored.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<Option<String>> {
        let mut done = 0;
        while done < batch.num_rows() {
            let room = self.row_group_rows.saturating_sub(self.open.rows);
            if let Some(block) = self.blocks.take(batch, &mut done, room)?
                && let Some(reason) = self.write_block(&block)?
            {
                return Ok(Some(reason));
            }
        }
        Ok(None)
    }

    fn write_block(&mut self, block: &Block) -> Result<Option<String>> {
        let stored = match into_file(&self.schema, &self.file_schema, &block.rows)? {
            IntoFile::Batch(stored) => stored,
            IntoFile::Declined(why) => return Ok(Some(why)),
        };
        for (stats, array) in self.open.stats.iter_mut().zip(block.rows.columns()) {
            stats.push(array.as_ref())?;
        }
        self.writer(Some(&stored))?.write(&stored).map_err(write_failed)?;
        self.open.rows += stored.num_rows();
        self.open.text += block.text;
        if self.open.rows >= self.row_group_rows || self.open.text >= GROUP_TEXT_BYTES {
            self.close_group()?;
        }
        Ok(None)
    }

    fn writer(&mut self, first: Option<&RecordBatch>) -> Result<&mut ArrowWriter<PartSink>> {
        match &mut self.writer {
            Some(writer) => Ok(writer),
            none => Ok(none.insert(self.plan.writer(&self.schema, &self.file_schema, first)?)),
        }
    }

    /// The parts that are complete.
    pub(super) fn take_parts(&mut self) -> Vec<Bytes> {
        self.writer.as_mut().map_or_else(Vec::new, |writer| writer.inner_mut().take_full())
    }

    /// Ends the file; gives the reason if the last rows cannot be stored.
    pub(super) fn finish(mut self, path: Path) -> Result<Result<Encoded, String>> {
        if let Some(block) = self.blocks.finish()?
            && let Some(reason) = self.write_block(&block)?
        {
            return Ok(Err(reason));
        }
        if self.open.rows > 0 {
            self.close_group()?;
        }
        let writer = self.writer(None)?;
        let metadata = writer.finish().map_err(write_failed)?;
        let written: Vec<_> = metadata.row_groups().iter().map(|group| group.num_rows()).collect();
        if !self
            .groups
            .iter()
            .map(|group| i64::try_from(group.rows).unwrap_or(-1))
            .eq(written.iter().copied())
        {
            return Err(Error::internal("row groups were cut at other rows than planned"));
        }
        let sink = self.writer(None)?.inner_mut();
        let mut parts = sink.take_full();
        let (last, checksums, tail) = std::mem::replace(sink, PartSink::new(None)).finish();
        parts.extend(last);
        let [a, b, c, d, ..] = tail;
        let footer_len = u32::from_le_bytes([a, b, c, d]);
        let record = FileRecord { path, checksums, footer_len, row_groups: self.groups };
        Ok(Ok(Encoded { parts, record }))
    }

    fn close_group(&mut self) -> Result<()> {
        self.writer(None)?.flush().map_err(write_failed)?;
        let closed = std::mem::replace(&mut self.open, OpenGroup::new(&self.schema));
        let columns = closed.stats.into_iter().map(StatsBuilder::finish).collect();
        self.groups.push(RowGroup { rows: closed.rows as u64, columns });
        Ok(())
    }
}

fn write_failed(error: parquet::errors::ParquetError) -> Error {
    Error::internal("parquet writer failed").with("cause", &error).with_source(error)
}
