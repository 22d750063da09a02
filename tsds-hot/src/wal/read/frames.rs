//! Frames of one file, one after the other, through a window of bounded size.

use std::sync::Arc;

use arrow_buffer::MutableBuffer;
use tsds_traits::{Error, Result, VfsFile};

use crate::wal::format::{FRAME_HEADER, FrameHeader, PAGE, Seed, flags, round_up};

const WINDOW: usize = 1 << 20;

/// Reads a file front to back.
#[derive(Debug)]
pub(crate) struct FrameCursor {
    file: Arc<dyn VfsFile>,
    len: u64,
    number: u64,
    seed: Seed,
    window: Vec<u8>,
    window_at: u64,
    position: u64,
}

impl FrameCursor {
    /// Starts at `position` of file `number`, which is `len` bytes long.
    pub(crate) fn new(file: Arc<dyn VfsFile>, len: u64, number: u64, seed: Seed, position: u64) -> Self {
        Self { file, len, number, seed, window: Vec::new(), window_at: 0, position }
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn seek(&mut self, position: u64) {
        self.position = position;
    }

    /// At most `count` bytes from `at`, fewer only at the end of the file.
    pub(crate) fn bytes(&mut self, at: u64, count: usize) -> Result<&[u8]> {
        let end = at.saturating_add(count as u64).min(self.len);
        if at < self.window_at || end > self.window_at + self.window.len() as u64 {
            self.fill(at, count)?;
        }
        let from = (at.saturating_sub(self.window_at) as usize).min(self.window.len());
        let to = (end.saturating_sub(self.window_at) as usize).clamp(from, self.window.len());
        Ok(self.window.get(from..to).unwrap_or_default())
    }

    fn fill(&mut self, at: u64, count: usize) -> Result<()> {
        let wanted = self.len.saturating_sub(at).min(WINDOW.max(count) as u64) as usize;
        // A frame that begins in the window and ends beyond it is not read twice.
        let passed = at.checked_sub(self.window_at).map_or(self.window.len(), |passed| passed as usize);
        self.window.drain(..passed.min(self.window.len()));
        let kept = self.window.len().min(wanted);
        self.window.resize(wanted, 0);
        self.window_at = at;
        let missing = self.window.get_mut(kept..).unwrap_or_default();
        let filled = self.file.read_exact_at(missing, at + kept as u64);
        filled.map_err(|error| {
            self.window.clear();
            self.read_failed(error, at)
        })
    }

    fn read_failed(&self, error: std::io::Error, at: u64) -> Error {
        Error::from(error).with("file_number", format!("{:016x}", self.number)).with("offset", at)
    }

    /// The frame header at the position, or `None` if no whole one is there.
    ///
    /// # Errors
    ///
    /// As for I/O; `Unsupported` for a whole one of a later format version.
    pub(crate) fn peek(&mut self) -> Result<Option<FrameHeader>> {
        let (seed, number) = (self.seed, self.number);
        let position = self.position;
        FrameHeader::parse(self.bytes(position, FRAME_HEADER)?, seed, number)
            .map_err(|error| error.with("file_number", format!("{number:016x}")).with("offset", position))
    }

    /// Whether the file ends before the body of the frame at the position does.
    pub(crate) fn is_cut(&self, header: &FrameHeader) -> bool {
        self.position.saturating_add(FRAME_HEADER as u64 + u64::from(header.length)) > self.len
    }

    /// Appends the body of the frame at the position to `out`. False, and `out` as before, if the body is cut off or
    /// its checksum fails.
    pub(crate) fn body(&mut self, header: &FrameHeader, out: &mut MutableBuffer) -> Result<bool> {
        if self.is_cut(header) {
            return Ok(false);
        }
        let (at, length, before) = (self.position + FRAME_HEADER as u64, header.length as usize, out.len());
        if length <= WINDOW / 4 {
            out.extend_from_slice(self.bytes(at, length)?);
        } else {
            let begin = self.buffered(at, length);
            let buffered = begin.len();
            out.reserve(length);
            out.extend_from_slice(begin);
            out.resize(before + length, 0);
            let rest = out.as_slice_mut().get_mut(before + buffered..).unwrap_or_default();
            let rest_at = at + buffered as u64;
            self.file.read_exact_at(rest, rest_at).map_err(|error| self.read_failed(error, rest_at))?;
        }
        let holds =
            out.as_slice().get(before..).is_some_and(|body| self.seed.checksum(body) == header.body_crc);
        if !holds {
            out.truncate(before);
        }
        Ok(holds)
    }

    /// As many of the `count` bytes from `at` as the window has.
    fn buffered(&self, at: u64, count: usize) -> &[u8] {
        let from = at.checked_sub(self.window_at).map_or(usize::MAX, |from| from as usize);
        let rest = self.window.get(from..).unwrap_or_default();
        rest.get(..count).unwrap_or(rest)
    }

    /// Moves past the frame at the position.
    pub(crate) fn advance(&mut self, header: &FrameHeader) {
        let end = self.position.saturating_add(header.frame_len());
        self.position = if header.has(flags::GROUP_END) { round_up(end, PAGE) } else { end };
    }
}
