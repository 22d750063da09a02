//! Sorted runs on disk: what a sort cannot hold in memory.
//!
//! A segment that finds no room is read as it is stored, a chunk at a time; each chunk is sorted and written, and its rows come
//! back in blocks when the merge asks for them. Chunks and blocks are cut by what their rows take. Where a row of each run would
//! be too much already, the runs of a segment are merged into one before anything else is read. All runs of a query are in one file, which has no name any more as soon as it
//! is open: whatever happens, its space is free once the query is gone.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, SchemaRef};
use arrow_select::dictionary::garbage_collect_any_dictionary;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tsds_compute::merge::{MergeInput, merge};
use tsds_compute::{BatchSize, RowBytes, SortedBatches};
use tsds_traits::{ColumnId, Error, ErrorKind, OpenMode, Result, SortKey, Vfs, VfsFile};

use super::plan::Plan;
use crate::core::Core;

/// The directory of these files, in that of the database.
const DIRECTORY: &str = "spill";
/// The most rows of a block.
const MAX_BLOCK_ROWS: usize = 8192;
/// Blocks of several rows are not made smaller than this: each costs a read.
const MIN_BLOCK_BYTES: u64 = 4 << 10;

type Batches = BoxStream<'static, Result<RecordBatch>>;

/// What sorts of one database have written.
#[derive(Debug, Default)]
pub(crate) struct Spilled {
    files: AtomicU64,
    bytes: AtomicU64,
}

impl Spilled {
    /// Bytes since the database was opened.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// Removes what a crash between making a file and removing its name left behind. Blocking.
pub(crate) fn clean(vfs: &dyn Vfs, database: &Path) -> Result<()> {
    let directory = database.join(DIRECTORY);
    let entries = match vfs.read_dir(&directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        vfs.remove_file(&directory.join(&entry.name))?;
    }
    Ok(())
}

/// The runs of one query.
#[derive(Debug)]
pub(super) struct Spill {
    core: Arc<Core>,
    schema: SchemaRef,
    columns: Vec<ColumnId>,
    keys: Vec<SortKey>,
    limit: Option<usize>,
    /// How much is sorted at a time: sorting takes about three times as much.
    chunk_bytes: u64,
    /// So small that a block of each run has room in memory.
    block: BatchSize,
    /// What blocks may take together, and what the whole query may hold.
    block_memory: u64,
    limit_bytes: u64,
    /// About how many runs there would be.
    runs: u64,
    /// Bytes of this query.
    spilled: Arc<AtomicU64>,
    /// Held while a segment is written: one at a time.
    file: tokio::sync::Mutex<Option<Arc<SpillFile>>>,
}

impl Spill {
    /// For a query that sorts `columns` by `keys`: a quarter of its memory is for chunks, and as much for blocks.
    pub(super) fn new(plan: &Plan, columns: &[ColumnId], keys: &[SortKey]) -> Result<Self> {
        let memory = plan.memory_limit / 4;
        let chunk_bytes = (memory / 3).max(1);
        let entries = plan.parts.iter().flat_map(|part| &part.segments);
        let runs: u64 = entries.map(|(_, entry)| plan.held_bytes(entry, columns) / chunk_bytes + 1).sum();
        let block_bytes = (memory / runs.max(1)).max(MIN_BLOCK_BYTES);
        Ok(Self {
            core: Arc::clone(&plan.core),
            schema: plan.schema.project(columns)?,
            columns: columns.to_vec(),
            keys: keys.to_vec(),
            limit: plan.limit.and_then(|limit| usize::try_from(limit).ok()),
            chunk_bytes,
            block: BatchSize::new(MAX_BLOCK_ROWS, block_bytes),
            block_memory: memory,
            limit_bytes: plan.memory_limit,
            runs,
            spilled: Arc::clone(&plan.spilled),
            file: tokio::sync::Mutex::new(None),
        })
    }

    /// The rows of a segment, which come in the order in which they are stored, in the order of the query. Nothing is read
    /// before the first poll.
    pub(super) fn segment(self: &Arc<Self>, rows: Batches) -> Batches {
        let spill = Arc::clone(self);
        let sorted = async move {
            let (file, runs) = spill.write(rows).await?;
            Ok::<_, Error>(spill.read(&file, runs))
        };
        stream::once(sorted).try_flatten().boxed()
    }

    async fn write(&self, mut rows: Batches) -> Result<(Arc<SpillFile>, Vec<Run>)> {
        let mut current = self.file.lock().await;
        let file = match &*current {
            Some(file) => Arc::clone(file),
            None => Arc::clone(current.insert(self.create().await?)),
        };
        let (mut runs, mut chunk, mut bytes, mut largest) = (Vec::new(), Vec::new(), 0, 0);
        while let Some(batch) = rows.try_next().await? {
            for part in BatchSize::new(usize::MAX, self.chunk_bytes).cut(&batch) {
                let own = RowBytes::of_batch(&part).of(0..part.num_rows());
                largest = largest.max(own / part.num_rows().max(1) as u64);
                if part.num_rows() == 1 && own > self.limit_bytes {
                    return Err(self.row_too_large(&part));
                }
                bytes += own;
                chunk.push(part);
                if bytes >= self.chunk_bytes {
                    runs.push(self.write_run(&file, std::mem::take(&mut chunk)).await?);
                    bytes = 0;
                }
            }
        }
        if !chunk.is_empty() {
            runs.push(self.write_run(&file, chunk).await?);
        }
        if runs.len() > 1 && self.runs.saturating_mul(largest) > self.block_memory {
            runs = vec![self.merge_runs(&file, runs).await?];
        }
        Ok((file, runs))
    }

    /// The rows of several runs as one run: of all of them a row had to be in memory at any time.
    async fn merge_runs(&self, file: &Arc<SpillFile>, runs: Vec<Run>) -> Result<Run> {
        let mut rows = self.read(file, runs);
        let mut blocks = Vec::new();
        while let Some(batch) = rows.try_next().await? {
            let file = Arc::clone(file);
            let job = move || file.append(&encode(&compact(&batch)?)?);
            blocks.push(self.core.blocking(job).await.map_err(|error: Error| error.during("sort"))?);
        }
        Ok(Run { blocks })
    }

    fn row_too_large(&self, row: &RecordBatch) -> Error {
        let sizes = RowBytes::of_batch(row);
        let name =
            |at: usize| self.schema.fields().get(at).map_or_else(String::new, |field| field.name().clone());
        let column = sizes.largest(0..1).map(|(at, _)| name(at)).unwrap_or_default();
        Error::new(ErrorKind::Exhausted, "one row takes more memory than query.memory_limit_mb allows a sort")
            .with("column", column)
            .with("row_bytes", sizes.of(0..1))
            .with("limit_bytes", self.limit_bytes)
            .with("hint", "raise query.memory_limit_mb, or leave the column out and fetch it by a filter")
            .during("sort")
    }

    async fn create(&self) -> Result<Arc<SpillFile>> {
        let (core, spilled) = (Arc::clone(&self.core), Arc::clone(&self.spilled));
        let job = move || {
            let limit = core.settings().query.spill_limit_mb << 20;
            if limit == 0 {
                return Err(too_large(
                    "sorting needs more memory than query.memory_limit_mb, and query.spill_limit_mb forbids the disk",
                    limit,
                ));
            }
            let vfs = &core.world.vfs;
            let directory = core.path.join(DIRECTORY);
            vfs.create_dir_all(&directory)?;
            let number = core.spilled.files.fetch_add(1, Ordering::Relaxed);
            let path: PathBuf = directory.join(format!("{number:016x}"));
            let file = vfs.open(&path, OpenMode::OpenOrCreate)?;
            vfs.remove_file(&path)?;
            Ok(Arc::new(SpillFile { file, limit, end: AtomicU64::new(0), core: Arc::clone(&core), spilled }))
        };
        self.core.blocking(job).await.map_err(|error: Error| error.during("sort"))
    }

    async fn write_run(&self, file: &Arc<SpillFile>, chunk: Vec<RecordBatch>) -> Result<Run> {
        let (file, schema, columns) = (Arc::clone(file), Arc::clone(&self.schema), self.columns.clone());
        let (keys, limit, size) = (self.keys.clone(), self.limit, self.block);
        let job = move || {
            let mut sorted = SortedBatches::new(&schema, &columns, chunk, &keys, limit)?;
            let mut blocks = Vec::new();
            while let Some(batch) = sorted.next(size)? {
                blocks.push(file.append(&encode(&compact(&batch)?)?)?);
            }
            Ok(Run { blocks })
        };
        self.core.blocking(job).await.map_err(|error: Error| error.during("sort"))
    }

    fn read(&self, file: &Arc<SpillFile>, runs: Vec<Run>) -> Batches {
        let mut inputs: Vec<Batches> = runs.into_iter().map(|run| run.read(file)).collect();
        if inputs.len() == 1 {
            return inputs.remove(0);
        }
        // Equal rows come by run, which is the order in which they are stored.
        let inputs = inputs.into_iter().map(MergeInput::of_stream).collect();
        let (schema, columns) = (Arc::clone(&self.schema), self.columns.clone());
        let limit = self.limit.map(|limit| limit as u64);
        merge(inputs, schema, columns, self.keys.clone(), limit, self.block)
    }
}

/// A batch whose dictionaries have the values that occur: each block has its own.
fn compact(batch: &RecordBatch) -> Result<RecordBatch> {
    let column = |column: &ArrayRef| match column.data_type() {
        DataType::Dictionary(_, _) => Ok(garbage_collect_any_dictionary(column.as_any_dictionary())?),
        _ => Ok(Arc::clone(column)),
    };
    let columns = batch.columns().iter().map(column).collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_new(batch.schema(), columns)?)
}

fn encode(batch: &RecordBatch) -> Result<Vec<u8>> {
    let mut stream = StreamWriter::try_new(Vec::new(), &batch.schema())?;
    stream.write(batch)?;
    Ok(stream.into_inner()?)
}

fn too_large(what: &'static str, limit: u64) -> Error {
    Error::new(ErrorKind::Exhausted, what)
        .with("limit_bytes", limit)
        .with("hint", "add a limit, narrow the filter, or raise one of the two")
}

/// A file without a name.
#[derive(Debug)]
struct SpillFile {
    file: Arc<dyn VfsFile>,
    limit: u64,
    end: AtomicU64,
    core: Arc<Core>,
    /// Counts the bytes of the query.
    spilled: Arc<AtomicU64>,
}

/// Rows that are sorted.
#[derive(Debug)]
struct Run {
    blocks: Vec<Block>,
}

#[derive(Clone, Copy, Debug)]
struct Block {
    offset: u64,
    bytes: usize,
    checksum: u32,
}

fn checksum(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

impl SpillFile {
    /// Only one writes at a time.
    fn append(&self, bytes: &[u8]) -> Result<Block> {
        let offset = self.end.load(Ordering::Acquire);
        let end = offset + bytes.len() as u64;
        if end > self.limit {
            return Err(too_large("sorting needs more disk than query.spill_limit_mb", self.limit));
        }
        self.file.write_all_at(bytes, offset)?;
        self.end.store(end, Ordering::Release);
        self.core.spilled.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.spilled.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(Block { offset, bytes: bytes.len(), checksum: checksum(bytes) })
    }

    fn read(&self, block: Block) -> Result<RecordBatch> {
        let mut bytes = vec![0; block.bytes];
        self.file.read_exact_at(&mut bytes, block.offset)?;
        let damaged = || Error::corrupt("a sorted run is not what was written: the disk changed it");
        if checksum(&bytes) != block.checksum {
            return Err(damaged());
        }
        let mut stream = StreamReader::try_new(Cursor::new(bytes), None)?;
        Ok(stream.next().ok_or_else(damaged)??)
    }
}

impl Run {
    fn read(self, file: &Arc<SpillFile>) -> Batches {
        let file = Arc::clone(file);
        let blocks = stream::iter(self.blocks).then(move |block| {
            let file = Arc::clone(&file);
            let core = Arc::clone(&file.core);
            async move {
                let read = core.blocking(move || file.read(block)).await;
                read.map_err(|error: Error| error.during("sort"))
            }
        });
        blocks.boxed()
    }
}
