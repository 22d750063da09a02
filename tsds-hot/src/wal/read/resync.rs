//! What frames are left behind a place that does not parse.

use tsds_traits::{Result, Sequence};

use super::frames::FrameCursor;
use crate::wal::format::{FRAME_ALIGN, FRAME_HEADER, FrameHeader, looks_like_frame, round_up};

const STRIDE: usize = 64 << 10;

/// The frames that a file still holds from some position on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leftovers {
    /// The highest durable sequence that a frame with a valid header states, and the offset of that frame.
    pub(crate) stated: Option<(Sequence, u64)>,
    /// The end of the last thing that looks like a frame of this file; the position itself if there is none.
    pub(crate) end: u64,
}

/// Searches for frames at every place where one may begin. The body of a frame with a valid header is skipped: what
/// users wrote is no evidence.
pub(crate) fn leftovers(cursor: &mut FrameCursor, from: u64) -> Result<Leftovers> {
    let mut found = Leftovers { stated: None, end: from };
    let mut at = round_up(from, FRAME_ALIGN);
    while at < cursor.len() {
        let Some(candidate) = next_candidate(cursor, at)? else { break };
        cursor.seek(candidate);
        at = match cursor.peek()? {
            Some(header) => {
                if found.stated.is_none_or(|(highest, _)| header.durable > highest) {
                    found.stated = Some((header.durable, candidate));
                }
                candidate.saturating_add(header.frame_len())
            }
            None => candidate + FRAME_ALIGN as u64,
        };
        found.end = found.end.max(at.max(candidate + FRAME_HEADER as u64).min(cursor.len()));
    }
    Ok(found)
}

/// The first valid header from `at` on that `wanted` takes, and its place. The cursor is left there.
pub(crate) fn find_frame(
    cursor: &mut FrameCursor,
    mut at: u64,
    wanted: impl Fn(&FrameHeader) -> bool,
) -> Result<Option<u64>> {
    while let Some(candidate) = next_candidate(cursor, round_up(at, FRAME_ALIGN))? {
        cursor.seek(candidate);
        at = match cursor.peek()? {
            Some(header) if wanted(&header) => return Ok(Some(candidate)),
            Some(header) => candidate.saturating_add(header.frame_len()),
            None => candidate + FRAME_ALIGN as u64,
        };
    }
    Ok(None)
}

/// The first place from `at` on where bytes look like a frame of this file.
fn next_candidate(cursor: &mut FrameCursor, mut at: u64) -> Result<Option<u64>> {
    let number = cursor.number();
    while at < cursor.len() {
        let chunk = cursor.bytes(at, STRIDE + FRAME_HEADER)?;
        let places = STRIDE.min(chunk.len());
        for place in (0..places).step_by(FRAME_ALIGN) {
            if chunk.get(place..).is_some_and(|bytes| looks_like_frame(bytes, number)) {
                return Ok(Some(at + place as u64));
            }
        }
        at += STRIDE as u64;
    }
    Ok(None)
}
