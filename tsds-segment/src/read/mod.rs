//! Reads segment files.

mod blocks;
mod bounds;
mod open;
mod source;
mod verify;

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use arrow_array::ArrayRef;
use tsds_traits::{
    BlockLayout, CodecLookup, ColumnId, ColumnStats, DatabaseId, Error, OpenMode, Result, SegmentMeta,
    TableSchema, Vfs, VfsFile, World,
};

use crate::decode::ColumnDecoder;
use crate::format::{Checksum, ColumnIndex, Footer};
use crate::layout::run_starts;
use crate::store::OpenFiles;

pub use blocks::BlockDescription;
pub(crate) use open::read_footer;
pub use verify::Verified;

/// An open segment file: its footer is in memory and checked, its blocks are read when asked for. Cheap to clone.
///
/// Methods that read are blocking; async callers use it as a [`tsds_traits::SegmentSource`].
#[derive(Clone)]
pub struct SegmentFile {
    inner: Arc<Inner>,
}

struct Inner {
    world: World,
    path: PathBuf,
    files: Arc<OpenFiles>,
    codecs: Arc<dyn CodecLookup>,
    checksum: Checksum,
    footer: Footer,
    file_len: u64,
    footer_bytes: u64,
    /// The first row of every block, and the number of rows.
    block_starts: Vec<u32>,
    run_starts: Vec<Arc<[u32]>>,
    decoders: Vec<OnceLock<Arc<ColumnDecoder>>>,
}

impl SegmentFile {
    /// Opens the segment file `path` of `database`: reads and checks header, trailer and footer, and no block. Blocking.
    ///
    /// # Errors
    ///
    /// `NotFound` where there is no file; `Corrupt` where it is damaged or belongs to another database; `Unsupported` for a
    /// later format version; `KeyUnavailable` where it is encrypted.
    pub fn open(
        world: &World,
        path: &Path,
        codecs: Arc<dyn CodecLookup>,
        database: DatabaseId,
    ) -> Result<Self> {
        Self::open_in(world, path, codecs, database, Arc::new(OpenFiles::new(world.vfs.clone(), 1)))
    }

    /// As [`SegmentFile::open`], sharing file descriptors with other segments.
    pub(crate) fn open_in(
        world: &World,
        path: &Path,
        codecs: Arc<dyn CodecLookup>,
        database: DatabaseId,
        files: Arc<OpenFiles>,
    ) -> Result<Self> {
        let in_file = |error: Error| error.with("file", path.display()).during("segment open");
        let file = files.get(path).map_err(in_file)?;
        let opened = read_footer(&*file, Some(database)).map_err(in_file)?;
        let footer = opened.footer;
        let mut end = 0;
        let block_starts: Vec<u32> = [0]
            .into_iter()
            .chain(footer.block_rows.iter().map(|rows| {
                end += rows;
                end
            }))
            .collect();
        let runs =
            block_starts.windows(2).map(|pair| run_starts(&footer.series_starts, &(pair[0]..pair[1])).into());
        let run_starts = runs.collect();
        let decoders = footer.columns.iter().map(|_| OnceLock::new()).collect();
        Ok(Self {
            inner: Arc::new(Inner {
                world: world.clone(),
                path: path.to_owned(),
                files,
                codecs,
                checksum: Checksum::new(database, footer.meta.id),
                footer,
                file_len: opened.file_len,
                footer_bytes: opened.footer_bytes,
                block_starts,
                run_starts,
                decoders,
            }),
        })
    }

    /// What the segment is.
    pub fn meta(&self) -> &Arc<SegmentMeta> {
        &self.inner.footer.meta
    }

    /// The schema of the rows.
    pub fn schema(&self) -> &Arc<TableSchema> {
        &self.inner.footer.schema
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// The length of the file.
    pub fn file_bytes(&self) -> u64 {
        self.inner.file_len
    }

    /// The first row of every series, ascending, starting with 0.
    pub fn series_starts(&self) -> &Arc<[u32]> {
        &self.inner.footer.series_starts
    }

    /// Into how many blocks every column is cut.
    pub fn block_count(&self) -> usize {
        self.inner.footer.block_rows.len()
    }

    /// The rows of the segment that a block holds; empty for a block that does not exist.
    pub fn block_rows(&self, block: usize) -> Range<u64> {
        let start = |at: usize| self.inner.block_starts.get(at).copied().map(u64::from);
        start(block).zip(start(block + 1)).map_or(0..0, |(start, end)| start..end)
    }

    /// The blocks that hold rows of `rows`.
    pub fn blocks_of(&self, rows: &Range<u64>) -> Range<usize> {
        let starts = &self.inner.block_starts;
        let from = starts.partition_point(|start| u64::from(*start) <= rows.start).saturating_sub(1);
        let upto = starts.partition_point(|start| u64::from(*start) < rows.end).min(self.block_count());
        if rows.is_empty() || from >= upto { 0..0 } else { from..upto }
    }

    /// Where series begin in a block, relative to it, ascending, starting with 0.
    pub fn run_starts(&self, block: usize) -> Arc<[u32]> {
        self.inner.run_starts.get(block).cloned().unwrap_or_default()
    }

    /// The statistics of one block of a column.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a column or block that does not exist.
    pub fn block_stats(&self, column: ColumnId, block: usize) -> Result<&ColumnStats> {
        let (_, index) = self.column(column)?;
        index.blocks.get(block).map(|entry| &entry.stats).ok_or_else(|| self.no_block(column, block))
    }

    /// The decoder of a column, with its dictionary. Blocking on the first call; later ones share it.
    ///
    /// # Errors
    ///
    /// As [`ColumnDecoder::new`]; as for I/O.
    pub fn decoder(&self, column: ColumnId) -> Result<Arc<ColumnDecoder>> {
        let (position, _) = self.column(column)?;
        let slot = self.inner.decoders.get(position);
        if let Some(decoder) = slot.and_then(OnceLock::get) {
            return Ok(decoder.clone());
        }
        let dictionary = self.read_dictionary(column)?;
        let described = self
            .schema()
            .column(column)
            .ok_or_else(|| Error::internal("segment has a column that its schema lacks"))?;
        let decoder = ColumnDecoder::new(self.inner.codecs.clone(), described, dictionary.as_ref())
            .map_err(|error| self.explain(error, column))?;
        let decoder = Arc::new(decoder);
        Ok(slot.map_or(decoder.clone(), |slot| slot.get_or_init(|| decoder).clone()))
    }

    /// Reads and decodes one block of a column: text as dictionary codes where the segment has a dictionary, see
    /// [`ColumnDecoder`]. Blocking.
    ///
    /// # Errors
    ///
    /// As [`SegmentFile::read_block`] and [`ColumnDecoder::decode`].
    pub fn decode_block(&self, column: ColumnId, block: usize) -> Result<ArrayRef> {
        let decoder = self.decoder(column)?;
        decoder.decode(&self.read_block(column, block)?).map_err(|error| self.explain(error, column))
    }

    /// How a column is cut into blocks.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a column that the schema version lacks.
    pub fn layout(&self, column: ColumnId) -> Result<Vec<BlockLayout>> {
        let (_, index) = self.column(column)?;
        (0..index.blocks.len()).map(|block| self.block_layout(column, index, block)).collect()
    }

    /// What the footer, the dictionaries and their bookkeeping take in memory, once all dictionaries are decoded.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let dictionaries = self.inner.footer.columns.iter().filter_map(|column| column.dictionary.as_ref());
        // Decoded, an entry of the index is a few times its bytes.
        4 * self.inner.footer_bytes + dictionaries.map(|entry| u64::from(entry.len)).sum::<u64>()
    }

    fn column(&self, column: ColumnId) -> Result<(usize, &ColumnIndex)> {
        let position = self.schema().index_of(column);
        position
            .and_then(|position| self.inner.footer.columns.get(position).map(|index| (position, index)))
            .ok_or_else(|| {
                Error::invalid_input("segment has no such column")
                    .with("column", column)
                    .with("segment", self.meta().id)
            })
    }

    fn no_block(&self, column: ColumnId, block: usize) -> Error {
        Error::invalid_input("segment has no such block")
            .with("column", column)
            .with("block", block)
            .with("segment", self.meta().id)
    }

    /// Says in which file and column something failed.
    fn explain(&self, error: Error, column: ColumnId) -> Error {
        error.with("file", self.inner.path.display()).with("column", column)
    }

    fn file(&self) -> Result<Arc<dyn VfsFile>> {
        self.inner.files.get(&self.inner.path).map_err(|error| error.with("file", self.inner.path.display()))
    }
}

impl fmt::Debug for SegmentFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentFile")
            .field("path", &self.inner.path)
            .field("segment", &self.meta().id)
            .field("rows", &self.meta().rows)
            .finish_non_exhaustive()
    }
}

/// Opens a file to read it. Blocking.
pub(crate) fn open_file(vfs: &dyn Vfs, path: &Path) -> Result<Arc<dyn VfsFile>> {
    Ok(vfs.open(path, OpenMode::Read)?)
}
