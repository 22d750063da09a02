//! The messages of Arrow IPC files and streams: which bytes of the file they are.
//!
//! Every length is checked against what is left of the file before anything is allocated.

use std::io;

use arrow_buffer::{Buffer, MutableBuffer};
use arrow_ipc::{Block, MessageHeader};

use super::super::input::{Input, InputBytes};

/// What stands before the length of a message.
const CONTINUATION: [u8; 4] = [0xff; 4];
const MAGIC: &[u8] = b"ARROW1";
/// Length of the footer and magic.
const TAIL_BYTES: u64 = 10;

/// One message.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// A flatbuffer.
    pub(super) metadata: Buffer,
    /// Where the body starts in the file.
    body: u64,
}

/// Reads messages of one file.
#[derive(Clone, Debug)]
pub(super) struct Framing {
    bytes: InputBytes,
}

fn invalid(text: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.into())
}

fn length(number: i64, what: &str) -> io::Result<u64> {
    u64::try_from(number).map_err(|_| invalid(format!("the length of {what} is negative")))
}

impl Framing {
    pub(super) fn new(bytes: InputBytes) -> Self {
        Self { bytes }
    }

    /// How long the file is.
    pub(super) fn len(&self) -> u64 {
        self.bytes.len()
    }

    /// Some bytes of the file. Blocking.
    fn read(&self, offset: u64, len: u64) -> io::Result<Buffer> {
        let mut buffer = MutableBuffer::from_len_zeroed(self.bytes.checked_len(offset, len)?);
        self.bytes.read_exact_at(&mut buffer, offset)?;
        Ok(buffer.into())
    }

    fn read_i32(&self, offset: u64) -> io::Result<i32> {
        let mut number = [0; 4];
        self.bytes.read_exact_at(&mut number, offset)?;
        Ok(i32::from_le_bytes(number))
    }

    /// The footer of an IPC file, a flatbuffer. Blocking.
    pub(super) fn footer(&self) -> io::Result<Buffer> {
        let cut_off = || invalid("the file has no footer: it is cut off");
        let tail_at = self.len().checked_sub(TAIL_BYTES).ok_or_else(cut_off)?;
        let tail = self.read(tail_at, TAIL_BYTES)?;
        if !tail.ends_with(MAGIC) {
            return Err(cut_off());
        }
        let len = length(self.read_i32(tail_at)?.into(), "the footer")?;
        let start = tail_at.checked_sub(len).ok_or_else(|| invalid("the footer is longer than the file"))?;
        self.read(start, len)
    }

    /// The message of an IPC file at a place that its footer names, and the length of its body. Blocking.
    pub(super) fn message_of(&self, block: &Block) -> io::Result<(Message, u64)> {
        let start = length(block.offset(), "what lies before a message")?;
        let len = length(block.metaDataLength().into(), "a message")?;
        self.bytes.checked_len(start, len)?;
        let prefix: u64 = if self.read(start, len.min(4))?.as_slice() == CONTINUATION { 8 } else { 4 };
        let metadata_len = len.checked_sub(prefix).ok_or_else(|| invalid("a message is too short"))?;
        let metadata = self.read(start.saturating_add(prefix), metadata_len)?;
        let body_len = length(block.bodyLength(), "the body of a message")?;
        Ok((Message { metadata, body: start.saturating_add(len) }, body_len))
    }

    /// The message of a stream that starts at `offset`; nothing at the end of the stream. Blocking.
    pub(super) fn message_at(&self, mut offset: u64) -> io::Result<Option<Message>> {
        if offset >= self.len() {
            return Ok(None);
        }
        let mut len = self.read_i32(offset)?;
        offset = offset.saturating_add(4);
        if len.to_le_bytes() == CONTINUATION {
            len = self.read_i32(offset)?;
            offset = offset.saturating_add(4);
        }
        if len == 0 {
            return Ok(None);
        }
        let len = length(len.into(), "a message")?;
        let metadata = self.read(offset, len)?;
        Ok(Some(Message { metadata, body: offset.saturating_add(len) }))
    }

    /// The body of a message, which is `len` bytes long. Blocking.
    pub(super) fn body(&self, message: &Message, len: i64) -> io::Result<Buffer> {
        self.read(message.body, length(len, "the body of a message")?)
    }

    /// Where the message of a stream after this one starts.
    pub(super) fn after(&self, message: &Message, len: i64) -> io::Result<u64> {
        let end = message.body.checked_add(length(len, "the body of a message")?);
        end.filter(|end| *end <= self.len())
            .ok_or_else(|| invalid("a message ends beyond the end of the file"))
    }
}

/// Whether a file that has these first bytes is an IPC stream: begins with the message that holds the schema. Blocking.
pub(in super::super) fn starts_stream(input: &Input, bytes: &InputBytes, first: &[u8]) -> bool {
    first.starts_with(&CONTINUATION)
        && super::contain::decoding(&input.name, || {
            let message = Framing::new(bytes.clone()).message_at(0)?;
            Ok::<_, io::Error>(message.is_some_and(|message| {
                arrow_ipc::root_as_message(&message.metadata)
                    .is_ok_and(|message| message.header_type() == MessageHeader::Schema)
            }))
        })
        .unwrap_or(false)
}
