//! Arrow IPC files and streams, batch by batch.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::convert::fb_to_schema;
use arrow_ipc::reader::{read_dictionary, read_record_batch};
use arrow_ipc::{Block, CompressionType, MessageHeader, root_as_footer, root_as_message};
use arrow_schema::{ArrowError, SchemaRef};
use tsds_traits::Result;

use super::super::input::Input;
use super::super::kind::Kind;
use super::contain::decoding;
use super::file::Batches;
use super::framing::{Framing, Message};

/// What a batch may be when it is unpacked, unless it is so large when it is packed.
const MAX_UNPACKED: u64 = 1 << 30;
/// How many times as large as packed a batch beyond [`MAX_UNPACKED`] may be unpacked.
const MAX_RATIO: u64 = 64;
/// No byte of LZ4 stands for more than this many.
const LZ4_RATIO: u64 = 255;

/// Reads the schema. Blocking.
pub(super) fn read_schema(input: &Input, kind: Kind) -> Result<SchemaRef> {
    let framing = Framing::new(input.bytes()?);
    decoding(&input.name, || {
        let schema = |schema: arrow_ipc::Schema<'_>| {
            if schema.endianness().equals_to_target_endianness() {
                Ok(Arc::new(fb_to_schema(schema)))
            } else {
                Err(parse("the file was written on a machine with another order of bytes"))
            }
        };
        if kind == Kind::ArrowFile {
            let bytes = framing.footer()?;
            let footer = root_as_footer(&bytes).map_err(parse)?;
            return schema(footer.schema().ok_or_else(|| parse("the footer has no schema"))?);
        }
        let message = framing.message_at(0)?.ok_or_else(|| parse("the stream has no schema"))?;
        let root = root_as_message(&message.metadata).map_err(parse)?;
        schema(root.header_as_schema().ok_or_else(|| parse("the stream does not begin with a schema"))?)
    })
}

fn parse(error: impl std::fmt::Display) -> ArrowError {
    ArrowError::ParseError(error.to_string())
}

/// The batches of one file.
pub(super) struct IpcBatches {
    name: String,
    framing: Framing,
    schema: SchemaRef,
    /// Which columns are decoded.
    columns: Vec<usize>,
    dictionaries: HashMap<i64, ArrayRef>,
    next: Next,
}

/// Where the next batch is.
enum Next {
    File(std::vec::IntoIter<Block>),
    Stream(u64),
}

impl IpcBatches {
    /// Starts to read some columns, which come in this order. Blocking.
    pub(super) fn open(input: &Input, kind: Kind, schema: &SchemaRef, columns: Vec<usize>) -> Result<Self> {
        let framing = Framing::new(input.bytes()?);
        let mut batches = Self {
            name: input.name.clone(),
            framing,
            schema: Arc::clone(schema),
            columns,
            dictionaries: HashMap::new(),
            next: Next::Stream(0),
        };
        if kind == Kind::ArrowFile {
            decoding(&input.name, || batches.open_file())?;
        }
        Ok(batches)
    }

    fn open_file(&mut self) -> Result<(), ArrowError> {
        let bytes = self.framing.footer()?;
        let footer = root_as_footer(&bytes).map_err(parse)?;
        for block in footer.dictionaries().iter().flatten() {
            let (message, body_len) = self.framing.message_of(block)?;
            let body = self.framing.body(&message, i64::try_from(body_len).map_err(parse)?)?;
            self.decode(&message, &body)?;
        }
        let blocks = footer.recordBatches().ok_or_else(|| parse("the footer has no batches"))?;
        self.next = Next::File(blocks.iter().copied().collect::<Vec<_>>().into_iter());
        Ok(())
    }

    /// A batch; nothing at the end.
    fn next_batch(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        loop {
            let (message, body) = match &mut self.next {
                Next::File(blocks) => {
                    let Some(block) = blocks.next() else { return Ok(None) };
                    let (message, body_len) = self.framing.message_of(&block)?;
                    let body = self.framing.body(&message, i64::try_from(body_len).map_err(parse)?)?;
                    (message, body)
                }
                Next::Stream(offset) => {
                    let Some(message) = self.framing.message_at(*offset)? else { return Ok(None) };
                    let body_len = root_as_message(&message.metadata).map_err(parse)?.bodyLength();
                    let first = std::mem::replace(offset, self.framing.after(&message, body_len)?) == 0;
                    if first {
                        // The schema, which is known.
                        continue;
                    }
                    let body = self.framing.body(&message, body_len)?;
                    (message, body)
                }
            };
            if let Some(batch) = self.decode(&message, &body)? {
                return Ok(Some(batch));
            }
        }
    }

    /// The batch in a message; or nothing, and what it holds is remembered.
    fn decode(&mut self, message: &Message, body: &Buffer) -> Result<Option<RecordBatch>, ArrowError> {
        let root = root_as_message(&message.metadata).map_err(parse)?;
        let version = root.version();
        match root.header_type() {
            MessageHeader::RecordBatch => {
                let batch = root.header_as_record_batch().ok_or_else(|| parse("a message has no batch"))?;
                check_unpacked(&batch, body)?;
                let (schema, columns) = (Arc::clone(&self.schema), Some(self.columns.as_slice()));
                read_record_batch(body, batch, schema, &self.dictionaries, columns, &version).map(Some)
            }
            MessageHeader::DictionaryBatch => {
                let dictionary =
                    root.header_as_dictionary_batch().ok_or_else(|| parse("a message has no dictionary"))?;
                let data = dictionary.data().ok_or_else(|| parse("a dictionary has no values"))?;
                check_unpacked(&data, body)?;
                read_dictionary(body, dictionary, &self.schema, &mut self.dictionaries, &version)?;
                let held = self.dictionaries.values().map(|values| values.get_buffer_memory_size() as u64);
                check_limit(held.fold(0, u64::saturating_add), self.framing.len()).map(|()| None)
            }
            MessageHeader::NONE => Ok(None),
            MessageHeader::Schema => Err(parse("a second schema stands between the batches")),
            _ => Err(parse("a message is neither a batch nor a dictionary")),
        }
    }
}

impl Batches for IpcBatches {
    fn next(&mut self) -> Result<Option<RecordBatch>> {
        let name = self.name.clone();
        decoding(&name, || self.next_batch())
    }
}

/// Refuses a batch whose compressed buffers would unpack to more than is reasonable: the decoder allocates what they say.
fn check_unpacked(batch: &arrow_ipc::RecordBatch<'_>, body: &Buffer) -> Result<(), ArrowError> {
    let Some(compression) = batch.compression() else { return Ok(()) };
    let mut unpacked: u64 = 0;
    for buffer in batch.buffers().iter().flatten() {
        let start = usize::try_from(buffer.offset()).map_err(parse)?;
        let len = usize::try_from(buffer.length()).map_err(parse)?;
        let end = start.checked_add(len).ok_or_else(|| parse("a buffer lies outside of its message"))?;
        let bytes = body.get(start..end).ok_or_else(|| parse("a buffer lies outside of its message"))?;
        let Some((prefix, packed)) = bytes.split_first_chunk::<8>() else { continue };
        // A negative length stands for bytes that are not compressed, or is refused by the decoder.
        let Ok(says) = u64::try_from(i64::from_le_bytes(*prefix)) else { continue };
        unpacked = unpacked.saturating_add(says);
        check_limit(unpacked, body.len() as u64)?;
        if compression.codec() == CompressionType::LZ4_FRAME {
            check_lz4(packed, says)?;
        }
    }
    Ok(())
}

fn check_limit(unpacked: u64, packed: u64) -> Result<(), ArrowError> {
    if unpacked <= MAX_UNPACKED.max(packed.saturating_mul(MAX_RATIO)) {
        return Ok(());
    }
    Err(parse(format!("{packed} bytes would unpack to {unpacked}, which is too much for one batch")))
}

/// LZ4 is unpacked to its end, whatever length is said: so where that could be much, the length must be true.
fn check_lz4(packed: &[u8], says: u64) -> Result<(), ArrowError> {
    if (packed.len() as u64).saturating_mul(LZ4_RATIO) <= MAX_UNPACKED {
        return Ok(());
    }
    let mut unpacked = io::Read::take(lz4_flex::frame::FrameDecoder::new(packed), says.saturating_add(1));
    if io::copy(&mut unpacked, &mut io::sink())? == says {
        return Ok(());
    }
    Err(parse("a buffer unpacks to another length than it says"))
}
