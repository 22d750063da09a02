//! The mini-blocks of a stream, one after the other.

use std::hint::select_unpredictable;

use super::{MAX_POSITIONS, MINI, Stream, mini_count, positions_len};
use crate::bits::{MAX_NARROW, packed_len};
use crate::error::{Damaged, Result};
use crate::simd::{GROUP, Narrow, WINDOW};

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
    /// One bit for every value that has a patch.
    pub(super) masks: [u64; MINI / 64],
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
    /// Where the mini-block after the eight begins in the payload.
    end: usize,
    /// The mini-block `index` and those beside it.
    eight: [Place; GROUP],
}

/// What the directory says of a mini-block.
#[derive(Clone, Copy, Default)]
struct Place {
    /// Whether that can be.
    is_sound: bool,
    rows: usize,
    width: u32,
    patches: usize,
    patch_width: u32,
    base: i64,
    step: i64,
    masks: [u64; MINI / 64],
    /// Where it begins and ends in the payload.
    at: usize,
    end: usize,
}

impl<'s, 'a> Minis<'s, 'a> {
    /// Walks from mini-block `first` on.
    #[inline(always)]
    pub(crate) fn from<S: Narrow>(simd: S, stream: &'s Stream<'a>, first: usize) -> Result<Self> {
        let mut minis = Self { stream, index: 0, end: 0, eight: [Place::default(); GROUP] };
        while minis.index < first {
            if minis.index.is_multiple_of(GROUP) {
                minis.look_up(simd, first);
            }
            minis.place()?;
        }
        Ok(minis)
    }

    /// Where the next mini-block begins in the payload.
    pub(crate) fn at(&self) -> usize {
        match self.index % GROUP {
            0 => self.end,
            at => self.eight[at].at,
        }
    }

    /// Looks up eight mini-blocks at once, so that finding one need not wait for another; where patches are only of those from
    /// `first` on.
    #[inline(always)]
    fn look_up<S: Narrow>(&mut self, simd: S, first: usize) {
        let stream = self.stream;
        let none = [0; GROUP];
        let (mut widths, mut patches, mut patch_widths, mut bases, mut steps) =
            (none, none, none, none, none);
        simd.store(stream.widths.eight(simd, self.index), &mut widths);
        simd.store(stream.patches.eight(simd, self.index), &mut patches);
        simd.store(stream.patch_widths.eight(simd, self.index), &mut patch_widths);
        if let Some(of) = &stream.bases {
            simd.store(of.eight(simd, self.index), &mut bases);
        }
        if let Some(of) = &stream.steps {
            simd.store(of.eight(simd, self.index), &mut steps);
        }
        for (at, place) in self.eight.iter_mut().enumerate() {
            let index = self.index.wrapping_add(at);
            *place = Place::new(
                stream.rows.saturating_sub(index.wrapping_mul(MINI)).min(MINI),
                [widths[at], patches[at], patch_widths[at]],
                self.end,
            );
            (place.base, place.step) = (bases[at], steps[at]);
            self.end = place.end;
            if place.patches > 0 && index >= first {
                place.masks = masks(simd, stream.payload, place);
            }
        }
    }

    /// The next place, which has been looked up.
    #[inline(always)]
    fn place(&mut self) -> Result<&Place> {
        let place = &self.eight[self.index % GROUP];
        if !place.is_sound {
            return Err(Damaged::new("the directory of integers says what cannot be"));
        }
        self.index += 1;
        Ok(place)
    }

    /// The next mini-block; there must be one.
    #[inline(always)]
    pub(crate) fn next<'m, S: Narrow>(&mut self, simd: S, pad: &'m mut Pad) -> Result<Mini<'m>>
    where
        'a: 'm,
    {
        if self.index.is_multiple_of(GROUP) {
            self.look_up(simd, self.index);
        }
        let stream = self.stream;
        let Place { rows, width, patches, patch_width, base, step, masks, at, end, .. } = *self.place()?;
        if end > stream.payload_len {
            return Err(Damaged::new("integers go on beyond their end"));
        }
        let bytes = match stream.payload.get(at..end.wrapping_add(WINDOW)) {
            Some(bytes) => bytes,
            None => {
                let own = stream.payload.get(at..end).unwrap_or_default();
                let (copy, _) = pad.0.split_at_mut(own.len());
                copy.copy_from_slice(own);
                &pad.0
            }
        };
        Ok(Mini { rows, width, patches, patch_width, base, step, masks, bytes })
    }

    /// Fails if the payload goes on although all mini-blocks have been visited.
    pub(crate) fn finish(&self) -> Result<()> {
        if self.index == mini_count(self.stream.rows) && self.last_end() != self.stream.payload_len {
            return Err(Damaged::new("integers end before their end"));
        }
        Ok(())
    }

    /// Where the mini-block before the next ends.
    fn last_end(&self) -> usize {
        self.index.checked_sub(1).map_or(0, |last| self.eight[last % GROUP].end)
    }
}

impl Place {
    /// The mini-block of `rows` values that begins at `at`, with a width, so many patches, and their width.
    #[inline(always)]
    fn new(rows: usize, [width, patches, patch_width]: [i64; 3], at: usize) -> Self {
        let possible = |width: i64| width as u64 <= u64::from(MAX_NARROW) || width == 64;
        let is_sound = possible(width)
            && patches as u64 <= rows as u64
            && (patches == 0 || (width != 64 && possible(patch_width)));
        if !is_sound {
            return Self { at, end: at, ..Self::default() };
        }
        let (width, patches) = (width as u32, patches as usize);
        let patch_width = if patches == 0 { 0 } else { patch_width as u32 };
        let len = packed_len(rows, width) + positions_len(patches) + packed_len(patches, patch_width);
        let end = at.wrapping_add(len);
        Self { is_sound, rows, width, patches, patch_width, at, end, ..Self::default() }
    }
}

/// One bit for every value that has a patch; none if they are not as many as there are patches. Those are forged: what the values
/// are does not matter, but it must be the same on every path.
#[inline(always)]
fn masks<S: Narrow>(simd: S, payload: &[u8], place: &Place) -> [u64; MINI / 64] {
    let at = place.at.wrapping_add(packed_len(place.rows, place.width));
    let rest = payload.get(at..).unwrap_or_default();
    let mut padded = [0; MINI / 8];
    let bytes = match rest.first_chunk() {
        Some(bytes) => bytes,
        None => {
            padded[..rest.len()].copy_from_slice(rest);
            &padded
        }
    };
    let positions = simd.positions(bytes, place.patches);
    let bitmap = u128::from_le_bytes(*bytes);
    // Which of both it is would be foretold badly.
    let is_bitmap = place.patches > MAX_POSITIONS;
    let low = select_unpredictable(is_bitmap, bitmap as u64, positions[0]);
    let high = select_unpredictable(is_bitmap, (bitmap >> 64) as u64, positions[1]);
    let count = low.count_ones().wrapping_add(high.count_ones());
    if count as usize == place.patches { [low, high] } else { [0; MINI / 64] }
}
