use tsds_traits::{Error, RecordKind, Result, SchemaVersion, Sequence, TableId};

use super::{FORMAT_VERSION, FRAME_ALIGN, Seed, bytes_at, round_up};

const MAGIC: &[u8; 4] = b"tsfr";
const CRC_AT: usize = 76;

/// Bytes of a frame's header.
pub(crate) const FRAME_HEADER: usize = 80;

/// Bytes of the largest body. A longer payload is split into several frames of one record.
pub(crate) const MAX_BODY: usize = 16 << 20;

/// The bits of [`FrameHeader::flags`].
pub(crate) mod flags {
    /// The first frame of its record.
    pub(crate) const FIRST: u8 = 1;
    /// The last frame of its record: with it the record is whole.
    pub(crate) const LAST: u8 = 2;
    /// The record has a client batch id.
    pub(crate) const CLIENT_BATCH: u8 = 4;
    /// The last frame of what was written and synced at once: the next frame begins at the next page.
    pub(crate) const GROUP_END: u8 = 8;
    /// A mark written by a clean close: nothing follows in this file.
    pub(crate) const CLOSED: u8 = 16;
    pub(crate) const ALL: u8 = 31;
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FrameKind {
    /// A record, or a part of one.
    Record = 1,
    /// States that everything up to its sequence is durable.
    SyncMark = 2,
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    /// Bytes of the body, without what fills up to [`FRAME_ALIGN`].
    pub(crate) length: u32,
    /// The file's number.
    pub(crate) number: u64,
    /// The sequence of the record, the same in each of its frames.
    pub(crate) sequence: Sequence,
    /// All up to here were durable when the frame was written.
    pub(crate) durable: Sequence,
    pub(crate) table: TableId,
    pub(crate) schema_version: SchemaVersion,
    /// Rows of the whole record.
    pub(crate) rows: u32,
    /// The number of this frame in its record, from 0.
    pub(crate) part: u16,
    pub(crate) kind: FrameKind,
    pub(crate) flags: u8,
    pub(crate) client_batch: [u8; 16],
    /// What the payload of the record is.
    pub(crate) record_kind: RecordKind,
    pub(crate) body_crc: u32,
}

impl FrameHeader {
    pub(crate) fn encode(&self, seed: Seed) -> [u8; FRAME_HEADER] {
        let mut bytes = [0; FRAME_HEADER];
        put(&mut bytes, 0, MAGIC);
        put(&mut bytes, 4, &self.length.to_le_bytes());
        put(&mut bytes, 8, &self.number.to_le_bytes());
        put(&mut bytes, 16, &self.sequence.0.to_le_bytes());
        put(&mut bytes, 24, &self.durable.0.to_le_bytes());
        put(&mut bytes, 32, &self.table.0.to_le_bytes());
        put(&mut bytes, 36, &self.schema_version.0.to_le_bytes());
        put(&mut bytes, 40, &self.rows.to_le_bytes());
        put(&mut bytes, 44, &self.part.to_le_bytes());
        put(&mut bytes, 46, &[self.kind as u8, self.flags]);
        put(&mut bytes, 48, &self.client_batch);
        put(&mut bytes, 64, &self.record_kind.0.to_le_bytes());
        put(&mut bytes, 72, &self.body_crc.to_le_bytes());
        let crc = bytes.get(..CRC_AT).map_or(0, |covered| seed.checksum(covered));
        put(&mut bytes, CRC_AT, &crc.to_le_bytes());
        bytes
    }

    /// Reads a header; `None` unless its own checksum holds. The length may be trusted.
    ///
    /// # Errors
    ///
    /// `Unsupported` for a whole header with anything that this format version does not have: whoever takes it for damage
    /// would cut off what a later version wrote.
    pub(crate) fn parse(bytes: &[u8], seed: Seed, number: u64) -> Result<Option<Self>> {
        let Some((kind, reserved, fields)) = whole(bytes, seed, number) else { return Ok(None) };
        let later = |what: &'static str, value: u64| {
            Err(Error::unsupported(
                "write-ahead log has a frame of a later format version; use the version of TSDS that wrote it",
            )
            .with(what, value)
            .with("supported", FORMAT_VERSION))
        };
        let kind = match kind {
            1 => FrameKind::Record,
            2 => FrameKind::SyncMark,
            other => return later("kind", other.into()),
        };
        if fields.flags & !flags::ALL != 0 {
            return later("flags", fields.flags.into());
        }
        if fields.length as usize > MAX_BODY {
            return later("length", fields.length.into());
        }
        if let Some(byte) = reserved.into_iter().find(|byte| *byte != 0) {
            return later("reserved", byte.into());
        }
        Ok(Some(Self { kind, ..fields }))
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Bytes of the frame, with what fills up to [`FRAME_ALIGN`].
    pub(crate) fn frame_len(&self) -> u64 {
        FRAME_HEADER as u64 + round_up(u64::from(self.length), FRAME_ALIGN)
    }
}

/// The kind, the reserved bytes and, whatever its kind, all else of a header whose checksum holds.
fn whole(bytes: &[u8], seed: Seed, number: u64) -> Option<(u8, [u8; 6], FrameHeader)> {
    let u64_at = |at| Some(u64::from_le_bytes(bytes_at(bytes, at)?));
    let u32_at = |at| Some(u32::from_le_bytes(bytes_at(bytes, at)?));
    if !looks_like_frame(bytes, number) || seed.checksum(bytes.get(..CRC_AT)?) != u32_at(CRC_AT)? {
        return None;
    }
    let [kind, flags] = bytes_at(bytes, 46)?;
    let header = FrameHeader {
        length: u32_at(4)?,
        number,
        sequence: Sequence(u64_at(16)?),
        durable: Sequence(u64_at(24)?),
        table: TableId(u32_at(32)?),
        schema_version: SchemaVersion(u32_at(36)?),
        rows: u32_at(40)?,
        part: u16::from_le_bytes(bytes_at(bytes, 44)?),
        kind: FrameKind::Record,
        flags,
        client_batch: bytes_at(bytes, 48)?,
        record_kind: RecordKind(u16::from_le_bytes(bytes_at(bytes, 64)?)),
        body_crc: u32_at(72)?,
    };
    Some((kind, bytes_at(bytes, 66)?, header))
}

/// Whether `bytes` begin as a frame of file `number` does. Says nothing of whether it is whole.
pub(crate) fn looks_like_frame(bytes: &[u8], number: u64) -> bool {
    bytes.starts_with(MAGIC) && bytes_at(bytes, 8).map(u64::from_le_bytes) == Some(number)
}

/// Bytes of the frames of a record with `payload` bytes, in frames of at most `frame_bytes` each.
pub(crate) fn framed_len(payload: u64, frame_bytes: usize) -> u64 {
    let full = payload / frame_bytes as u64;
    let rest = payload % frame_bytes as u64;
    let last = if rest > 0 || full == 0 { FRAME_HEADER as u64 + round_up(rest, FRAME_ALIGN) } else { 0 };
    full * (FRAME_HEADER + frame_bytes) as u64 + last
}

fn put(header: &mut [u8; FRAME_HEADER], at: usize, bytes: &[u8]) {
    if let Some(room) = header.get_mut(at..at + bytes.len()) {
        room.copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use tsds_traits::DatabaseId;

    use super::*;

    fn header() -> FrameHeader {
        FrameHeader {
            length: 1000,
            number: 3,
            sequence: Sequence(17),
            durable: Sequence(12),
            table: TableId(4),
            schema_version: SchemaVersion(2),
            rows: 10,
            part: 1,
            kind: FrameKind::Record,
            flags: flags::LAST | flags::CLIENT_BATCH,
            client_batch: [5; 16],
            record_kind: RecordKind(7),
            body_crc: 99,
        }
    }

    fn seed(number: u64) -> Seed {
        Seed::new(DatabaseId([7; 16]), number)
    }

    fn parse(bytes: &[u8]) -> Option<FrameHeader> {
        FrameHeader::parse(bytes, seed(3), 3).unwrap()
    }

    #[test]
    fn a_frame_header_reads_back() {
        assert_eq!(parse(&header().encode(seed(3))), Some(header()));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = header().encode(seed(3));
        for bit in 0..FRAME_HEADER * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(parse(&bytes), None, "bit {bit}");
        }
        for len in 0..FRAME_HEADER {
            assert_eq!(parse(&bytes[..len]), None, "{len} bytes");
        }
    }

    #[test]
    fn a_frame_of_another_file_or_database_never_parses() {
        let bytes = header().encode(seed(3));
        assert_eq!(FrameHeader::parse(&bytes, seed(4), 4).unwrap(), None);
        assert_eq!(FrameHeader::parse(&bytes, Seed::new(DatabaseId([8; 16]), 3), 3).unwrap(), None);
    }

    #[test]
    fn what_a_later_version_may_write_is_unsupported_and_not_taken_for_damage() {
        let later = [
            (46, 3, "kind=3"),
            (47, 0x26, "flags=38"),
            (7, 0x7f, "length="),
            (66, 1, "reserved=1"),
            (71, 9, "reserved=9"),
        ];
        for (at, value, named) in later {
            let mut bytes = header().encode(seed(3));
            bytes[at] = value;
            assert_eq!(parse(&bytes), None, "byte {at} without a checksum");
            let crc = seed(3).checksum(&bytes[..CRC_AT]).to_le_bytes();
            bytes[CRC_AT..].copy_from_slice(&crc);
            let error = FrameHeader::parse(&bytes, seed(3), 3).unwrap_err();
            assert_eq!(error.kind(), tsds_traits::ErrorKind::Unsupported, "byte {at}");
            assert!(
                error.to_string().contains(named) && error.to_string().contains("supported=1"),
                "{error}"
            );
        }
    }

    #[test]
    fn framed_length_counts_every_frame() {
        assert_eq!(framed_len(0, MAX_BODY), 80);
        assert_eq!(framed_len(1, MAX_BODY), 88);
        assert_eq!(framed_len(MAX_BODY as u64, MAX_BODY), (80 + MAX_BODY) as u64);
        assert_eq!(framed_len(MAX_BODY as u64 + 1, MAX_BODY), (80 + MAX_BODY + 88) as u64);
    }
}
