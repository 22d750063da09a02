//! Values of a block back into lanes, and lanes into what Arrow lays out.

use std::ops::Range;

use super::classic;
use super::parse::{Block, Decimal, Values};
use crate::error::{Damaged, Result};
use crate::ints::{AddDecoded, Decode, LookUp, Progression, Same, Select, Transform, Within};
use crate::isa::Isa;
use crate::simd::{Narrow, Power, vectorize};
use crate::values::{Kind, lane_of_ordered};

/// How many rows are decoded before they are narrowed.
const BATCH: usize = 1024;

impl Block<'_> {
    /// Decodes the rows of a range into `out`, which is as long: integers as they are, those without a sign with zeros
    /// above, floats as their bits. Null rows get any values. Only what the range touches is decoded.
    ///
    /// # Errors
    ///
    /// [`Damaged`] for damage that shows only now, for a range that is not within the block, for an `out` of another
    /// length, and for booleans, which have [`Block::bits`].
    pub fn read_lanes(&self, range: Range<usize>, out: &mut [i64]) -> Result<()> {
        if range.start > range.end || range.end > self.rows || range.len() != out.len() {
            return Err(Damaged::new("it has not the rows that are asked for"));
        }
        self.values.read_lanes(self.kind, range, self.rows, self.isa, out)
    }

    /// Decodes the rows of a range, as [`Block::read_lanes`] does, and appends what `narrow` makes of their lanes.
    ///
    /// # Errors
    ///
    /// As [`Block::read_lanes`]; what was appended before stays.
    pub fn read_narrow<T>(
        &self,
        range: Range<usize>,
        out: &mut Vec<T>,
        narrow: impl Fn(i64) -> T,
    ) -> Result<()> {
        let mut lanes = [0; BATCH];
        let mut start = range.start;
        // Classic codes have no places to begin at: what is decoded once is better kept.
        let batch = if matches!(self.values, Values::Classic { .. }) { usize::MAX } else { BATCH };
        while start < range.end {
            let end = range.end.min(start.saturating_add(batch));
            if end - start <= BATCH {
                let lanes = &mut lanes[..end - start];
                self.read_lanes(start..end, lanes)?;
                out.extend(lanes.iter().map(|lane| narrow(*lane)));
            } else {
                let mut lanes = vec![0; end - start];
                self.read_lanes(start..end, &mut lanes)?;
                out.extend(lanes.iter().map(|lane| narrow(*lane)));
            }
            start = end;
        }
        Ok(())
    }

    /// Which rows are not null, one bit each, lowest first; `None` if none is null.
    ///
    /// # Errors
    ///
    /// [`Damaged`] for damage that shows only now.
    pub fn validity(&self) -> Result<Option<Vec<u64>>> {
        let set = |stream| vectorize(self.isa, Select { stream, wanted: Within::new(1, 1) });
        self.validity.as_ref().map(set).transpose()
    }

    /// The values of booleans, one bit each, lowest first; those of null rows can be anything.
    ///
    /// # Errors
    ///
    /// [`Damaged`] for damage that shows only now, and for values that are no booleans.
    pub fn bits(&self) -> Result<Vec<u64>> {
        match &self.values {
            Values::Bits(stream) => vectorize(self.isa, Select { stream, wanted: Within::new(1, 1) }),
            _ => Err(Damaged::new("its mode is not one for its type")),
        }
    }
}

impl Values<'_> {
    /// The lanes of a range of `rows` rows.
    pub(super) fn read_lanes(
        &self,
        kind: Kind,
        range: Range<usize>,
        rows: usize,
        isa: Isa,
        out: &mut [i64],
    ) -> Result<()> {
        match self {
            Self::Raw(bytes) => {
                raw(kind, bytes, range, out);
                Ok(())
            }
            Self::Progression { first, step } => {
                let first = first.wrapping_add(step.wrapping_mul(range.start as i64));
                vectorize(isa, Progression { first, step: *step, out });
                Ok(())
            }
            Self::Integers(stream) => match kind {
                Kind::Float64 => vectorize(isa, Decode { stream, range, out, transform: FromOrdered }),
                Kind::Float32 => {
                    vectorize(isa, Decode { stream, range, out: &mut *out, transform: Same })?;
                    out.iter_mut().for_each(|lane| *lane = lane_of_ordered(kind, *lane));
                    Ok(())
                }
                _ => vectorize(isa, Decode { stream, range, out, transform: Same }),
            },
            Self::Decimal(decimal) => decimal.read_lanes(kind, range, isa, out),
            Self::Dictionary { lanes, codes } => {
                vectorize(isa, LookUp { stream: codes, range, table: lanes, out })
            }
            Self::Classic { lanes_log2, bytes } => {
                let mut all = vec![0; rows];
                classic::read(kind, bytes, *lanes_log2, isa, &mut all)?;
                out.copy_from_slice(all.get(range).unwrap_or_default());
                Ok(())
            }
            Self::Bits(_) => Err(Damaged::new("its mode is not one for its type")),
        }
    }
}

fn raw(kind: Kind, bytes: &[u8], range: Range<usize>, out: &mut [i64]) {
    macro_rules! widen {
        ($type:ty, $width:literal) => {
            for (lane, value) in out.iter_mut().zip(bytes.as_chunks::<$width>().0.iter().skip(range.start)) {
                *lane = <$type>::from_le_bytes(*value).into();
            }
        };
    }
    match kind {
        Kind::Int8 => widen!(i8, 1),
        Kind::Int16 => widen!(i16, 2),
        Kind::Int32 => widen!(i32, 4),
        Kind::UInt8 => widen!(u8, 1),
        Kind::UInt16 => widen!(u16, 2),
        Kind::UInt32 | Kind::Float32 => widen!(u32, 4),
        Kind::Int64 | Kind::UInt64 | Kind::Float64 => widen!(i64, 8),
        Kind::Boolean => {}
    }
}

impl Decimal<'_> {
    fn read_lanes(&self, kind: Kind, range: Range<usize>, isa: Isa, out: &mut [i64]) -> Result<()> {
        let (stream, power) = (&self.numbers, self.fit.power);
        let numbers = range.clone();
        match self.fit.single {
            false => {
                vectorize(isa, Decode { stream, range: numbers, out: &mut *out, transform: Quotient(power) })?
            }
            true => {
                vectorize(
                    isa,
                    Decode { stream, range: numbers, out: &mut *out, transform: SingleQuotient(power) },
                )?;
            }
        }
        if let Some(stream) = &self.corrections {
            vectorize(isa, AddDecoded { stream, range: range.clone(), out: &mut *out })?;
        }
        if kind == Kind::Float32 {
            // Exact: the doubles have been rounded to single precision.
            out.iter_mut()
                .for_each(|lane| *lane = i64::from((f64::from_bits(*lane as u64) as f32).to_bits()));
        }
        for (row, exception) in self.exceptions.within(range.clone()) {
            if let Some(lane) = out.get_mut(row) {
                *lane = exception;
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct FromOrdered;

impl Transform for FromOrdered {
    #[inline(always)]
    fn apply<S: Narrow>(self, simd: S, v: S::V) -> S::V {
        simd.ordered_to_bits(v)
    }
}

#[derive(Clone, Copy)]
struct Quotient(Power);

impl Transform for Quotient {
    #[inline(always)]
    fn apply<S: Narrow>(self, simd: S, v: S::V) -> S::V {
        simd.decimal(v, self.0)
    }

    #[inline(always)]
    fn apply_narrow<S: Narrow>(self, simd: S, v: S::N) -> [S::V; 2] {
        simd.narrow_decimal(v, self.0)
    }
}

#[derive(Clone, Copy)]
struct SingleQuotient(Power);

impl Transform for SingleQuotient {
    #[inline(always)]
    fn apply<S: Narrow>(self, simd: S, v: S::V) -> S::V {
        simd.through_single(simd.decimal(v, self.0))
    }
    #[inline(always)]
    fn apply_narrow<S: Narrow>(self, simd: S, v: S::N) -> [S::V; 2] {
        let [low, high] = simd.narrow_decimal(v, self.0);
        [simd.through_single(low), simd.through_single(high)]
    }
}
