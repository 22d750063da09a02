//! The mini-blocks of a stream, one after the other.

use super::{MINI, Stream, mini_count, positions_len};
use crate::bits::{MAX_NARROW, packed_len};
use crate::error::{Damaged, Result};
use crate::simd::{GROUP, Simd, WINDOW};

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
    /// What the directory says of eight mini-blocks, `index` among them.
    eight: Eight,
}

/// What the directory says of eight mini-blocks.
struct Eight {
    widths: [i64; GROUP],
    patches: [i64; GROUP],
    patch_widths: [i64; GROUP],
    bases: [i64; GROUP],
    steps: [i64; GROUP],
}

impl<'s, 'a> Minis<'s, 'a> {
    /// Walks from mini-block `first` on.
    #[inline(always)]
    pub(crate) fn from<S: Simd>(simd: S, stream: &'s Stream<'a>, first: usize) -> Result<Self> {
        let none = [0; GROUP];
        let eight = Eight { widths: none, patches: none, patch_widths: none, bases: none, steps: none };
        let mut minis = Self { stream, index: 0, at: 0, eight };
        while minis.index < first {
            let shape = minis.shape(simd)?;
            minis.at += shape.len;
            minis.index += 1;
        }
        Ok(minis)
    }

    /// Where the next mini-block begins in the payload.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    #[inline(always)]
    fn look_up<S: Simd>(&mut self, simd: S) {
        let (stream, first) = (self.stream, self.index / GROUP * GROUP);
        simd.store(stream.widths.eight(simd, first), &mut self.eight.widths);
        simd.store(stream.patches.eight(simd, first), &mut self.eight.patches);
        simd.store(stream.patch_widths.eight(simd, first), &mut self.eight.patch_widths);
        if let Some(bases) = &stream.bases {
            simd.store(bases.eight(simd, first), &mut self.eight.bases);
        }
        if let Some(steps) = &stream.steps {
            simd.store(steps.eight(simd, first), &mut self.eight.steps);
        }
    }

    /// Width, patches and length of the mini-block that is next, which there must be.
    #[inline(always)]
    fn shape<S: Simd>(&mut self, simd: S) -> Result<Shape> {
        let at = self.index % GROUP;
        if at == 0 {
            self.look_up(simd);
        }
        let rows = self.stream.rows.saturating_sub(self.index * MINI).min(MINI);
        let width = self.eight.widths[at];
        let patches = self.eight.patches[at];
        let patch_width = self.eight.patch_widths[at];
        let possible = |width: i64| width as u64 <= u64::from(MAX_NARROW) || width == 64;
        let sound = possible(width)
            && patches as u64 <= rows as u64
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
    pub(crate) fn next<'m, S: Simd>(&mut self, simd: S, pad: &'m mut Pad) -> Result<Mini<'m>>
    where
        'a: 'm,
    {
        let Shape { rows, width, patches, patch_width, len } = self.shape(simd)?;
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
        let at = self.index % GROUP;
        let (base, step) = (self.eight.bases[at], self.eight.steps[at]);
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
