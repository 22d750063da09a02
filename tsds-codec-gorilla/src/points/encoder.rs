//! Points to bytes.

use crate::block::{Column, MAX_ROWS, ModeChoice, encode};
use crate::values::Kind;

/// How many points a frame has unless another number is asked for.
const FRAME_POINTS: usize = 8192;

/// Encodes points, each a time and a value, in frames of a block of times and a block of values.
///
/// Frames are complete in themselves: what [`GorillaEncoder::take`] gives, one after the other, is what
/// [`crate::GorillaDecoder`] reads, and so are any such bytes behind each other.
///
/// ```
/// use tsds_codec_gorilla::{GorillaDecoder, GorillaEncoder};
///
/// let mut encoder = GorillaEncoder::new();
/// for i in 0..10_000 {
///     encoder.append(1_700_000_000_000 + i * 1000, 20.0 + (i % 50) as f64 / 10.0);
/// }
/// let bytes = encoder.finish();
/// assert!(bytes.len() < 10_000);
///
/// let mut points = 0;
/// for point in GorillaDecoder::new(&bytes) {
///     let (time, value) = point?;
///     assert_eq!((time, value), (1_700_000_000_000 + points * 1000, 20.0 + (points % 50) as f64 / 10.0));
///     points += 1;
/// }
/// assert_eq!(points, 10_000);
/// # Ok::<(), tsds_codec_gorilla::Damaged>(())
/// ```
#[derive(Clone, Debug)]
pub struct GorillaEncoder {
    choice: ModeChoice,
    frame_points: usize,
    times: Vec<i64>,
    values: Vec<i64>,
    bytes: Vec<u8>,
}

impl GorillaEncoder {
    /// An encoder that takes the shortest modes.
    pub fn new() -> Self {
        Self {
            choice: ModeChoice::Shortest,
            frame_points: FRAME_POINTS,
            times: Vec::new(),
            values: Vec::new(),
            bytes: Vec::new(),
        }
    }

    /// Encodes in a chosen mode.
    #[must_use]
    pub fn with_choice(self, choice: ModeChoice) -> Self {
        Self { choice, ..self }
    }

    /// Puts so many points in a frame, from 1 to [`MAX_ROWS`]: more make bytes fewer, fewer make memory less.
    #[must_use]
    pub fn with_frame_points(self, points: usize) -> Self {
        Self { frame_points: points.clamp(1, MAX_ROWS), ..self }
    }

    /// Adds a point. Times need not ascend; any bits of a value come back.
    pub fn append(&mut self, time: i64, value: f64) {
        self.times.push(time);
        self.values.push(value.to_bits() as i64);
        if self.times.len() >= self.frame_points {
            self.end_frame();
        }
    }

    /// Adds points; of times without a value and values without a time, nothing.
    pub fn append_all(&mut self, times: &[i64], values: &[f64]) {
        times.iter().zip(values).for_each(|(time, value)| self.append(*time, *value));
    }

    /// How many points are not yet in a frame.
    pub fn pending(&self) -> usize {
        self.times.len()
    }

    /// The frames that are complete; they are then no longer here.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// All frames, the last maybe with fewer points.
    pub fn finish(mut self) -> Vec<u8> {
        self.end_frame();
        self.bytes
    }

    fn end_frame(&mut self) {
        if self.times.is_empty() {
            return;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; super::FRAME_HEADER]);
        for (index, (kind, lanes)) in
            [(Kind::Int64, &self.times), (Kind::Float64, &self.values)].into_iter().enumerate()
        {
            let before = self.bytes.len();
            encode(Column { kind, lanes, validity: None }, self.choice, &mut self.bytes);
            // At most 128 MiB and a header.
            let len = (self.bytes.len() - before) as u32;
            self.bytes[start + 4 * index..start + 4 * index + 4].copy_from_slice(&len.to_le_bytes());
        }
        self.times.clear();
        self.values.clear();
    }
}

impl Default for GorillaEncoder {
    fn default() -> Self {
        Self::new()
    }
}
