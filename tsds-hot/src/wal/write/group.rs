//! Frames that are written and synced at once.

use bytes::Bytes;
use tsds_traits::{DatabaseId, RecordKind, SchemaVersion, Sequence, TableId, WalRecord};

use crate::wal::format::{FRAME_ALIGN, FRAME_HEADER, FileHeader, FrameHeader, FrameKind, PAGE, Seed, flags};

/// Above this much, memory is given back after a group.
const KEEP: usize = 32 << 20;

/// Lays out one group: perhaps the header of its file, then frames, filled up to a whole page.
#[derive(Debug, Default)]
pub(crate) struct GroupBuffer {
    bytes: Vec<u8>,
    last_frame: Option<(usize, FrameHeader)>,
}

/// The file that a group is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) number: u64,
    pub(crate) seed: Seed,
    /// What the frames state as durable.
    pub(crate) durable: Sequence,
    /// Bytes of the largest body.
    pub(crate) frame_bytes: usize,
}

impl Target {
    pub(crate) fn new(database: DatabaseId, number: u64, durable: Sequence, frame_bytes: usize) -> Self {
        Self { number, seed: Seed::new(database, number), durable, frame_bytes }
    }
}

impl GroupBuffer {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEEP);
        self.last_frame = None;
    }

    pub(crate) fn header(&mut self, header: &FileHeader) {
        self.bytes.extend_from_slice(&header.encode());
    }

    pub(crate) fn record(&mut self, target: Target, record: &WalRecord) {
        let mut slices = Slices { slices: &record.payload, slice: 0, at: 0 };
        let mut left: usize = record.payload.iter().map(Bytes::len).sum();
        for part in 0u16.. {
            let length = left.min(target.frame_bytes);
            left -= length;
            let begin = self.bytes.len();
            self.bytes.resize(begin + FRAME_HEADER, 0);
            slices.copy(length, &mut self.bytes);
            let body = self.bytes.get(begin + FRAME_HEADER..).unwrap_or_default();
            let header = FrameHeader {
                length: length as u32,
                number: target.number,
                sequence: record.sequence,
                durable: target.durable,
                table: record.table,
                schema_version: record.schema_version,
                rows: record.rows,
                part,
                kind: FrameKind::Record,
                flags: frame_flags(part == 0, left == 0, record.client_batch_id.is_some()),
                client_batch: record.client_batch_id.unwrap_or_default(),
                record_kind: record.kind,
                body_crc: target.seed.checksum(body),
            };
            self.finish_frame(target, begin, header);
            if left == 0 {
                break;
            }
        }
    }

    pub(crate) fn mark(&mut self, target: Target, closed: bool) {
        let begin = self.bytes.len();
        self.bytes.resize(begin + FRAME_HEADER, 0);
        let header = FrameHeader {
            length: 0,
            number: target.number,
            sequence: target.durable,
            durable: target.durable,
            table: TableId(0),
            schema_version: SchemaVersion(0),
            rows: 0,
            part: 0,
            kind: FrameKind::SyncMark,
            flags: if closed { flags::CLOSED } else { 0 },
            client_batch: [0; 16],
            record_kind: RecordKind(0),
            body_crc: target.seed.checksum(&[]),
        };
        self.finish_frame(target, begin, header);
    }

    fn finish_frame(&mut self, target: Target, begin: usize, header: FrameHeader) {
        self.bytes.resize(self.bytes.len().next_multiple_of(FRAME_ALIGN), 0);
        self.put(begin, &header, target.seed);
        self.last_frame = Some((begin, header));
    }

    fn put(&mut self, at: usize, header: &FrameHeader, seed: Seed) {
        if let Some(room) = self.bytes.get_mut(at..at + FRAME_HEADER) {
            room.copy_from_slice(&header.encode(seed));
        }
    }

    /// Ends the group and returns its bytes, a whole number of pages.
    pub(crate) fn finish(&mut self, target: Target) -> &[u8] {
        if let Some((begin, mut header)) = self.last_frame.take() {
            header.flags |= flags::GROUP_END;
            self.put(begin, &header, target.seed);
        }
        self.bytes.resize(self.bytes.len().next_multiple_of(PAGE), 0);
        &self.bytes
    }

    /// Where the frames end so far.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }
}

fn frame_flags(first: bool, last: bool, client_batch: bool) -> u8 {
    let mut set = 0;
    for (is_set, flag) in [(first, flags::FIRST), (last, flags::LAST), (client_batch, flags::CLIENT_BATCH)] {
        if is_set {
            set |= flag;
        }
    }
    set
}

/// A place in a payload.
struct Slices<'a> {
    slices: &'a [Bytes],
    slice: usize,
    at: usize,
}

impl Slices<'_> {
    /// Appends the next `count` bytes to `out`.
    fn copy(&mut self, mut count: usize, out: &mut Vec<u8>) {
        while count > 0 {
            let Some(rest) = self.slices.get(self.slice).and_then(|slice| slice.get(self.at..)) else {
                return;
            };
            let taken = rest.get(..count).unwrap_or(rest);
            out.extend_from_slice(taken);
            count -= taken.len();
            if taken.len() == rest.len() {
                (self.slice, self.at) = (self.slice + 1, 0);
            } else {
                self.at += taken.len();
            }
        }
    }
}
