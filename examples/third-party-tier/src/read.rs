//! Reading files. Arrow's format has no checksums and its readers trust what they read: nothing is decoded before its
//! checksum is right.

use std::io;
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_buffer::{Buffer, MutableBuffer};
use arrow_ipc::Block;
use arrow_ipc::convert::fb_to_schema;
use arrow_ipc::reader::{FileDecoder, read_footer_length};
use crc_fast::CrcAlgorithm;
use tsds_traits::{Error, OpenMode, Result, ScanRequest, SegmentBatch, SegmentId, VfsFile};

use crate::shelf::{Shelf, absent};
use crate::write::file_schema;

/// The footer's metadata: the checksum of each batch, and the segment's metadata as JSON.
pub(crate) const CHECKSUMS: &str = "example.ipc.crc32c";
pub(crate) const SEGMENT: &str = "tsds.segment";

/// A footer ends with its length and the format's magic.
const TRAILER: usize = 10;

pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    // A CRC of 32 bits in a u64.
    crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

fn damaged(error: impl std::fmt::Display) -> Error {
    Error::corrupt("segment file is damaged").with("cause", error)
}

/// How long the footer is, without its trailer, from the last bytes of a file.
fn footer_len(end: &[u8]) -> Result<usize> {
    let trailer = end.last_chunk::<TRAILER>().ok_or_else(|| damaged("it is too short"))?;
    read_footer_length(*trailer).map_err(damaged)
}

/// The footer and its trailer, from the last bytes of a file.
pub(crate) fn footer_of(end: &[u8]) -> Result<&[u8]> {
    let start = end.len().checked_sub(TRAILER + footer_len(end)?);
    start.and_then(|start| end.get(start..)).ok_or_else(|| damaged("its footer is too long"))
}

/// An open file, read for one scan.
struct SegmentFile {
    file: Arc<dyn VfsFile>,
    len: u64,
    decoder: FileDecoder,
    /// Where each batch is, and its checksum.
    blocks: Vec<(Block, u32)>,
}

impl SegmentFile {
    /// Blocking.
    fn open(shelf: &Shelf, id: SegmentId, request: &ScanRequest) -> Result<Self> {
        let held = shelf.find(id)?;
        let path = shelf.path(id, held);
        let file = shelf.world.vfs.open(&path, OpenMode::Read).map_err(|error| match error.kind() {
            // Removed since it was found.
            io::ErrorKind::NotFound => absent(id),
            _ => error.into(),
        })?;
        Self::read_footer(file, held.footer, request).map_err(|error| error.with("file", path.display()))
    }

    fn read_footer(file: Arc<dyn VfsFile>, expected: u32, request: &ScanRequest) -> Result<Self> {
        let len = file.len()?;
        let trailer_at = len.checked_sub(TRAILER as u64).ok_or_else(|| damaged("it is too short"))?;
        let trailer = read(&*file, trailer_at, TRAILER as u64)?;
        let footer_len = footer_len(&trailer)?;
        let footer_at =
            trailer_at.checked_sub(footer_len as u64).ok_or_else(|| damaged("its footer is too long"))?;
        let end = read(&*file, footer_at, len - footer_at)?;
        if checksum(&end) != expected {
            return Err(damaged("its footer does not match its checksum"));
        }
        let footer = end.get(..footer_len).unwrap_or_default();
        let footer = arrow_ipc::root_as_footer(footer).map_err(damaged)?;
        let schema = file_schema(&request.schema);
        if footer.schema().map(fb_to_schema).as_ref() != Some(&*schema) {
            return Err(Error::invalid_input("segment file has another schema than the request"));
        }
        let checksums =
            footer.custom_metadata().into_iter().flatten().find(|entry| entry.key() == Some(CHECKSUMS));
        let checksums = checksums.and_then(|entry| entry.value()).unwrap_or_default();
        let blocks: Vec<Block> = footer.recordBatches().into_iter().flatten().copied().collect();
        let checksums: Vec<u32> =
            checksums.split(',').filter_map(|text| u32::from_str_radix(text, 16).ok()).collect();
        if blocks.len() != checksums.len() {
            return Err(damaged("it has a batch without a checksum"));
        }
        let columns = request.projection.iter().filter_map(|id| request.schema.index_of(*id)).collect();
        let decoder = FileDecoder::new(schema, footer.version()).with_projection(columns);
        Ok(Self { file, len, decoder, blocks: blocks.into_iter().zip(checksums).collect() })
    }

    /// Reads and decodes a batch, or `None` after the last. Blocking.
    fn batch(&self, index: usize) -> Result<Option<RecordBatch>> {
        let Some((block, expected)) = self.blocks.get(index) else { return Ok(None) };
        let place = || {
            let offset = u64::try_from(block.offset()).ok()?;
            let metadata = u64::try_from(block.metaDataLength()).ok()?;
            let len = u64::try_from(block.bodyLength()).ok()?.checked_add(metadata)?;
            offset.checked_add(len).filter(|end| *end <= self.len).map(|_| (offset, len))
        };
        let (offset, len) = place().ok_or_else(|| damaged("it is cut off"))?;
        let bytes = read(&*self.file, offset, len)?;
        if checksum(&bytes) != *expected {
            return Err(damaged("a batch does not match its checksum").with("offset", offset));
        }
        self.decoder.read_record_batch(block, &bytes).map_err(damaged)
    }
}

/// Bytes of a file, aligned as Arrow wants its buffers, so that decoding shares them. The caller has checked the length
/// against the file's.
fn read(file: &dyn VfsFile, offset: u64, len: u64) -> Result<Buffer> {
    let len = usize::try_from(len).map_err(damaged)?;
    let mut bytes = MutableBuffer::from_len_zeroed(len);
    file.read_exact_at(bytes.as_slice_mut(), offset).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged("it is cut off"),
        _ => error.into(),
    })?;
    Ok(bytes.into())
}

/// A scan under way: one segment after the other, one batch in memory.
pub(crate) struct Scan {
    shelf: Arc<Shelf>,
    request: Arc<ScanRequest>,
    /// The segment's position in the request, and the next batch of it.
    segment: usize,
    next: usize,
    file: Option<Arc<SegmentFile>>,
    /// What is left of a batch that is longer than the request wants them.
    rest: Option<RecordBatch>,
}

impl Scan {
    pub(crate) fn new(shelf: Arc<Shelf>, request: ScanRequest) -> Self {
        Self { shelf, request: Arc::new(request), segment: 0, next: 0, file: None, rest: None }
    }

    /// The next rows, or `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<SegmentBatch>> {
        loop {
            if let Some(batch) = self.rest.take() {
                let rows = batch.num_rows().min(self.request.batch_rows);
                if rows < batch.num_rows() {
                    self.rest = Some(batch.slice(rows, batch.num_rows() - rows));
                }
                return Ok(Some(SegmentBatch { segment: self.segment, rows: batch.slice(0, rows) }));
            }
            let Some(id) = self.request.segments.get(self.segment).map(|handle| handle.meta.id) else {
                return Ok(None);
            };
            match self.read(id).await.map_err(|error| error.with("segment", id))? {
                Some(batch) => {
                    self.rest = Some(batch).filter(|batch| batch.num_rows() > 0);
                    self.next += 1;
                }
                None => (self.file, self.segment, self.next) = (None, self.segment + 1, 0),
            }
        }
    }

    /// The next batch of the current segment, whose file stays open meanwhile: removing it does not break the scan.
    async fn read(&mut self, id: SegmentId) -> Result<Option<RecordBatch>> {
        let (shelf, request) = (self.shelf.clone(), self.request.clone());
        let (file, next) = (self.file.clone(), self.next);
        let job = move || {
            shelf.check_open()?;
            let file = match file {
                Some(file) => file,
                None => Arc::new(SegmentFile::open(&shelf, id, &request)?),
            };
            let batch = file.batch(next)?.map(|batch| as_requested(&request, &batch)).transpose()?;
            Ok((file, batch))
        };
        let (file, batch) = (*self.shelf.world.executor).blocking(job).await?;
        self.file = Some(file);
        Ok(batch)
    }
}

/// Text that the table has as dictionaries becomes a dictionary again.
fn as_requested(request: &ScanRequest, batch: &RecordBatch) -> Result<RecordBatch> {
    let schema = request.schema.project(&request.projection)?;
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns
        .map(|(column, field)| arrow_cast::cast(column, field.data_type()))
        .collect::<Result<_, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
}
