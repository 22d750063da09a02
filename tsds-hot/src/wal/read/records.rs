//! Records of one file: whole commit groups in sequence order, up to the first thing that is none.

use std::sync::Arc;

use arrow_buffer::{Buffer, MutableBuffer};
use bytes::Bytes;
use tsds_traits::{Result, Sequence, VfsFile, WalRecord};

use super::frames::FrameCursor;
use super::resync::{Leftovers, find_frame, leftovers};
use crate::wal::format::{FRAME_ALIGN, FileHeader, FrameHeader, FrameKind, PAGE, Seed, flags};

/// How much of each record to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Everything is verified, payloads are not returned.
    Checked,
    /// Records above the sequence with their payloads; those up to it are passed over unread.
    Above(Sequence),
}

/// Reads the records of one file.
#[derive(Debug)]
pub(crate) struct RecordCursor {
    frames: FrameCursor,
    first: Sequence,
    begun: bool,
    last: Sequence,
    good_end: u64,
    closed: bool,
    /// Whether sequences may skip: in a salvaged file, and behind damage that was passed over.
    skips: bool,
    frame_count: u64,
    scratch: MutableBuffer,
}

impl RecordCursor {
    /// Starts behind the header of a file that is `len` bytes long.
    pub(crate) fn new(file: Arc<dyn VfsFile>, len: u64, header: &FileHeader) -> Self {
        let seed = Seed::new(header.database, header.number);
        Self {
            frames: FrameCursor::new(file, len, header.number, seed, PAGE as u64),
            first: header.first,
            begun: false,
            last: header.predecessor_last,
            good_end: PAGE as u64,
            closed: false,
            skips: header.is_salvaged(),
            frame_count: 0,
            scratch: MutableBuffer::new(0),
        }
    }

    /// The last whole record so far; before the first, the last one before the file.
    pub(crate) fn last(&self) -> Sequence {
        self.last
    }

    /// Where what is good ends: behind the last whole record or mark.
    pub(crate) fn good_end(&self) -> u64 {
        self.good_end
    }

    /// Whether a clean close ended the file here.
    pub(crate) fn closed(&self) -> bool {
        self.closed
    }

    /// Frames of whole records, and marks, so far.
    pub(crate) fn frame_count(&self) -> u64 {
        self.frame_count
    }

    /// Where [`RecordCursor::next`] found nothing: passes over it to the next record with a higher sequence, if there is
    /// one. From then on sequences may skip.
    pub(crate) fn pass_over_damage(&mut self) -> Result<bool> {
        let (at, last) = (self.frames.position(), self.last);
        let from = match self.frames.peek()? {
            // Perhaps only its sequence was in the way.
            Some(_) if !self.skips => at,
            Some(header) => at.saturating_add(header.frame_len()),
            None => at + FRAME_ALIGN as u64,
        };
        let begins = |header: &FrameHeader| {
            header.kind == FrameKind::Record && header.has(flags::FIRST) && header.sequence > last
        };
        self.skips = true;
        self.closed = false;
        Ok(find_frame(&mut self.frames, from, begins)?.is_some())
    }

    /// What looks like a frame behind the last good one.
    pub(crate) fn leftovers(&mut self) -> Result<Leftovers> {
        leftovers(&mut self.frames, self.good_end)
    }

    /// The next record, or `None` where no further whole record follows. With [`Part::Checked`] and for records that
    /// are passed over, the payload is empty.
    pub(crate) fn next(&mut self, part: Part) -> Result<Option<WalRecord>> {
        while !self.closed {
            let Some(header) = self.frames.peek()? else { break };
            match header.kind {
                FrameKind::SyncMark if self.accepts_mark(&header) => {
                    self.closed = header.has(flags::CLOSED);
                    self.frames.advance(&header);
                    self.good_end = self.frames.position();
                    self.frame_count += 1;
                }
                FrameKind::Record if self.accepts_first(&header) => {
                    let wanted = !matches!(part, Part::Above(after) if header.sequence <= after);
                    match self.record(header, wanted)? {
                        Some(record) if wanted => return Ok(Some(self.with_payload(record, part))),
                        Some(_) => {}
                        None => break,
                    }
                }
                _ => break,
            }
        }
        Ok(None)
    }

    fn accepts_mark(&self, header: &FrameHeader) -> bool {
        header.length == 0 && self.begun && header.sequence == self.last && header.durable == self.last
    }

    fn accepts_first(&self, header: &FrameHeader) -> bool {
        let follows = if self.skips {
            header.durable < header.sequence
        } else {
            let expected = if self.begun { self.last.next() } else { self.first };
            header.sequence == expected && header.durable <= self.last
        };
        follows && header.sequence > self.last && header.part == 0 && header.has(flags::FIRST)
    }

    /// Reads the frames of the record that begins with `first`; `None`, and the place as before, if it is not whole.
    fn record(&mut self, first: FrameHeader, read: bool) -> Result<Option<FrameHeader>> {
        let begin = self.frames.position();
        self.scratch.clear();
        let (mut header, mut parts) = (first, 0u64);
        loop {
            let whole = if read {
                self.frames.body(&header, &mut self.scratch)?
            } else {
                !self.frames.is_cut(&header)
            };
            if !whole {
                break;
            }
            parts += 1;
            self.frames.advance(&header);
            if header.has(flags::LAST) {
                self.begun = true;
                self.last = first.sequence;
                self.good_end = self.frames.position();
                self.frame_count += parts;
                return Ok(Some(first));
            }
            match self.frames.peek()? {
                Some(next) if continues(&first, &header, &next) => header = next,
                _ => break,
            }
        }
        self.frames.seek(begin);
        Ok(None)
    }

    fn with_payload(&mut self, header: FrameHeader, part: Part) -> WalRecord {
        let payload = match part {
            Part::Checked => Vec::new(),
            Part::Above(_) => {
                let whole = std::mem::replace(&mut self.scratch, MutableBuffer::new(0));
                vec![Bytes::from_owner(Shared(whole.into()))]
            }
        };
        WalRecord {
            sequence: header.sequence,
            table: header.table,
            schema_version: header.schema_version,
            kind: header.record_kind,
            rows: header.rows,
            client_batch_id: header.has(flags::CLIENT_BATCH).then_some(header.client_batch),
            payload,
        }
    }
}

/// Whether `next` is the frame after `previous` in the record that begins with `first`.
fn continues(first: &FrameHeader, previous: &FrameHeader, next: &FrameHeader) -> bool {
    next.kind == FrameKind::Record
        && next.sequence == first.sequence
        && next.part == previous.part.wrapping_add(1)
        && next.part != 0
        && !next.has(flags::FIRST)
        && (next.table, next.schema_version, next.rows) == (first.table, first.schema_version, first.rows)
        && next.client_batch == first.client_batch
        && next.record_kind == first.record_kind
        && next.durable <= first.durable
}

/// A buffer as the owner of [`Bytes`]: aligned for Arrow, and not copied again.
struct Shared(Buffer);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice()
    }
}
