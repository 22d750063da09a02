//! Which integers lie in a range, without storing them.

use super::decode::{Sink, produce};
use super::minis::{Mini, Minis, Pad};
use super::{Form, MINI, Stream};
use crate::error::Result;
use crate::simd::{Kernel, Simd};

/// Finds the values `v` with `low <= v <= high`, as bits, lowest first. Bits of rows beyond the last are unset.
pub(crate) struct Select<'s, 'a> {
    pub(crate) stream: &'s Stream<'a>,
    pub(crate) low: i64,
    pub(crate) high: i64,
}

/// Compares groups with a range.
struct Within {
    masks: [u8; MINI / 8],
    low: i64,
    span: u64,
}

impl<S: Simd> Sink<S> for Within {
    #[inline(always)]
    fn put(&mut self, simd: S, group: usize, v: S::V) {
        if let Some(mask) = self.masks.get_mut(group) {
            *mask = simd.within(v, self.low, self.span);
        }
    }
}

impl Kernel for Select<'_, '_> {
    type Output = Result<Vec<u64>>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Result<Vec<u64>> {
        let Self { stream, low, high } = self;
        let mut words = vec![0u64; stream.rows.div_ceil(MINI) * (MINI / 64)];
        let mut minis = Minis::from(stream, 0)?;
        let mut pad = Pad::new();
        let span = high.wrapping_sub(low) as u64;
        for words in words.as_chunks_mut::<{ MINI / 64 }>().0 {
            let mini = minis.next(&mut pad)?;
            let mut found = Within { masks: [0; MINI / 8], low, span };
            match bounds(stream, &mini) {
                Some((_, max)) if max < low => {}
                Some((min, _)) if min > high => {}
                Some((min, max)) if min >= low && max <= high => found.masks = [u8::MAX; MINI / 8],
                _ => produce(simd, stream, &mini, &mut found),
            }
            let (halves, _) = found.masks.as_chunks::<8>();
            let unused = MINI - mini.rows;
            let rows = u128::MAX >> unused;
            for (half, (word, masks)) in words.iter_mut().zip(halves).enumerate() {
                *word = u64::from_le_bytes(*masks) & (rows >> (64 * half)) as u64;
            }
        }
        words.truncate(stream.rows.div_ceil(64));
        minis.finish()?;
        Ok(words)
    }
}

/// Between what the values of a mini-block lie, as far as the directory says; `None` where it does not or values could
/// wrap.
fn bounds(stream: &Stream<'_>, mini: &Mini<'_>) -> Option<(i64, i64)> {
    let bits = mini.width + if mini.patches > 0 { mini.patch_width + 1 } else { 0 };
    if bits > 54 {
        return None;
    }
    let reach = 1i64 << bits;
    let steps = mini.rows as i64;
    let (min, max) = match stream.form {
        Form::Flat => (mini.base, mini.base.checked_add(reach)?),
        Form::Centred => (stream.centre.checked_sub(reach)?, stream.centre.checked_add(reach)?),
        Form::Delta => {
            // The first is its base in all that the encoder writes, but may be anything within reach.
            let rise = stream.centre.checked_add(reach)?.max(0).checked_mul(steps)?.checked_add(reach)?;
            let fall = stream.centre.checked_sub(reach)?.min(0).checked_mul(steps)?.checked_sub(reach)?;
            (mini.base.checked_add(fall)?, mini.base.checked_add(rise)?)
        }
        // Steps may change with every row: the bounds would be far too wide.
        Form::DeltaOfDelta if bits > 0 => return None,
        Form::DeltaOfDelta => {
            let last = mini.base.checked_add(mini.step.checked_mul(steps)?)?;
            (mini.base.min(last), mini.base.max(last))
        }
    };
    match stream.scale {
        None => Some((min, max)),
        Some(scale) => {
            let scaled = |value: i64| value.checked_mul(scale.factor)?.checked_add(scale.offset);
            let (one, other) = (scaled(min)?, scaled(max)?);
            Some((one.min(other), one.max(other)))
        }
    }
}
