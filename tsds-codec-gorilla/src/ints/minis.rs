//! The mini-blocks of a stream, one after the other.

use super::{MINI, Stream, mini_count, positions_len};
use crate::bits::{MAX_NARROW, packed_len};
use crate::error::{Damaged, Result};
use crate::simd::WINDOW;

/// The most bytes of a mini-block: its own values and as many patches, all as wide as can be, and a bitmap.
const MAX_LEN: usize = 2 * MINI * 8 + MINI / 8;

/// One mini-block, checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mini<'a> {
    pub(crate) rows: usize,
    pub(crate) width: u32,
    pub(crate) patches: usize,
    pub(crate) patch_width: u32,
    pub(crate) base: i64,
    /// The first step.
    pub(crate) step: i64,
    /// The packed values, where the patches are, the patches, and at least [`WINDOW`] bytes more.
    pub(crate) bytes: &'a [u8],
}

impl Mini<'_> {
    /// Where the positions of the patches begin.
    #[inline(always)]
    pub(crate) fn positions_at(&self) -> usize {
        packed_len(self.rows, self.width)
    }

    /// Where the upper bits of the patches begin.
    #[inline(always)]
    pub(crate) fn patches_at(&self) -> usize {
        self.positions_at() + positions_len(self.patches)
    }
}

/// Room for a copy of a mini-block at the end of the bytes, so that looking beyond it is allowed.
pub(crate) struct Pad([u8; MAX_LEN + WINDOW]);

impl Pad {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self([0; MAX_LEN + WINDOW])
    }
}

/// Walks over mini-blocks.
pub(crate) struct Minis<'s, 'a> {
    stream: &'s Stream<'a>,
    index: usize,
    /// Where mini-block `index` begins in the payload.
    at: usize,
}

impl<'s, 'a> Minis<'s, 'a> {
    /// Walks from mini-block `first` on.
    pub(crate) fn from(stream: &'s Stream<'a>, first: usize) -> Result<Self> {
        let mut minis = Self { stream, index: 0, at: 0 };
        while minis.index < first {
            let shape = minis.shape()?;
            minis.at += shape.len;
            minis.index += 1;
        }
        Ok(minis)
    }

    /// Where the next mini-block begins in the payload.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Width, patches and length of the mini-block that is next, which there must be.
    #[inline(always)]
    fn shape(&self) -> Result<Shape> {
        let stream = self.stream;
        let rows = stream.rows.saturating_sub(self.index * MINI).min(MINI);
        let width = stream.widths.get(self.index);
        let patches = stream.patches.get(self.index);
        let patch_width = stream.patch_widths.get(self.index);
        let possible = |width: i64| (0..=i64::from(MAX_NARROW)).contains(&width) || width == 64;
        let sound = possible(width)
            && (0..=rows as i64).contains(&patches)
            && (patches == 0 || (width != 64 && possible(patch_width)));
        if !sound {
            return Err(Damaged::new("the directory of integers says what cannot be"));
        }
        let (width, patches) = (width as u32, patches as usize);
        let patch_width = if patches == 0 { 0 } else { patch_width as u32 };
        let len = packed_len(rows, width) + positions_len(patches) + packed_len(patches, patch_width);
        Ok(Shape { rows, width, patches, patch_width, len })
    }

    /// The next mini-block; there must be one.
    #[inline(always)]
    pub(crate) fn next<'m>(&mut self, pad: &'m mut Pad) -> Result<Mini<'m>>
    where
        'a: 'm,
    {
        let Shape { rows, width, patches, patch_width, len } = self.shape()?;
        let end = self.at + len;
        if end > self.stream.payload_len {
            return Err(Damaged::new("integers go on beyond their end"));
        }
        let bytes = match self.stream.payload.get(self.at..end + WINDOW) {
            Some(bytes) => bytes,
            None => {
                let own = self.stream.payload.get(self.at..end).unwrap_or_default();
                let (copy, _) = pad.0.split_at_mut(own.len());
                copy.copy_from_slice(own);
                &pad.0
            }
        };
        let base = self.stream.bases.map_or(0, |bases| bases.get(self.index));
        let step = self.stream.steps.map_or(0, |steps| steps.get(self.index));
        self.at = end;
        self.index += 1;
        Ok(Mini { rows, width, patches, patch_width, base, step, bytes })
    }

    /// Fails if the payload goes on although all mini-blocks have been visited.
    pub(crate) fn finish(&self) -> Result<()> {
        if self.index == mini_count(self.stream.rows) && self.at != self.stream.payload_len {
            return Err(Damaged::new("integers end before their end"));
        }
        Ok(())
    }
}

struct Shape {
    rows: usize,
    width: u32,
    patches: usize,
    patch_width: u32,
    len: usize,
}
