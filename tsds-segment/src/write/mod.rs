//! Writes segment files.

mod blocks;
mod column;
mod cuts;
mod sink;
mod text;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use tsds_traits::{
    Codec, ColumnId, DatabaseId, Error, ErrorKind, OpenMode, Result, SegmentMeta, TableSchema, Vfs,
};

use crate::codec::PlainCodec;
use crate::format::{Checksum, Footer, Header, MAX_ROWS, check_totals, pack_footer};
use crate::order::{SeriesOrder, TimeOrder};
use blocks::{CodecTable, Rows};
use column::ColumnWriter;
use sink::FileSink;

/// How a segment file is written.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SegmentWriteOptions {
    /// The database to which the file belongs.
    pub database: DatabaseId,
    /// The codec of every column that has none of its own. Where a codec does not take a block's type, `tsds.plain` does.
    pub codec: Arc<dyn Codec>,
    /// Codecs of single columns.
    pub column_codecs: HashMap<ColumnId, Arc<dyn Codec>>,
}

impl SegmentWriteOptions {
    /// Every column plain.
    pub fn new(database: DatabaseId) -> Self {
        Self { database, codec: Arc::new(PlainCodec::new()), column_codecs: HashMap::new() }
    }

    /// Sets the codec of every column that has none of its own.
    #[must_use]
    pub fn with_codec(self, codec: Arc<dyn Codec>) -> Self {
        Self { codec, ..self }
    }

    /// Sets the codec of one column.
    #[must_use]
    pub fn with_column_codec(mut self, column: ColumnId, codec: Arc<dyn Codec>) -> Self {
        self.column_codecs.insert(column, codec);
        self
    }
}

/// A written segment file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The length of the file.
    pub bytes: u64,
    /// The CRC32C of the whole file.
    pub crc32c: u32,
}

/// Writes `rows`, which are sorted by (series columns, time), as the segment file `path`; durable when this returns.
/// Blocking. The directory of `path` must exist.
///
/// The file appears whole or not at all: it is written as `<path>.tmp`, synced, renamed, and its directory synced. After
/// any error but `NotDurable` there is no file, or the one that was there before. `run_starts` has the first row of every
/// series, ascending, starting with 0.
///
/// # Errors
///
/// `InvalidInput` where schema, metadata, rows and run starts contradict each other; `NotDurable` if the file is there but
/// a crash may take it back; as for I/O.
pub fn write_segment(
    vfs: &dyn Vfs,
    path: &Path,
    options: &SegmentWriteOptions,
    schema: &Arc<TableSchema>,
    meta: &Arc<SegmentMeta>,
    rows: &[RecordBatch],
    run_starts: &[u32],
) -> Result<Written> {
    let in_file = |error: Error| error.with("file", path.display()).during("segment write");
    check_input(schema, meta, rows, run_starts).map_err(in_file)?;
    let temporary = temporary_path(path);
    let written =
        write_temporary(vfs, &temporary, options, schema, meta, rows, run_starts).and_then(|written| {
            vfs.rename(&temporary, path)?;
            Ok(written)
        });
    let written = written.map_err(|error| {
        // Best effort: what stays is swept at the next start.
        let _ = vfs.remove_file(&temporary);
        in_file(error)
    })?;
    let directory = path.parent().unwrap_or(Path::new("."));
    vfs.sync_dir(directory).map_err(|error| {
        in_file(
            Error::new(ErrorKind::NotDurable, "segment file was written, but a crash may take it back")
                .with_source(error),
        )
    })?;
    Ok(written)
}

/// The name under which a file is written before it appears.
pub(crate) fn temporary_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    name.into()
}

fn check_input(
    schema: &TableSchema,
    meta: &SegmentMeta,
    rows: &[RecordBatch],
    run_starts: &[u32],
) -> Result<()> {
    meta.validate().map_err(|error| Error::invalid_input(error.message()).with("segment", meta.id))?;
    let wrong = |what: &'static str| Error::invalid_input(what).with("segment", meta.id);
    if rows.iter().any(|batch| batch.schema_ref() != schema.arrow()) {
        return Err(wrong("batch has another schema than its table"));
    }
    let count: u64 = rows.iter().map(|batch| batch.num_rows() as u64).sum();
    if count != meta.rows {
        return Err(wrong("metadata claim another number of rows")
            .with("rows", count)
            .with("claimed", meta.rows));
    }
    if count > MAX_ROWS {
        return Err(wrong("segment has more rows than a file can index").with("rows", count));
    }
    let ascending = run_starts.is_sorted_by(|a, b| a < b) && run_starts.first() == Some(&0);
    let inside = run_starts.last().is_some_and(|last| u64::from(*last) < count);
    if !ascending || !inside || run_starts.len() as u64 != meta.series {
        return Err(wrong("run starts are not those of the series of the segment"));
    }
    let mut series = SeriesOrder::new(schema, run_starts);
    let mut order = TimeOrder::new(run_starts);
    for batch in rows {
        let columns = schema.series_indices().iter().map(|index| Arc::clone(batch.column(*index)));
        if let Err(row) = series.check(columns.collect(), batch.num_rows())? {
            return Err(wrong("rows are not sorted by series, or run starts are elsewhere").with("row", row));
        }
        if let Err(row) = order.check(batch.column(schema.time_index()))? {
            return Err(wrong("rows are not sorted by time within their series").with("row", row));
        }
    }
    Ok(())
}

fn write_temporary(
    vfs: &dyn Vfs,
    temporary: &Path,
    options: &SegmentWriteOptions,
    schema: &Arc<TableSchema>,
    meta: &Arc<SegmentMeta>,
    rows: &[RecordBatch],
    run_starts: &[u32],
) -> Result<Written> {
    let file = vfs.open(temporary, OpenMode::OpenOrCreate)?;
    // A crash may have left one behind.
    file.set_len(0)?;
    let mut sink = FileSink::new(file);
    let checksum = Checksum::new(options.database, meta.id);
    sink.write(&Header::unencrypted(options.database, meta).encode()?)?;

    let rows = Rows::new(schema, rows, run_starts);
    let mut codecs = CodecTable::default();
    let mut columns = Vec::with_capacity(schema.columns().len());
    for (index, column) in schema.columns().iter().enumerate() {
        let codec = options.column_codecs.get(&column.id).unwrap_or(&options.codec);
        let is_time = index == schema.time_index();
        let mut writer = ColumnWriter { column, is_time, codec, rows: &rows, codecs: &mut codecs };
        columns.push(writer.write(index, &checksum, &mut sink).map_err(|e| e.with("column", &column.name))?);
    }
    check_totals(meta, schema, &columns)
        .map_err(|error| Error::invalid_input(error.message().to_owned()).with("segment", meta.id))?;

    sink.align()?;
    let footer = Footer {
        database: options.database,
        meta: meta.clone(),
        schema: schema.clone(),
        codecs: codecs.into_refs(),
        series_starts: run_starts.into(),
        block_rows: rows.block_rows(),
        columns,
    };
    let (stored, trailer) = pack_footer(footer.encode()?, sink.position(), &checksum)?;
    sink.write(&stored)?;
    sink.write(&trailer.encode(&checksum))?;
    sink.finish()
}
