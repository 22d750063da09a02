//! Reads a whole file back and checks everything that it says.

use std::collections::VecDeque;

use arrow_array::{Array, ArrayRef, RecordBatch};
use tsds_compute::conform;
use tsds_traits::{ColumnId, Error, Result, VfsFile};

use super::open::{Opened, read_footer, short_is_corrupt};
use super::{SegmentFile, bounds, open_file};
use crate::format::{BlockEntry, HEADER_LEN, WholeFile};
use crate::order::{SeriesOrder, TimeOrder};

const CHUNK: usize = 1 << 20;

/// What a verified file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The rows of the segment.
    pub rows: u64,
    /// The blocks of all columns, dictionaries included.
    pub blocks: u64,
    /// The length of the file.
    pub bytes: u64,
    /// The CRC32C of the whole file: that of [`crate::Written`].
    pub crc32c: u32,
}

impl SegmentFile {
    /// Reads the whole file from the disk and checks all of it: header, footer, checksums, that no byte lies outside the
    /// format, that every block decodes to the rows, the nulls and within the bounds that the index claims, that series begin
    /// where the index says and ascend, and that times ascend within each. Blocking.
    ///
    /// # Errors
    ///
    /// `Corrupt`, naming what is wrong where; as for I/O.
    pub fn verify(&self) -> Result<Verified> {
        self.verify_blocks(None).map_err(|error| error.during("segment verify"))
    }

    /// As [`SegmentFile::verify`], and compares every value, to the bit, with the rows from which the file was written.
    ///
    /// # Errors
    ///
    /// As [`SegmentFile::verify`]; `Corrupt` where a value differs.
    pub fn verify_rows(&self, rows: &[RecordBatch]) -> Result<Verified> {
        self.verify_blocks(Some(rows)).map_err(|error| error.during("segment verify"))
    }

    fn verify_blocks(&self, rows: Option<&[RecordBatch]>) -> Result<Verified> {
        let in_file = |error: Error| error.with("file", self.inner.path.display());
        // A file of its own, and from the disk: what the cache still has may never have been written.
        let file = open_file(&*self.inner.world.vfs, &self.inner.path).map_err(in_file)?;
        // Some file systems cannot: then the page cache answers, which is the next best.
        let _ = file.drop_cache();
        let opened = self.verify_footer(&*file).map_err(in_file)?;
        let crc32c = verify_gaps(&*file, &opened).map_err(in_file)?;

        let mut blocks = 0;
        for (position, column) in self.schema().columns().iter().enumerate() {
            let (_, index) = self.column(column.id)?;
            blocks += index.entries().count() as u64;
            let source = rows.map(|rows| rows.iter().map(|batch| batch.column(position).clone()).collect());
            self.verify_column(&*file, column.id, position, source)?;
        }
        self.verify_series(&*file)?;
        Ok(Verified { rows: self.meta().rows, blocks, bytes: opened.file_len, crc32c })
    }

    fn verify_footer(&self, file: &dyn VfsFile) -> Result<Opened> {
        let again = read_footer(file, Some(self.inner.footer.database))?;
        if again.footer == self.inner.footer && again.file_len == self.inner.file_len {
            return Ok(again);
        }
        Err(Error::corrupt("segment file changed since it was opened").with("segment", self.meta().id))
    }

    fn verify_column(
        &self,
        file: &dyn VfsFile,
        column: ColumnId,
        position: usize,
        source: Option<Vec<ArrayRef>>,
    ) -> Result<()> {
        let damaged = |what: &'static str, block: usize| {
            self.explain(Error::corrupt(what), column).with("block", block).with("segment", self.meta().id)
        };
        let data_type = self.schema().arrow().field(position).data_type();
        let is_time = position == self.schema().time_index();
        let mut order = TimeOrder::new(self.series_starts());
        let mut source = source.map(Pieces::new);
        let decoder = self.decoder(column)?;
        for block in 0..self.block_count() {
            let encoded = self.read_blocks_from(file, column, block..block + 1)?;
            let array = decoder.decode_all(&encoded).map_err(|error| self.explain(error, column))?;
            if !bounds::hold(self.block_stats(column, block)?, &array)? {
                return Err(damaged("block holds other values than the index says", block));
            }
            if is_time && let Err(row) = order.check(&array)? {
                return Err(
                    damaged("rows are not sorted by time within their series", block).with("row", row)
                );
            }
            if let Some(source) = &mut source {
                let stored = conform(&array, data_type)?;
                if !source.next_equal(&stored) {
                    return Err(damaged("block decodes to other values than were written", block));
                }
            }
        }
        Ok(())
    }
}

impl SegmentFile {
    /// Compares every row's series columns with those of the row before.
    fn verify_series(&self, file: &dyn VfsFile) -> Result<()> {
        let mut order = SeriesOrder::new(self.schema(), self.series_starts());
        let columns = order.columns().to_vec();
        for block in 0..self.block_count() {
            let decode = |column: &ColumnId| {
                let encoded = self.read_blocks_from(file, *column, block..block + 1)?;
                let array = self.decoder(*column)?.decode_all(&encoded);
                array.map_err(|error| self.explain(error, *column))
            };
            let arrays = columns.iter().map(decode).collect::<Result<Vec<_>>>()?;
            let rows = self.block_rows(block);
            if let Err(row) = order.check(arrays, (rows.end - rows.start) as usize)? {
                return Err(Error::corrupt("rows are not sorted by series as the series index says")
                    .with("file", self.inner.path.display())
                    .with("block", block)
                    .with("row", row)
                    .with("segment", self.meta().id));
            }
        }
        Ok(())
    }
}

/// Checks that everything outside the blocks is padding of zeros, and returns the checksum of the whole file.
fn verify_gaps(file: &dyn VfsFile, opened: &Opened) -> Result<u32> {
    let mut blocks = opened.footer.columns.iter().flat_map(|column| column.entries()).peekable();
    let mut whole = WholeFile::new();
    let mut buffer = vec![0; CHUNK];
    // What the header or a block covers ends here; what follows up to the next block, or the footer, is padding.
    let mut covered = HEADER_LEN as u64;
    let mut start = 0;
    while start < opened.file_len {
        let len = (opened.file_len - start).min(CHUNK as u64) as usize;
        let bytes = buffer.get_mut(..len).unwrap_or_default();
        file.read_exact_at(bytes, start).map_err(|error| short_is_corrupt(error, start))?;
        whole.update(bytes);
        let end = start + len as u64;
        loop {
            let next = blocks.peek().map_or(opened.footer_offset, |block| block.offset);
            let gap = covered.max(start)..next.min(end);
            if gap.start < gap.end {
                let gap_bytes = bytes.get((gap.start - start) as usize..(gap.end - start) as usize);
                if gap_bytes.is_none_or(|bytes| bytes.iter().any(|byte| *byte != 0)) {
                    let error = Error::corrupt("segment file has bytes between its blocks");
                    return Err(error.with("offset", gap.start));
                }
            }
            match blocks.next_if(|block: &&BlockEntry| block.offset < end) {
                Some(block) => covered = block.end(),
                None => break,
            }
        }
        start = end;
    }
    Ok(whole.finish())
}

/// Arrays taken piece by piece, whatever their borders. Equality of arrays is by bits: two NaNs of equal payload are equal, zeros of
/// unequal sign are not.
struct Pieces {
    arrays: VecDeque<ArrayRef>,
}

impl Pieces {
    fn new(arrays: Vec<ArrayRef>) -> Self {
        Self { arrays: arrays.into() }
    }

    /// Whether the next rows equal `expected`: type, validity and the bits of valid values.
    fn next_equal(&mut self, expected: &ArrayRef) -> bool {
        let mut at = 0;
        while at < expected.len() {
            let Some(array) = self.arrays.pop_front() else { return false };
            let len = array.len().min(expected.len() - at);
            if array.slice(0, len) != expected.slice(at, len) {
                return false;
            }
            if len < array.len() {
                self.arrays.push_front(array.slice(len, array.len() - len));
            }
            at += len;
        }
        true
    }
}
