//! Where everything of a stream lies.

use super::mini_count;
use crate::bits::{Packed, Reader};
use crate::error::{Damaged, Result};
use crate::simd::Simd;

/// How small unsigned numbers `u` of a mini-block are integers. All arithmetic wraps, rows `i` and `k` count from the first of
/// the mini-block, `z` undoes zigzag coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// `base + u[i]`.
    Flat = 0,
    /// `base + i * centre + sum of z(u[k]) for k <= i`. The encoder writes the first as 0.
    Delta = 1,
    /// `base + i * step + sum over k <= i of the sum of z(u[j]) for j <= k`. The encoder writes the first two as 0.
    DeltaOfDelta = 2,
    /// `centre + z(u[i])`.
    Centred = 3,
}

impl Form {
    pub(crate) fn has_bases(self) -> bool {
        self != Self::Centred
    }

    pub(crate) fn has_centre(self) -> bool {
        matches!(self, Self::Delta | Self::Centred)
    }
}

/// The flag beside the form that says that values are scaled.
pub(crate) const SCALED: u8 = 0x80;

/// `value = offset + factor * number`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scale {
    pub(crate) factor: i64,
    pub(crate) offset: i64,
}

/// Bases are `first + slope * mini-block + rest`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bases<'a> {
    first: i64,
    slope: i64,
    rest: Packed<'a>,
}

impl Bases<'_> {
    /// Those of the eight mini-blocks from `mini` on, which is a multiple of eight.
    #[inline(always)]
    pub(crate) fn eight<S: Simd>(&self, simd: S, mini: usize) -> S::V {
        let first = self.first.wrapping_add(self.slope.wrapping_mul(mini as i64));
        let line = simd.add(simd.splat(first), simd.ramp(self.slope));
        simd.add(line, self.rest.eight(simd, mini))
    }
}

/// A stream of integers in untrusted bytes: the header and the directory. What the directory says of a mini-block is
/// checked when the mini-block is visited.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream<'a> {
    pub(crate) rows: usize,
    pub(crate) form: Form,
    pub(crate) scale: Option<Scale>,
    pub(crate) centre: i64,
    pub(crate) widths: Packed<'a>,
    /// How many patches a mini-block has.
    pub(crate) patches: Packed<'a>,
    /// The widths of patches.
    pub(crate) patch_widths: Packed<'a>,
    pub(crate) bases: Option<Bases<'a>>,
    /// The first steps of [`Form::DeltaOfDelta`].
    pub(crate) steps: Option<Packed<'a>>,
    /// How long the mini-blocks are.
    pub(crate) payload_len: usize,
    /// The mini-blocks, and what follows them in the block: a load that looks beyond a mini-block need not be avoided.
    pub(crate) payload: &'a [u8],
}

impl<'a> Stream<'a> {
    /// Reads the stream of `rows` values that begins where `reader` is, and leaves the reader behind it.
    pub(crate) fn parse(reader: &mut Reader<'a>, rows: usize) -> Result<Self> {
        let minis = mini_count(rows);
        let head = reader.byte()?;
        let form = match head & !SCALED {
            0 => Form::Flat,
            1 => Form::Delta,
            2 => Form::DeltaOfDelta,
            3 => Form::Centred,
            _ => return Err(Damaged::new("integers have an unknown form")),
        };
        let scale = match head & SCALED {
            0 => None,
            _ => Some(Scale { factor: reader.signed()?, offset: reader.signed()? }),
        };
        let centre = if form.has_centre() { reader.signed()? } else { 0 };
        let payload_len = usize::try_from(reader.varint()?)
            .map_err(|_| Damaged::new("integers have an impossible length"))?;
        let widths = Packed::parse(reader, minis)?;
        let patches = Packed::parse(reader, minis)?;
        let patch_widths = Packed::parse(reader, minis)?;
        let bases = match form.has_bases() {
            true => Some(Bases {
                first: reader.signed()?,
                slope: reader.signed()?,
                rest: Packed::parse(reader, minis)?,
            }),
            false => None,
        };
        let steps = match form {
            Form::DeltaOfDelta => Some(Packed::parse(reader, minis)?),
            _ => None,
        };
        let payload = reader.rest();
        reader.bytes(payload_len)?;
        Ok(Self {
            rows,
            form,
            scale,
            centre,
            widths,
            patches,
            patch_widths,
            bases,
            steps,
            payload_len,
            payload,
        })
    }
}
