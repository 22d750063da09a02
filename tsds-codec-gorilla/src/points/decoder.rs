//! Bytes to points.

use super::FRAME_HEADER;
use crate::block::Block;
use crate::error::{Damaged, Result};
use crate::isa::Isa;
use crate::values::Kind;

/// Decodes what [`crate::GorillaEncoder`] wrote: point by point as an iterator, or all at once, which is much faster.
///
/// The bytes are untrusted: any give points or [`Damaged`], after which there are no more.
#[derive(Clone, Debug)]
pub struct GorillaDecoder<'a> {
    rest: &'a [u8],
    isa: Isa,
    times: Vec<i64>,
    values: Vec<i64>,
    /// How many of the decoded points have been given.
    given: usize,
}

impl<'a> GorillaDecoder<'a> {
    /// A decoder of all frames in `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, isa: Isa::best(), times: Vec::new(), values: Vec::new(), given: 0 }
    }

    /// Decodes with other instructions, such as to compare them.
    #[must_use]
    pub fn with_isa(self, isa: Isa) -> Self {
        Self { isa, ..self }
    }

    /// Appends all points that have not been given yet.
    ///
    /// # Errors
    ///
    /// [`Damaged`] for bytes that the encoder did not write; the points before are then appended.
    pub fn read_all(mut self, times: &mut Vec<i64>, values: &mut Vec<f64>) -> Result<()> {
        loop {
            times.extend_from_slice(self.times.get(self.given..).unwrap_or_default());
            let rest = self.values.get(self.given..).unwrap_or_default();
            values.extend(rest.iter().map(|bits| f64::from_bits(*bits as u64)));
            self.given = self.times.len();
            if !self.next_frame()? {
                return Ok(());
            }
        }
    }

    /// Decodes the next frame, if there is one.
    fn next_frame(&mut self) -> Result<bool> {
        if self.rest.is_empty() {
            return Ok(false);
        }
        // Whatever comes now, the bytes are not read again.
        let frame = std::mem::take(&mut self.rest);
        let damaged = Damaged::new("it ends within a frame");
        let (header, frame) = frame.split_first_chunk::<FRAME_HEADER>().ok_or(damaged)?;
        let [a, b, c, d, e, f, g, h] = *header;
        let (times, frame) =
            frame.split_at_checked(u32::from_le_bytes([a, b, c, d]) as usize).ok_or(damaged)?;
        let (values, rest) =
            frame.split_at_checked(u32::from_le_bytes([e, f, g, h]) as usize).ok_or(damaged)?;
        let times = Block::parse_with(times, self.isa)?;
        let values = Block::parse_with(values, self.isa)?;
        let kinds = (times.kind(), values.kind());
        let rows = times.rows();
        if kinds != (Kind::Int64, Kind::Float64)
            || rows != values.rows()
            || times.has_nulls()
            || values.has_nulls()
        {
            return Err(Damaged::new("a frame does not hold points"));
        }
        self.times.resize(rows, 0);
        self.values.resize(rows, 0);
        self.given = rows;
        times.read_lanes(0..rows, &mut self.times)?;
        values.read_lanes(0..rows, &mut self.values)?;
        (self.given, self.rest) = (0, rest);
        Ok(true)
    }
}

impl Iterator for GorillaDecoder<'_> {
    type Item = Result<(i64, f64)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let (Some(time), Some(bits)) = (self.times.get(self.given), self.values.get(self.given)) {
                self.given += 1;
                return Some(Ok((*time, f64::from_bits(*bits as u64))));
            }
            match self.next_frame() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(damaged) => return Some(Err(damaged)),
            }
        }
    }
}
