//! Reads blocks.

use std::ops::Range;
use std::sync::Arc;

use arrow_buffer::{Buffer, MutableBuffer};
use arrow_schema::DataType;
use tsds_traits::{BlockLayout, ColumnId, EncodedBlock, EncodedColumn, Error, Result, VfsFile};

use super::SegmentFile;
use super::open::short_is_corrupt;
use crate::format::{BlockEntry, ColumnIndex, Storage};

/// How a block is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockDescription {
    /// The codec that wrote it.
    pub codec: Arc<str>,
    /// What the codec says of it: see [`tsds_traits::Codec::describe`].
    pub mode: Option<String>,
    /// Its rows.
    pub rows: u32,
}

impl SegmentFile {
    /// Reads one block of a column and checks it against its checksum. Blocking.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a column or block that does not exist; `Corrupt`, naming file and offset; as for I/O.
    pub fn read_block(&self, column: ColumnId, block: usize) -> Result<EncodedBlock> {
        let blocks = self.read_blocks(column, block..block + 1)?;
        blocks.into_iter().next().ok_or_else(|| self.no_block(column, block))
    }

    /// Reads consecutive blocks of a column in one go. They share one buffer. Blocking.
    ///
    /// # Errors
    ///
    /// As [`SegmentFile::read_block`].
    pub fn read_blocks(&self, column: ColumnId, blocks: Range<usize>) -> Result<Vec<EncodedBlock>> {
        self.read_blocks_from(&*self.file()?, column, blocks)
    }

    pub(super) fn read_blocks_from(
        &self,
        file: &dyn VfsFile,
        column: ColumnId,
        blocks: Range<usize>,
    ) -> Result<Vec<EncodedBlock>> {
        let (_, index) = self.column(column)?;
        let entries = index.blocks.get(blocks.clone()).ok_or_else(|| self.no_block(column, blocks.end))?;
        let bytes = self.read_entries(file, column, &entries.iter().collect::<Vec<_>>())?;
        let block =
            |(block, bytes)| Ok(EncodedBlock { layout: self.block_layout(column, index, block)?, bytes });
        blocks.zip(bytes).map(block).collect()
    }

    /// How one block of a column is stored: its codec, what that says of it, and its rows. Reads the block. Blocking.
    ///
    /// # Errors
    ///
    /// As [`SegmentFile::read_block`]; `NotFound` for a codec that is not registered.
    pub fn describe_block(&self, column: ColumnId, block: usize) -> Result<BlockDescription> {
        let EncodedBlock { layout, bytes } = self.read_block(column, block)?;
        let codec = self.inner.codecs.codec(&layout.codec).map_err(|error| self.explain(error, column))?;
        let mode = codec.describe(layout.version, &bytes);
        Ok(BlockDescription { codec: layout.codec, mode, rows: layout.rows })
    }

    /// What the blocks of a column take in the file, its dictionary included. No I/O.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a column that the schema version lacks.
    pub fn column_bytes(&self, column: ColumnId) -> Result<u64> {
        let (_, index) = self.column(column)?;
        Ok(index.entries().map(|entry| u64::from(entry.len)).sum())
    }

    /// Reads the dictionary of a column, if it has one. Blocking.
    ///
    /// # Errors
    ///
    /// As [`SegmentFile::read_block`].
    pub fn read_dictionary(&self, column: ColumnId) -> Result<Option<EncodedBlock>> {
        let (_, index) = self.column(column)?;
        let Some(entry) = &index.dictionary else { return Ok(None) };
        let bytes = self.read_entries(&*self.file()?, column, &[entry])?;
        let layout = self.dictionary_layout(entry)?;
        Ok(bytes.into_iter().next().map(|bytes| EncodedBlock { layout, bytes }))
    }

    /// Reads the dictionary of a column and the blocks that hold rows of `rows`, in one go where they lie together. Blocking.
    ///
    /// # Errors
    ///
    /// As [`SegmentFile::read_block`].
    pub fn read_column(&self, column: ColumnId, rows: &Range<u64>) -> Result<EncodedColumn> {
        let (_, index) = self.column(column)?;
        let blocks = self.blocks_of(rows);
        let whole = blocks == (0..index.blocks.len());
        let (Some(dictionary), true) = (&index.dictionary, whole) else {
            let blocks = if blocks.is_empty() { Vec::new() } else { self.read_blocks(column, blocks)? };
            return Ok(EncodedColumn { dictionary: self.read_dictionary(column)?, blocks });
        };
        let entries: Vec<_> = index.entries().collect();
        let mut bytes = self.read_entries(&*self.file()?, column, &entries)?.into_iter();
        let layout = self.dictionary_layout(dictionary)?;
        let dictionary = bytes.next().map(|bytes| EncodedBlock { layout, bytes });
        let block =
            |(block, bytes)| Ok(EncodedBlock { layout: self.block_layout(column, index, block)?, bytes });
        Ok(EncodedColumn { dictionary, blocks: blocks.zip(bytes).map(block).collect::<Result<_>>()? })
    }

    pub(super) fn block_layout(
        &self,
        column: ColumnId,
        index: &ColumnIndex,
        block: usize,
    ) -> Result<BlockLayout> {
        let missing = || self.no_block(column, block);
        let entry = index.blocks.get(block).ok_or_else(missing)?;
        let described = self.schema().column(column).ok_or_else(missing)?;
        let data_type = match index.storage {
            Storage::Values => described.data_type.clone(),
            Storage::Text | Storage::Payload => DataType::Binary,
            Storage::Codes => DataType::UInt32,
            Storage::Units => DataType::Int64,
        };
        self.layout_of(entry, data_type, self.block_rows(block).start, self.run_starts(block))
    }

    fn dictionary_layout(&self, entry: &BlockEntry) -> Result<BlockLayout> {
        self.layout_of(entry, DataType::Binary, 0, Arc::default())
    }

    fn layout_of(
        &self,
        entry: &BlockEntry,
        data_type: DataType,
        first_row: u64,
        run_starts: Arc<[u32]>,
    ) -> Result<BlockLayout> {
        let codec = self.inner.footer.codecs.get(usize::from(entry.codec));
        let codec =
            codec.ok_or_else(|| Error::internal("block names a codec that was checked on opening"))?;
        Ok(BlockLayout {
            codec: codec.id.clone(),
            version: codec.version,
            data_type,
            first_row,
            rows: entry.rows,
            run_starts,
            stats: entry.stats.clone(),
        })
    }

    /// The verified bytes of consecutive blocks, all of one buffer that is aligned as the file is.
    fn read_entries(
        &self,
        file: &dyn VfsFile,
        column: ColumnId,
        entries: &[&BlockEntry],
    ) -> Result<Vec<Buffer>> {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(Vec::new()) };
        // Opening checked that blocks follow each other and end before the footer: this is no more than the file has.
        let len = usize::try_from(last.end().saturating_sub(first.offset))
            .map_err(|_| Error::unsupported("column does not fit the address space"))?;
        let mut bytes = MutableBuffer::from_len_zeroed(len);
        file.read_exact_at(bytes.as_slice_mut(), first.offset)
            .map_err(|error| self.explain(short_is_corrupt(error, first.offset), column))?;
        let bytes = Buffer::from(bytes);
        let block = |entry: &&BlockEntry| {
            let slice = bytes.slice_with_length((entry.offset - first.offset) as usize, entry.len as usize);
            if self.inner.checksum.of(entry.offset, &slice) == entry.crc {
                return Ok(slice);
            }
            let error = Error::corrupt("block fails its checksum").with("offset", entry.offset);
            Err(self.explain(error, column).with("segment", self.meta().id))
        };
        entries.iter().map(block).collect()
    }
}
